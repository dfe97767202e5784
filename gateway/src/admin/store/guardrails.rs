//! Guardrails: scorers of MLflow that look at what goes to a model or comes from it, and the endpoints that have them.

use db::{OnConflict, Value as Bound};
use rest::{Error, Result};
use serde_json::{Map, Value};

use super::definitions::must_exist;
use super::{Store, new_id, now_ms, set};
use crate::admin::page::Page;

/// A guardrail to be made.
#[derive(Clone)]
pub(in crate::admin) struct NewGuardrail {
    pub(in crate::admin) name: String,
    pub(in crate::admin) scorer_id: String,
    pub(in crate::admin) scorer_version: i64,
    pub(in crate::admin) stage: &'static str,
    pub(in crate::admin) action: &'static str,
    pub(in crate::admin) action_endpoint_id: Option<String>,
    pub(in crate::admin) created_by: Option<String>,
}

#[expect(clippy::struct_field_names, reason = "the fields are named as the columns are")]
struct Guardrail {
    guardrail_id: String,
    name: String,
    stage: String,
    action: String,
    created_by: Option<String>,
    created_at: i64,
    last_updated_by: Option<String>,
    last_updated_at: i64,
    action_endpoint_name: Option<String>,
    scorer: Scorer,
}

db::record!(Guardrail {
    guardrail_id,
    name,
    stage,
    action,
    created_by,
    created_at,
    last_updated_by,
    last_updated_at,
    action_endpoint_name,
} with { scorer });

#[expect(clippy::struct_field_names, reason = "the fields are named as the columns are")]
struct Scorer {
    experiment_id: i64,
    scorer_name: String,
    scorer_id: String,
    scorer_version: i64,
    serialized_scorer: String,
    creation_time: Option<i64>,
}

db::record!(Scorer { experiment_id, scorer_name, scorer_id, scorer_version, serialized_scorer, creation_time });

/// What an endpoint has of a guardrail.
#[expect(clippy::struct_field_names, reason = "the fields are named as the columns are")]
struct Config {
    endpoint_id: String,
    execution_order: Option<i64>,
    config_created_by: Option<String>,
    config_created_at: i64,
    guardrail: Guardrail,
}

db::record!(Config { endpoint_id, execution_order, config_created_by, config_created_at } with { guardrail });

const COLUMNS: &str = "g.guardrail_id, g.name, g.stage, g.action, g.created_by, g.created_at, g.last_updated_by, \
                       g.last_updated_at, a.name AS action_endpoint_name, s.experiment_id, s.scorer_name, s.scorer_id, \
                       v.scorer_version, v.serialized_scorer, v.creation_time";
const JOINS: &str = "JOIN scorers s ON s.scorer_id = g.scorer_id JOIN scorer_versions v ON v.scorer_id = g.scorer_id \
                     AND v.scorer_version = g.scorer_version LEFT JOIN endpoints a ON a.endpoint_id = \
                     g.action_endpoint_id";
const CONFIG: &str = "c.endpoint_id, c.execution_order, c.created_by AS config_created_by, c.created_at AS \
                      config_created_at";

const INSERTED: [&str; 11] = [
    "guardrail_id",
    "name",
    "scorer_id",
    "scorer_version",
    "stage",
    "action",
    "action_endpoint_id",
    "created_by",
    "created_at",
    "last_updated_by",
    "last_updated_at",
];

impl Guardrail {
    fn to_json(&self) -> Value {
        let mut json = Map::new();
        set(&mut json, "guardrail_id", Some(self.guardrail_id.as_str()));
        set(&mut json, "name", Some(self.name.as_str()));
        set(&mut json, "scorer", Some(self.scorer.to_json()));
        set(&mut json, "stage", Some(self.stage.as_str()));
        set(&mut json, "action", Some(self.action.as_str()));
        // MLflow answers with the endpoint's name where it is asked with its id.
        set(&mut json, "action_endpoint_id", self.action_endpoint_name.as_deref().filter(|it| !it.is_empty()));
        set(&mut json, "created_by", Some(self.created_by.as_deref().unwrap_or_default()));
        set(&mut json, "created_at", Some(self.created_at));
        set(&mut json, "last_updated_by", Some(self.last_updated_by.as_deref().unwrap_or_default()));
        set(&mut json, "last_updated_at", Some(self.last_updated_at));
        json.into()
    }
}

impl Scorer {
    fn to_json(&self) -> Value {
        let mut json = Map::new();
        set(&mut json, "experiment_id", Some(self.experiment_id));
        set(&mut json, "scorer_name", Some(self.scorer_name.as_str()));
        set(&mut json, "scorer_version", Some(self.scorer_version));
        set(&mut json, "serialized_scorer", Some(self.serialized_scorer.as_str()));
        set(&mut json, "creation_time", self.creation_time);
        set(&mut json, "scorer_id", Some(self.scorer_id.as_str()));
        json.into()
    }
}

