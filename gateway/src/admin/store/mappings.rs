//! Which models an endpoint has, in which part, and how much of its traffic each takes.

use db::{OnConflict, Reader, Tx, Value as Bound};
use rest::{Error, Result};
use serde_json::{Map, Value, json};

use super::definitions::{self, Definition, must_exist};
use super::{Store, new_id, now_ms, set};

/// Whether a model is asked first, or when the others failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Linkage {
    Primary,
    Fallback,
}

impl Linkage {
    pub(in crate::admin) const ALL: [(&'static str, Self); 2] =
        [("PRIMARY", Self::Primary), ("FALLBACK", Self::Fallback)];

    pub(in crate::admin) fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Fallback => "FALLBACK",
        }
    }
}

/// A model to be attached.
#[derive(Clone, Debug)]
pub(in crate::admin) struct NewMapping {
    pub(in crate::admin) model_definition_id: String,
    pub(in crate::admin) linkage: Linkage,
    pub(in crate::admin) weight: f32,
    pub(in crate::admin) fallback_order: Option<i64>,
}

/// A model that is attached.
#[expect(clippy::struct_field_names, reason = "the fields are named as the columns are")]
#[derive(Clone, Debug)]
pub(in crate::admin) struct Mapping {
    mapping_id: String,
    pub(super) endpoint_id: String,
    pub(in crate::admin) model_definition_id: String,
    pub(in crate::admin) weight: f64,
    pub(in crate::admin) linkage_type: String,
    pub(in crate::admin) fallback_order: Option<i64>,
    created_by: Option<String>,
    created_at: i64,
}

db::record!(Mapping {
    mapping_id,
    endpoint_id,
    model_definition_id,
    weight,
    linkage_type,
    fallback_order,
    created_by,
    created_at,
});

const COLUMNS: [&str; 8] = [
    "mapping_id",
    "endpoint_id",
    "model_definition_id",
    "weight",
    "linkage_type",
    "fallback_order",
    "created_by",
    "created_at",
];

impl Mapping {
    pub(in crate::admin) fn to_json(&self, definition: Option<&Definition>) -> Value {
        let mut json = Map::new();
        set(&mut json, "mapping_id", Some(self.mapping_id.as_str()));
        set(&mut json, "endpoint_id", Some(self.endpoint_id.as_str()));
        set(&mut json, "model_definition_id", Some(self.model_definition_id.as_str()));
        set(&mut json, "model_definition", definition.map(Definition::to_json));
        set(&mut json, "weight", Some(single(self.weight)));
        set(&mut json, "linkage_type", Some(self.linkage_type.as_str()));
        set(&mut json, "fallback_order", self.fallback_order);
        set(&mut json, "created_at", Some(self.created_at));
        set(&mut json, "created_by", self.created_by.as_deref());
        json.into()
    }
}

/// A weight is a float of 32 bits in the protocol, shown with as few digits as tell it apart.
#[expect(clippy::cast_possible_truncation, reason = "the protocol's weights have 32 bits")]
fn single(weight: f64) -> Value {
    (weight as f32).to_string().parse::<f64>().map_or(Value::Null, |it| json!(it))
}

/// Attaches models to an endpoint.
pub(super) async fn insert(
    tx: &mut Tx,
    endpoint_id: &str,
    mappings: Vec<NewMapping>,
    created_by: Option<&str>,
) -> Result<Vec<String>, db::Error> {
    let now = now_ms();
    let ids: Vec<String> = mappings.iter().map(|_| new_id("m")).collect();
    let rows = mappings.into_iter().zip(&ids).flat_map(|(it, id)| {
        [
            Bound::from(id.as_str()),
            endpoint_id.into(),
            it.model_definition_id.into(),
            Bound::Real(it.weight.into()),
            it.linkage.as_str().into(),
            it.fallback_order.into(),
            created_by.map(str::to_owned).into(),
            now.into(),
        ]
    });
    tx.insert_rows("endpoint_model_mappings", &COLUMNS, OnConflict::Error, rows.collect()).await?;
    Ok(ids)
}

/// The models of all endpoints, or of one, with their definitions.
pub(super) fn read(reader: &Reader<'_>, endpoint_id: Option<&str>) -> Result<(Vec<Mapping>, Vec<Definition>)> {
    let (filter, args) = match endpoint_id {
        Some(id) => ("WHERE endpoint_id = ? ", vec![id.into()]),
        None => ("", vec![]),
    };
    let columns = COLUMNS.join(", ");
    let sql = format!("SELECT {columns} FROM endpoint_model_mappings {filter}ORDER BY created_at, mapping_id");
    let mappings: Vec<Mapping> = reader.fetch_all(&sql, &args)?;
    let definitions = definitions::attached(reader, endpoint_id)?;
    Ok((mappings, definitions))
}

impl Store {
    /// Attaches one more model, and gives its mapping with the model.
    pub(in crate::admin) async fn attach(
        &self,
        endpoint_id: String,
        new: NewMapping,
        created_by: Option<String>,
    ) -> Result<Value> {
        let definition_id = new.model_definition_id.clone();
        let mapping_id = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    must_exist(tx, "endpoints", "GatewayEndpoint", "endpoint_id", &endpoint_id).await?;
                    let model = new.model_definition_id.clone();
                    must_exist(tx, "model_definitions", "GatewayModelDefinition", "model_definition_id", &model)
                        .await?;
                    let (sets, mut args) = super::changes([("last_updated_by", created_by.clone())]);
                    args.push(endpoint_id.as_str().into());
                    tx.execute(format!("UPDATE endpoints SET {sets} WHERE endpoint_id = ?"), args).await?;
                    let ids = insert(tx, &endpoint_id, vec![new], created_by.as_deref()).await.map_err(|error| {
                        Error::taken(error, || {
                            format!("Model definition '{model}' is already attached to endpoint '{endpoint_id}'")
                        })
                    })?;
                    Ok::<_, Error>(ids.into_iter().next().unwrap_or_default())
                })
            })
            .await?;
        let sql = format!("SELECT {} FROM endpoint_model_mappings WHERE mapping_id = ?", COLUMNS.join(", "));
        let mapping: Mapping = self.db.fetch_one(sql, vec![mapping_id.into()]).await?;
        let definition = self.definition(&definition_id).await?;
        Ok(mapping.to_json(Some(&definition)))
    }

    /// Detaches one of a model's mappings: the older one where it is attached in both parts.
    pub(in crate::admin) async fn detach(&self, endpoint_id: String, definition_id: String) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let sql = "SELECT mapping_id FROM endpoint_model_mappings WHERE endpoint_id = ? AND \
                               model_definition_id = ? ORDER BY created_at, mapping_id";
                    let key = vec![endpoint_id.as_str().into(), definition_id.as_str().into()];
                    let Some((mapping_id,)) = tx.fetch_optional::<(String,)>(sql, key).await? else {
                        must_exist(tx, "endpoints", "GatewayEndpoint", "endpoint_id", &endpoint_id).await?;
                        return Err(Error::NotFound(format!(
                            "Model definition '{definition_id}' is not attached to endpoint '{endpoint_id}'"
                        )));
                    };
                    let sql = "DELETE FROM endpoint_model_mappings WHERE mapping_id = ?";
                    tx.execute(sql, vec![mapping_id.into()]).await?;
                    Ok(())
                })
            })
            .await
    }
}
