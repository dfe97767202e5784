//! `endpoints/bindings/*` and tags: what uses an endpoint, and what is noted about it.

use axum::extract::State;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use rest::{Error, Fields, Result};
use serde_json::{Value, json};

use super::listed;
use crate::admin::Admin;
use crate::admin::store::BindingKey;

/// The one kind of thing that MLflow binds to endpoints.
const SCORER: &str = "scorer";

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/endpoints/bindings/create", post(create))
        .route("/endpoints/bindings/delete", delete(remove))
        .route("/endpoints/bindings/list", get(list))
        .route("/endpoints/set-tag", post(set_tag))
        .route("/endpoints/delete-tag", delete(delete_tag))
}

async fn create(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let key = key(&mut fields)?;
    let created_by = fields.filled_text("created_by")?;
    if key.resource_type != SCORER {
        return Err(Error::invalid(format!(
            "Invalid resource_type '{}'. Must be one of: {SCORER}.",
            key.resource_type
        )));
    }
    Ok(Json(json!({"binding": admin.store().bind(key, created_by).await?})))
}

async fn remove(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    admin.store().unbind(key(&mut fields)?).await?;
    Ok(Json(json!({})))
}

async fn list(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let (endpoint_id, resource_type) = (fields.filled_text("endpoint_id")?, fields.filled_text("resource_type")?);
    let bindings = admin.store().bindings(endpoint_id, resource_type, fields.filled_text("resource_id")?).await?;
    Ok(listed("bindings", bindings))
}

async fn set_tag(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let (id, key) = (fields.required_text("endpoint_id")?, fields.required_text("key")?);
    admin.store().set_tag(id, key, fields.filled_text("value")?.unwrap_or_default()).await?;
    Ok(Json(json!({})))
}

async fn delete_tag(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let (id, key) = (fields.required_text("endpoint_id")?, fields.required_text("key")?);
    admin.store().delete_tag(id, key).await?;
    Ok(Json(json!({})))
}

fn key(fields: &mut Fields) -> Result<BindingKey> {
    Ok(BindingKey {
        endpoint_id: fields.required_text("endpoint_id")?,
        resource_type: fields.required_text("resource_type")?,
        resource_id: fields.required_text("resource_id")?,
    })
}
