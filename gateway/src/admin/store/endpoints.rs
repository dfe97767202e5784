//! Endpoints: names by which models are called, with their models, tags and strategies.

use db::{OnConflict, Reader, Tx, Value as Bound};
use rest::python::dumps;
use rest::{Error, Result};
use serde_json::{Map, Value, json};

use super::definitions::Definition;
use super::mappings::{self, Linkage, Mapping, NewMapping};
use super::{Store, now_ms, set};

/// What is done when a model fails.
#[derive(Clone, Debug, Default)]
pub(in crate::admin) struct Fallback {
    /// Whether the other models are asked one after the other: the one strategy that there is.
    pub(in crate::admin) is_sequential: bool,
    /// How many of them are asked at most.
    pub(in crate::admin) max_attempts: Option<i64>,
}

/// An endpoint to be made.
#[derive(Clone)]
pub(in crate::admin) struct NewEndpoint {
    pub(in crate::admin) id: String,
    pub(in crate::admin) name: String,
    pub(in crate::admin) models: Vec<NewMapping>,
    pub(in crate::admin) splits_traffic: bool,
    pub(in crate::admin) fallback: Option<Fallback>,
    pub(in crate::admin) experiment_id: Option<i64>,
    pub(in crate::admin) usage_tracking: bool,
    pub(in crate::admin) created_by: Option<String>,
}

/// What changes about an endpoint; what is `None` stays.
#[derive(Clone, Default)]
pub(in crate::admin) struct EndpointChange {
    pub(in crate::admin) name: Option<String>,
    pub(in crate::admin) models: Option<Vec<NewMapping>>,
    pub(in crate::admin) splits_traffic: bool,
    pub(in crate::admin) fallback: Option<Fallback>,
    pub(in crate::admin) experiment_id: Option<i64>,
    pub(in crate::admin) usage_tracking: Option<bool>,
    pub(in crate::admin) updated_by: Option<String>,
}

/// An endpoint with its models and tags.
pub(in crate::admin) struct Endpoint {
    pub(in crate::admin) row: Row,
    pub(in crate::admin) models: Vec<(Mapping, Option<Definition>)>,
    tags: Vec<Tag>,
}

pub(in crate::admin) struct Row {
    pub(in crate::admin) endpoint_id: String,
    pub(in crate::admin) name: Option<String>,
    pub(in crate::admin) routing_strategy: Option<String>,
    fallback_config_json: Option<String>,
    pub(in crate::admin) experiment_id: Option<i64>,
    usage_tracking: bool,
    created_by: Option<String>,
    created_at: i64,
    last_updated_by: Option<String>,
    last_updated_at: i64,
}

db::record!(Row {
    endpoint_id,
    name,
    routing_strategy,
    fallback_config_json,
    experiment_id,
    usage_tracking,
    created_by,
    created_at,
    last_updated_by,
    last_updated_at,
});

struct Tag {
    endpoint_id: String,
    key: String,
    value: Option<String>,
}

db::record!(Tag { endpoint_id, key, value });

const COLUMNS: [&str; 10] = [
    "endpoint_id",
    "name",
    "routing_strategy",
    "fallback_config_json",
    "experiment_id",
    "usage_tracking",
    "created_by",
    "created_at",
    "last_updated_by",
    "last_updated_at",
];

/// The one routing strategy of MLflow's protocol.
pub(in crate::admin) const TRAFFIC_SPLIT: &str = "REQUEST_BASED_TRAFFIC_SPLIT";
const SEQUENTIAL: &str = "SEQUENTIAL";
const WHAT: &str = "GatewayEndpoint";

