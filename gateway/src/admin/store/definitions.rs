//! Model definitions: a vendor's model and the secret to call it with, which endpoints share.

use db::{OnConflict, Reader, Tx, Value as Bound};
use rest::{Error, Result};
use serde_json::{Map, Value};

use super::{Store, new_id, now_ms, set};

/// A model definition to be made.
#[derive(Clone)]
pub(in crate::admin) struct NewDefinition {
    pub(in crate::admin) name: String,
    pub(in crate::admin) secret_id: String,
    pub(in crate::admin) provider: String,
    pub(in crate::admin) model_name: String,
    pub(in crate::admin) created_by: Option<String>,
}

/// What changes about a model definition; what is `None` stays.
#[derive(Clone, Default)]
pub(in crate::admin) struct DefinitionChange {
    pub(in crate::admin) name: Option<String>,
    pub(in crate::admin) secret_id: Option<String>,
    pub(in crate::admin) provider: Option<String>,
    pub(in crate::admin) model_name: Option<String>,
    pub(in crate::admin) updated_by: Option<String>,
}

/// A vendor's model, and the secret behind it where it has one.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Definition {
    pub(in crate::admin) model_definition_id: String,
    name: String,
    pub(in crate::admin) secret_id: Option<String>,
    secret_name: Option<String>,
    pub(in crate::admin) provider: String,
    pub(in crate::admin) model_name: String,
    created_by: Option<String>,
    created_at: i64,
    last_updated_by: Option<String>,
    last_updated_at: i64,
}

db::record!(Definition {
    model_definition_id,
    name,
    secret_id,
    secret_name,
    provider,
    model_name,
    created_by,
    created_at,
    last_updated_by,
    last_updated_at,
});

const SELECT: &str = "SELECT d.model_definition_id, d.name, d.secret_id, s.secret_name, d.provider, d.model_name, \
                      d.created_by, d.created_at, d.last_updated_by, d.last_updated_at \
                      FROM model_definitions d LEFT JOIN secrets s ON s.secret_id = d.secret_id";

const INSERTED: [&str; 9] = [
    "model_definition_id",
    "name",
    "secret_id",
    "provider",
    "model_name",
    "created_by",
    "created_at",
    "last_updated_by",
    "last_updated_at",
];

const WHAT: &str = "GatewayModelDefinition";

impl Definition {
    pub(in crate::admin) fn to_json(&self) -> Value {
        let mut json = Map::new();
        set(&mut json, "model_definition_id", Some(self.model_definition_id.as_str()));
        set(&mut json, "name", Some(self.name.as_str()));
        set(&mut json, "secret_id", self.secret_id.as_deref());
        set(&mut json, "secret_name", self.secret_name.as_deref());
        set(&mut json, "provider", Some(self.provider.as_str()));
        set(&mut json, "model_name", Some(self.model_name.as_str()));
        set(&mut json, "created_at", Some(self.created_at));
        set(&mut json, "last_updated_at", Some(self.last_updated_at));
        set(&mut json, "created_by", self.created_by.as_deref());
        set(&mut json, "last_updated_by", self.last_updated_by.as_deref());
        json.into()
    }
}

impl Store {
    pub(in crate::admin) async fn create_definition(&self, new: NewDefinition) -> Result<Definition> {
        let id = new_id("d");
        let made = id.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    must_exist(tx, "secrets", "GatewaySecret", "secret_id", &new.secret_id).await?;
                    let now = now_ms();
                    let values = vec![
                        made.into(),
                        new.name.as_str().into(),
                        new.secret_id.into(),
                        new.provider.into(),
                        new.model_name.into(),
                        new.created_by.clone().into(),
                        now.into(),
                        new.created_by.into(),
                        now.into(),
                    ];
                    tx.insert_rows("model_definitions", &INSERTED, OnConflict::Error, values)
                        .await
                        .map_err(|error| taken(error, &new.name))?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        self.definition(&id).await
    }