impl Config {
    fn to_json(&self) -> Value {
        let mut json = Map::new();
        set(&mut json, "endpoint_id", Some(self.endpoint_id.as_str()));
        set(&mut json, "guardrail_id", Some(self.guardrail.guardrail_id.as_str()));
        set(&mut json, "execution_order", self.execution_order);
        set(&mut json, "guardrail", Some(self.guardrail.to_json()));
        set(&mut json, "created_by", Some(self.config_created_by.as_deref().unwrap_or_default()));
        set(&mut json, "created_at", Some(self.config_created_at));
        json.into()
    }
}

impl Store {
    pub(in crate::admin) async fn create_guardrail(&self, new: NewGuardrail) -> Result<Value> {
        let id = new_id("gr");
        let made = id.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let sql = "SELECT scorer_id FROM scorers WHERE scorer_id = ?";
                    let scorer: Option<(String,)> = tx.fetch_optional(sql, vec![new.scorer_id.as_str().into()]).await?;
                    if scorer.is_none() {
                        return Err(Error::NotFound(format!("Scorer with ID '{}' not found.", new.scorer_id)));
                    }
                    let sql = "SELECT serialized_scorer FROM scorer_versions WHERE scorer_id = ? AND scorer_version = ?";
                    let key = vec![new.scorer_id.as_str().into(), new.scorer_version.into()];
                    let Some((serialized,)) = tx.fetch_optional::<(String,)>(sql, key).await? else {
                        return Err(Error::NotFound(format!(
                            "Scorer with ID '{}' and version {} not found.",
                            new.scorer_id, new.scorer_version
                        )));
                    };
                    if serde_json::from_str(&serialized).is_ok_and(|it: Value| has_code(&it)) {
                        return Err(Error::invalid(
                            "Gateway guardrails do not support custom scorers defined with the @scorer decorator. Use a \
                             built-in scorer or a judge created with make_judge.",
                        ));
                    }
                    if let Some(endpoint_id) = &new.action_endpoint_id {
                        must_exist(tx, "endpoints", "GatewayEndpoint", "endpoint_id", endpoint_id).await?;
                    }
                    let now = now_ms();
                    let values = vec![
                        made.into(),
                        new.name.into(),
                        new.scorer_id.into(),
                        new.scorer_version.into(),
                        new.stage.into(),
                        new.action.into(),
                        new.action_endpoint_id.into(),
                        new.created_by.clone().into(),
                        now.into(),
                        new.created_by.into(),
                        now.into(),
                    ];
                    tx.insert_rows("guardrails", &INSERTED, OnConflict::Error, values).await?;
                    Ok(())
                })
            })
            .await?;
        self.guardrail(&id).await
    }

    pub(in crate::admin) async fn guardrail(&self, id: &str) -> Result<Value> {
        let sql = format!("SELECT {COLUMNS} FROM guardrails g {JOINS} WHERE g.guardrail_id = ?");
        let found: Option<Guardrail> = self.db.fetch_optional(sql, vec![id.into()]).await?;
        found.map(|it| it.to_json()).ok_or_else(|| Error::no_such("Guardrail", "guardrail_id", id))
    }

    /// Deletes a guardrail, also from the endpoints that have it.
    pub(in crate::admin) async fn delete_guardrail(&self, id: String) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    match tx.execute("DELETE FROM guardrails WHERE guardrail_id = ?", vec![id.as_str().into()]).await? {
                        0 => Err(Error::no_such("Guardrail", "guardrail_id", &id)),
                        _ => Ok(()),
                    }
                })
            })
            .await
    }

    pub(in crate::admin) async fn guardrails(&self, page: Page) -> Result<(Vec<Value>, Option<String>)> {
        let sql = format!("SELECT {COLUMNS} FROM guardrails g {JOINS} ORDER BY g.guardrail_id LIMIT ? OFFSET ?");
        let args = vec![Bound::from(page.size + 1), page.offset.into()];
        let (found, token) = page.cut(self.db.fetch_all::<Guardrail>(sql, args).await?);
        Ok((found.iter().map(Guardrail::to_json).collect(), token))
    }

    /// Gives an endpoint a guardrail, at a place in their order.
    pub(in crate::admin) async fn add_guardrail(
        &self,
        endpoint_id: String,
        guardrail_id: String,
        order: Option<i64>,
        created_by: Option<String>,
    ) -> Result<Value> {
        let key = (endpoint_id.clone(), guardrail_id.clone());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    must_exist(tx, "endpoints", "Endpoint", "endpoint_id", &endpoint_id).await?;
                    must_exist(tx, "guardrails", "Guardrail", "guardrail_id", &guardrail_id).await?;
                    let columns = ["endpoint_id", "guardrail_id", "execution_order", "created_by", "created_at"];
                    let values = vec![
                        endpoint_id.as_str().into(),
                        guardrail_id.as_str().into(),
                        order.into(),
                        created_by.into(),
                        now_ms().into(),
                    ];
                    tx.insert_rows("guardrail_configs", &columns, OnConflict::Error, values).await.map_err(
                        |error| {
                            Error::taken(error, || {
                                format!("Guardrail '{guardrail_id}' is already added to endpoint '{endpoint_id}'")
                            })
                        },
                    )?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        self.guardrail_config(&key.0, &key.1).await
    }

    /// Moves a guardrail of an endpoint to another place in their order, or to none.
    pub(in crate::admin) async fn order_guardrail(
        &self,
        endpoint_id: &str,
        guardrail_id: &str,
        order: Option<i64>,
    ) -> Result<Value> {
        let (endpoint, guardrail) = (endpoint_id.to_owned(), guardrail_id.to_owned());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let sql =
                        "UPDATE guardrail_configs SET execution_order = ? WHERE endpoint_id = ? AND guardrail_id = ?";
                    let args = vec![order.into(), endpoint.as_str().into(), guardrail.as_str().into()];
                    match tx.execute(sql, args).await? {
                        0 => Err(no_config(&endpoint, &guardrail)),
                        _ => Ok(()),
                    }
                })
            })
            .await?;
        self.guardrail_config(endpoint_id, guardrail_id).await
    }

    pub(in crate::admin) async fn remove_guardrail(&self, endpoint_id: String, guardrail_id: String) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let sql = "DELETE FROM guardrail_configs WHERE endpoint_id = ? AND guardrail_id = ?";
                    let args = vec![endpoint_id.as_str().into(), guardrail_id.as_str().into()];
                    match tx.execute(sql, args).await? {
                        0 => Err(no_config(&endpoint_id, &guardrail_id)),
                        _ => Ok(()),
                    }
                })
            })
            .await
    }

    /// The guardrails of an endpoint in their order; those without a place come last.
    pub(in crate::admin) async fn guardrails_of(&self, endpoint_id: String) -> Result<Vec<Value>> {
        self.db
            .read(move |reader| {
                let sql = "SELECT endpoint_id FROM endpoints WHERE endpoint_id = ?";
                if reader.fetch_optional::<(String,)>(sql, &[endpoint_id.as_str().into()])?.is_none() {
                    return Err(Error::no_such("Endpoint", "endpoint_id", &endpoint_id));
                }
                let sql = format!(
                    "SELECT {CONFIG}, {COLUMNS} FROM guardrail_configs c JOIN guardrails g ON g.guardrail_id = \
                     c.guardrail_id {JOINS} WHERE c.endpoint_id = ? ORDER BY CASE WHEN c.execution_order IS NULL THEN 1 \
                     ELSE 0 END, c.execution_order, c.guardrail_id"
                );
                let configs: Vec<Config> = reader.fetch_all(&sql, &[endpoint_id.into()])?;
                Ok(configs.iter().map(Config::to_json).collect())
            })
            .await
    }

    async fn guardrail_config(&self, endpoint_id: &str, guardrail_id: &str) -> Result<Value> {
        let sql = format!(
            "SELECT {CONFIG}, {COLUMNS} FROM guardrail_configs c JOIN guardrails g ON g.guardrail_id = c.guardrail_id \
             {JOINS} WHERE c.endpoint_id = ? AND c.guardrail_id = ?"
        );
        let found: Option<Config> = self.db.fetch_optional(sql, vec![endpoint_id.into(), guardrail_id.into()]).await?;
        found.map(|it| it.to_json()).ok_or_else(|| no_config(endpoint_id, guardrail_id))
    }
}

/// Whether a scorer carries Python code, in itself or in a scorer inside it: code that no server should run for others.
fn has_code(scorer: &Value) -> bool {
    match scorer {
        Value::Object(fields) => {
            fields.get("call_source").is_some_and(|it| !it.is_null()) || fields.values().any(has_code)
        }
        Value::Array(items) => items.iter().any(has_code),
        _ => false,
    }
}

fn no_config(endpoint_id: &str, guardrail_id: &str) -> Error {
    Error::NotFound(format!("GuardrailConfig not found (endpoint_id='{endpoint_id}', guardrail_id='{guardrail_id}')"))
}