impl Endpoint {
    pub(in crate::admin) fn to_json(&self) -> Value {
        let row = &self.row;
        let mut json = Map::new();
        set(&mut json, "endpoint_id", Some(row.endpoint_id.as_str()));
        set(&mut json, "name", Some(row.name.as_deref().unwrap_or_default()));
        set(&mut json, "created_at", Some(row.created_at));
        set(&mut json, "last_updated_at", Some(row.last_updated_at));
        let models: Vec<Value> = self.models.iter().map(|(it, model)| it.to_json(model.as_ref())).collect();
        set(&mut json, "model_mappings", (!models.is_empty()).then_some(models));
        let tags: Vec<Value> = self.tags.iter().map(Tag::to_json).collect();
        set(&mut json, "tags", (!tags.is_empty()).then_some(tags));
        set(&mut json, "created_by", Some(row.created_by.as_deref().unwrap_or_default()));
        set(&mut json, "last_updated_by", Some(row.last_updated_by.as_deref().unwrap_or_default()));
        set(&mut json, "routing_strategy", row.routing_strategy.as_deref().filter(|it| !it.is_empty()));
        set(&mut json, "fallback_config", row.fallback().map(|it| it.to_json()));
        set(&mut json, "experiment_id", row.experiment_id.map(|it| it.to_string()));
        set(&mut json, "usage_tracking", Some(row.usage_tracking));
        json.into()
    }
}

impl Row {
    /// What is done when a model fails, where anything is.
    pub(in crate::admin) fn fallback(&self) -> Option<Fallback> {
        Fallback::read(self.fallback_config_json.as_deref())
    }

    /// The ids of the models that are asked when others failed, as the row repeats them.
    fn fallback_ids(&self) -> Value {
        let text = self.fallback_config_json.as_deref().unwrap_or_default();
        let value: Option<Value> = serde_json::from_str(text).ok();
        value.and_then(|it| it.get("model_definition_ids").cloned()).unwrap_or_else(|| json!([]))
    }
}

impl Fallback {
    /// Reads the column `fallback_config_json`.
    pub(super) fn read(text: Option<&str>) -> Option<Self> {
        let value: Value = serde_json::from_str(text.filter(|it| !it.is_empty())?).ok()?;
        Some(Self {
            is_sequential: value.get("strategy").and_then(Value::as_str) == Some(SEQUENTIAL),
            max_attempts: value.get("max_attempts").and_then(Value::as_i64),
        })
    }

    fn to_json(&self) -> Value {
        let mut json = Map::new();
        set(&mut json, "strategy", self.is_sequential.then_some(SEQUENTIAL));
        set(&mut json, "max_attempts", self.max_attempts);
        json.into()
    }
}

impl Tag {
    fn to_json(&self) -> Value {
        let mut json = Map::new();
        set(&mut json, "key", Some(self.key.as_str()));
        set(&mut json, "value", self.value.as_deref());
        json.into()
    }
}

/// The column `fallback_config_json`.
fn fallback_text(fallback: Option<&Fallback>, ids: &Value) -> String {
    let strategy = fallback.is_some_and(|it| it.is_sequential).then_some(SEQUENTIAL);
    let max_attempts = fallback.and_then(|it| it.max_attempts);
    dumps(&json!({"strategy": strategy, "max_attempts": max_attempts, "model_definition_ids": ids}))
}

fn fallback_ids(models: &[NewMapping]) -> Vec<&str> {
    models.iter().filter(|it| it.linkage == Linkage::Fallback).map(|it| it.model_definition_id.as_str()).collect()
}

