//! What uses an endpoint (bindings to scorers), and what is noted about it (tags).

use db::{OnConflict, Value as Bound};
use rest::{Error, Result};
use serde_json::{Map, Value};

use super::definitions::must_exist;
use super::{Store, now_ms, set};

struct Binding {
    endpoint_id: String,
    resource_type: String,
    resource_id: String,
    created_at: i64,
    created_by: Option<String>,
    last_updated_at: i64,
    last_updated_by: Option<String>,
    display_name: Option<String>,
}

db::record!(Binding {
    endpoint_id,
    resource_type,
    resource_id,
    created_at,
    created_by,
    last_updated_at,
    last_updated_by,
    display_name,
});

const COLUMNS: [&str; 8] = [
    "endpoint_id",
    "resource_type",
    "resource_id",
    "created_at",
    "created_by",
    "last_updated_at",
    "last_updated_by",
    "display_name",
];

const KEY: &str = "endpoint_id = ? AND resource_type = ? AND resource_id = ?";

/// Which resource an endpoint is bound to.
#[derive(Clone)]
pub(in crate::admin) struct BindingKey {
    pub(in crate::admin) endpoint_id: String,
    pub(in crate::admin) resource_type: String,
    pub(in crate::admin) resource_id: String,
}

impl BindingKey {
    fn values(&self) -> Vec<Bound> {
        vec![self.endpoint_id.as_str().into(), self.resource_type.as_str().into(), self.resource_id.as_str().into()]
    }
}

impl Binding {
    fn to_json(&self) -> Value {
        let mut json = Map::new();
        set(&mut json, "endpoint_id", Some(self.endpoint_id.as_str()));
        set(&mut json, "resource_type", Some(self.resource_type.as_str()));
        set(&mut json, "resource_id", Some(self.resource_id.as_str()));
        set(&mut json, "created_at", Some(self.created_at));
        set(&mut json, "last_updated_at", Some(self.last_updated_at));
        set(&mut json, "created_by", self.created_by.as_deref());
        set(&mut json, "last_updated_by", self.last_updated_by.as_deref());
        set(&mut json, "display_name", self.display_name.as_deref());
        json.into()
    }
}

impl Store {
    pub(in crate::admin) async fn bind(&self, key: BindingKey, created_by: Option<String>) -> Result<Value> {
        let values = key.values();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    must_exist(tx, "endpoints", "GatewayEndpoint", "endpoint_id", &key.endpoint_id).await?;
                    let now = now_ms();
                    let mut row = key.values();
                    row.extend([now.into(), created_by.clone().into(), now.into(), created_by.into(), Bound::Null]);
                    tx.insert_rows("endpoint_bindings", &COLUMNS, OnConflict::Error, row).await.map_err(|error| {
                        Error::taken(error, || {
                            format!(
                                "Endpoint '{}' is already bound to the {} '{}'",
                                key.endpoint_id, key.resource_type, key.resource_id
                            )
                        })
                    })?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        let sql = format!("SELECT {} FROM endpoint_bindings WHERE {KEY}", COLUMNS.join(", "));
        Ok(self.db.fetch_one::<Binding>(sql, values).await?.to_json())
    }

    pub(in crate::admin) async fn unbind(&self, key: BindingKey) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    match tx.execute(format!("DELETE FROM endpoint_bindings WHERE {KEY}"), key.values()).await? {
                        0 => Err(Error::NotFound(format!(
                            "GatewayEndpointBinding not found (endpoint_id='{}', resource_type='{}', resource_id='{}')",
                            key.endpoint_id, key.resource_type, key.resource_id
                        ))),
                        _ => Ok(()),
                    }
                })
            })
            .await
    }

    pub(in crate::admin) async fn bindings(
        &self,
        endpoint_id: Option<String>,
        resource_type: Option<String>,
        resource_id: Option<String>,
    ) -> Result<Vec<Value>> {
        let select = format!("SELECT {} FROM endpoint_bindings", COLUMNS.join(", "));
        let filters =
            [("endpoint_id = ?", endpoint_id), ("resource_type = ?", resource_type), ("resource_id = ?", resource_id)];
        let (sql, args) = super::filtered(&select, filters);
        let order = "ORDER BY created_at, endpoint_id, resource_type, resource_id";
        let bindings: Vec<Binding> = self.db.fetch_all(format!("{sql} {order}"), args).await?;
        Ok(bindings.iter().map(Binding::to_json).collect())
    }

    pub(in crate::admin) async fn set_tag(&self, endpoint_id: String, key: String, value: String) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    must_exist(tx, "endpoints", "GatewayEndpoint", "endpoint_id", &endpoint_id).await?;
                    let on_conflict = OnConflict::Update { key: &["key", "endpoint_id"], columns: &["value"] };
                    let values = vec![key.into(), endpoint_id.into(), value.into()];
                    tx.insert_rows("endpoint_tags", &["key", "endpoint_id", "value"], on_conflict, values).await?;
                    Ok(())
                })
            })
            .await
    }

    /// A tag that is not there is gone already.
    pub(in crate::admin) async fn delete_tag(&self, endpoint_id: String, key: String) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    must_exist(tx, "endpoints", "GatewayEndpoint", "endpoint_id", &endpoint_id).await?;
                    let sql = "DELETE FROM endpoint_tags WHERE endpoint_id = ? AND \"key\" = ?";
                    tx.execute(sql, vec![endpoint_id.into(), key.into()]).await?;
                    Ok(())
                })
            })
            .await
    }
}