    pub(in crate::admin) async fn definition(&self, id: &str) -> Result<Definition> {
        let found =
            self.db.fetch_optional(format!("{SELECT} WHERE d.model_definition_id = ?"), vec![id.into()]).await?;
        found.ok_or_else(|| Error::no_such(WHAT, "model_definition_id", id))
    }

    pub(in crate::admin) async fn definitions(
        &self,
        provider: Option<String>,
        secret_id: Option<String>,
    ) -> Result<Vec<Definition>> {
        let filters = [("d.provider = ?", provider), ("d.secret_id = ?", secret_id)];
        let (sql, args) = super::filtered(SELECT, filters);
        Ok(self.db.fetch_all(format!("{sql} ORDER BY d.created_at, d.model_definition_id"), args).await?)
    }

    pub(in crate::admin) async fn update_definition(&self, id: &str, change: DefinitionChange) -> Result<Definition> {
        let owned = id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    must_exist(tx, "model_definitions", WHAT, "model_definition_id", &owned).await?;
                    if let Some(secret_id) = &change.secret_id {
                        must_exist(tx, "secrets", "GatewaySecret", "secret_id", secret_id).await?;
                    }
                    let name = change.name.clone();
                    let (sets, mut args) = super::changes([
                        ("name", change.name),
                        ("secret_id", change.secret_id),
                        ("model_name", change.model_name),
                        ("provider", change.provider),
                        ("last_updated_by", change.updated_by),
                    ]);
                    args.push(owned.into());
                    let sql = format!("UPDATE model_definitions SET {sets} WHERE model_definition_id = ?");
                    tx.execute(sql, args).await.map_err(|error| taken(error, name.as_deref().unwrap_or("None")))?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        self.definition(id).await
    }

    pub(in crate::admin) async fn delete_definition(&self, id: String) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    must_exist(tx, "model_definitions", WHAT, "model_definition_id", &id).await?;
                    let used = "SELECT mapping_id FROM endpoint_model_mappings WHERE model_definition_id = ?";
                    if tx.fetch_optional::<(String,)>(used, vec![id.as_str().into()]).await?.is_some() {
                        return Err(in_use());
                    }
                    let sql = "DELETE FROM model_definitions WHERE model_definition_id = ?";
                    tx.execute(sql, vec![id.into()]).await.map_err(|error| match error {
                        db::Error::Constraint(_) => in_use(),
                        error => error.into(),
                    })?;
                    Ok(())
                })
            })
            .await
    }
}

/// The definitions that all endpoints have, or one, in no order.
pub(super) fn attached(reader: &Reader<'_>, endpoint_id: Option<&str>) -> Result<Vec<Definition>> {
    let (filter, args) = match endpoint_id {
        Some(id) => (" WHERE endpoint_id = ?", vec![Bound::from(id)]),
        None => ("", vec![]),
    };
    let sql = format!(
        "{SELECT} WHERE d.model_definition_id IN (SELECT model_definition_id FROM endpoint_model_mappings{filter})"
    );
    Ok(reader.fetch_all(&sql, &args)?)
}

/// Refuses to go on without a row. `table` and `key` are constants.
pub(super) async fn must_exist(tx: &mut Tx, table: &str, what: &str, key: &str, id: &str) -> Result<()> {
    let sql = format!("SELECT {key} FROM {table} WHERE {key} = ?");
    match tx.fetch_optional::<(String,)>(sql, vec![id.into()]).await? {
        Some(_) => Ok(()),
        None => Err(Error::no_such(what, key, id)),
    }
}

fn taken(error: db::Error, name: &str) -> Error {
    Error::taken(error, || format!("Model definition with name '{name}' already exists"))
}

fn in_use() -> Error {
    Error::InvalidState(
        "Cannot delete model definition that is currently in use by endpoints. Detach it from all endpoints first."
            .to_owned(),
    )
}