impl Store {
    /// Whether an endpoint could be made: its name is free, its models and its experiment are there.
    pub(in crate::admin) async fn check_new_endpoint(&self, new: NewEndpoint) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let missing = missing_models(tx, &new.models).await?;
                    if !missing.is_empty() {
                        return Err(Error::NotFound(format!("Model definitions not found: {}", missing.join(", "))));
                    }
                    check_experiment(tx, new.experiment_id).await?;
                    let sql = "SELECT endpoint_id FROM endpoints WHERE workspace = 'default' AND name = ?";
                    match tx.fetch_optional::<(String,)>(sql, vec![new.name.as_str().into()]).await? {
                        Some(_) => Err(name_taken(&new.name)),
                        None => Ok(()),
                    }
                })
            })
            .await
    }

    pub(in crate::admin) async fn create_endpoint(&self, new: NewEndpoint) -> Result<Endpoint> {
        let id = new.id.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let missing = missing_models(tx, &new.models).await?;
                    if !missing.is_empty() {
                        return Err(Error::NotFound(format!("Model definitions not found: {}", missing.join(", "))));
                    }
                    let now = now_ms();
                    let ids = fallback_ids(&new.models);
                    let fallback = (new.fallback.is_some() || !ids.is_empty())
                        .then(|| fallback_text(new.fallback.as_ref(), &json!(ids)));
                    let values = vec![
                        new.id.as_str().into(),
                        new.name.as_str().into(),
                        new.splits_traffic.then_some(TRAFFIC_SPLIT).map(str::to_owned).into(),
                        fallback.into(),
                        new.experiment_id.into(),
                        Bound::Bool(new.usage_tracking),
                        new.created_by.clone().into(),
                        now.into(),
                        new.created_by.clone().into(),
                        now.into(),
                    ];
                    tx.insert_rows("endpoints", &COLUMNS, OnConflict::Error, values)
                        .await
                        .map_err(|error| taken(error, &new.name))?;
                    insert_models(tx, &new.id, new.models, new.created_by.as_deref()).await
                })
            })
            .await?;
        self.endpoint("endpoint_id", id).await
    }

    /// The endpoint whose `key`, `endpoint_id` or `name`, has this value.
    pub(in crate::admin) async fn endpoint(&self, key: &'static str, value: String) -> Result<Endpoint> {
        self.db
            .read(move |reader| {
                let sql = format!("SELECT {} FROM endpoints WHERE {key} = ?", COLUMNS.join(", "));
                let row: Option<Row> = reader.fetch_optional(&sql, &[value.as_str().into()])?;
                let row = row.ok_or_else(|| Error::no_such(WHAT, key, &value))?;
                let id = row.endpoint_id.clone();
                let endpoints = with_parts(reader, vec![row], Some(&id))?;
                endpoints.into_iter().next().ok_or_else(|| Error::no_such(WHAT, key, &value))
            })
            .await
    }

    /// The endpoints that have models: all, or those with a model of a provider.
    pub(in crate::admin) async fn endpoints(&self, provider: Option<String>) -> Result<Vec<Endpoint>> {
        self.db
            .read(move |reader| {
                let columns = COLUMNS.map(|it| format!("e.{it}")).join(", ");
                let (filter, args) = match provider {
                    Some(provider) => (" WHERE d.provider = ?", vec![Bound::from(provider)]),
                    None => ("", vec![]),
                };
                let sql = format!(
                    "SELECT {columns} FROM endpoints e WHERE e.endpoint_id IN (SELECT m.endpoint_id FROM \
                     endpoint_model_mappings m JOIN model_definitions d ON d.model_definition_id = \
                     m.model_definition_id{filter}) ORDER BY e.created_at, e.endpoint_id"
                );
                let rows = reader.fetch_all(&sql, &args)?;
                with_parts(reader, rows, None)
            })
            .await
    }

    pub(in crate::admin) async fn update_endpoint(&self, id: &str, change: EndpointChange) -> Result<Endpoint> {
        let owned = id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let sql = format!("SELECT {} FROM endpoints WHERE endpoint_id = ?", COLUMNS.join(", "));
                    let row: Option<Row> = tx.fetch_optional(sql, vec![owned.as_str().into()]).await?;
                    let row = row.ok_or_else(|| Error::no_such(WHAT, "endpoint_id", &owned))?;
                    let fallback = match (&change.models, &change.fallback) {
                        (Some(models), fallback) => {
                            Some(fallback_text(fallback.as_ref(), &json!(fallback_ids(models))))
                        }
                        (None, Some(fallback)) => Some(fallback_text(Some(fallback), &row.fallback_ids())),
                        (None, None) => None,
                    };
                    check_experiment(tx, change.experiment_id).await?;
                    if let Some(models) = &change.models
                        && let Some(missing) = missing_models(tx, models).await?.first()
                    {
                        return Err(Error::no_such("GatewayModelDefinition", "model_definition_id", missing));
                    }
                    let (mut sets, mut args) = super::changes([
                        ("name", change.name.clone()),
                        ("routing_strategy", change.splits_traffic.then(|| TRAFFIC_SPLIT.to_owned())),
                        ("fallback_config_json", fallback),
                        ("last_updated_by", change.updated_by.clone()),
                    ]);
                    if let Some(experiment_id) = change.experiment_id {
                        sets.push_str(", experiment_id = ?");
                        args.push(experiment_id.into());
                    }
                    if let Some(usage_tracking) = change.usage_tracking {
                        sets.push_str(", usage_tracking = ?");
                        args.push(Bound::Bool(usage_tracking));
                    }
                    args.push(owned.as_str().into());
                    tx.execute(format!("UPDATE endpoints SET {sets} WHERE endpoint_id = ?"), args)
                        .await
                        .map_err(|error| taken(error, change.name.as_deref().unwrap_or_default()))?;
                    if let Some(models) = change.models {
                        let sql = "DELETE FROM endpoint_model_mappings WHERE endpoint_id = ?";
                        tx.execute(sql, vec![owned.as_str().into()]).await?;
                        insert_models(tx, &owned, models, change.updated_by.as_deref()).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        self.endpoint("endpoint_id", id.to_owned()).await
    }

    /// Deletes an endpoint with its mappings, bindings, tags and guardrails.
    pub(in crate::admin) async fn delete_endpoint(&self, id: String) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    match tx.execute("DELETE FROM endpoints WHERE endpoint_id = ?", vec![id.as_str().into()]).await? {
                        0 => Err(Error::no_such(WHAT, "endpoint_id", &id)),
                        _ => Ok(()),
                    }
                })
            })
            .await
    }
}

async fn insert_models(tx: &mut Tx, id: &str, models: Vec<NewMapping>, created_by: Option<&str>) -> Result<()> {
    let outcome = mappings::insert(tx, id, models, created_by).await;
    outcome.map(drop).map_err(|error| match error {
        db::Error::Constraint(_) => Error::invalid(
            "a model definition stands twice in the same part of `model_configs`; name each once as PRIMARY and once as \
             FALLBACK at most",
        ),
        error => error.into(),
    })
}

/// Of the model definitions that are named those that there are not.
async fn missing_models(tx: &mut Tx, models: &[NewMapping]) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for model in models {
        let sql = "SELECT model_definition_id FROM model_definitions WHERE model_definition_id = ?";
        let found: Option<(String,)> = tx.fetch_optional(sql, vec![model.model_definition_id.as_str().into()]).await?;
        if found.is_none() && !missing.contains(&model.model_definition_id) {
            missing.push(model.model_definition_id.clone());
        }
    }
    Ok(missing)
}

/// Reads the models and tags of endpoints: of one, or of all.
fn with_parts(reader: &Reader<'_>, rows: Vec<Row>, one: Option<&str>) -> Result<Vec<Endpoint>> {
    let (mappings, definitions) = mappings::read(reader, one)?;
    let (filter, args) = match one {
        Some(id) => (" WHERE endpoint_id = ?", vec![id.into()]),
        None => ("", vec![]),
    };
    let sql = format!("SELECT endpoint_id, \"key\", value FROM endpoint_tags{filter} ORDER BY \"key\"");
    let tags: Vec<Tag> = reader.fetch_all(&sql, &args)?;
    let mut endpoints: Vec<Endpoint> =
        rows.into_iter().map(|row| Endpoint { row, models: Vec::new(), tags: Vec::new() }).collect();
    let at: std::collections::HashMap<String, usize> =
        endpoints.iter().enumerate().map(|(at, it)| (it.row.endpoint_id.clone(), at)).collect();
    for mapping in mappings {
        if let Some(at) = at.get(&mapping.endpoint_id) {
            let model = definitions.iter().find(|it| it.model_definition_id == mapping.model_definition_id).cloned();
            endpoints[*at].models.push((mapping, model));
        }
    }
    for tag in tags {
        if let Some(at) = at.get(&tag.endpoint_id) {
            endpoints[*at].tags.push(tag);
        }
    }
    Ok(endpoints)
}

async fn check_experiment(tx: &mut Tx, id: Option<i64>) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    let sql = "SELECT experiment_id FROM experiments WHERE experiment_id = ?";
    match tx.fetch_optional::<(i64,)>(sql, vec![id.into()]).await? {
        Some(_) => Ok(()),
        None => Err(Error::NotFound(format!("No Experiment with id={id} exists"))),
    }
}

fn taken(error: db::Error, name: &str) -> Error {
    match error {
        db::Error::Constraint(_) => name_taken(name),
        error => error.into(),
    }
}

fn name_taken(name: &str) -> Error {
    Error::AlreadyExists(format!("Endpoint with name '{name}' already exists"))
}
