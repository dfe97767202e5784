//! `model-definitions/*`: vendors' models, each with the secret to call it with.

use axum::extract::State;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use rest::{Fields, Result};
use serde_json::{Value, json};

use super::listed;
use crate::admin::Admin;
use crate::admin::store::{Definition, DefinitionChange, NewDefinition};

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/model-definitions/create", post(create))
        .route("/model-definitions/get", get(read))
        .route("/model-definitions/list", get(list))
        .route("/model-definitions/update", post(update))
        .route("/model-definitions/delete", delete(remove))
}

async fn create(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let new = NewDefinition {
        name: fields.required_text("name")?,
        secret_id: fields.required_text("secret_id")?,
        provider: fields.required_text("provider")?,
        model_name: fields.required_text("model_name")?,
        created_by: fields.filled_text("created_by")?,
    };
    Ok(one(&admin.store().create_definition(new).await?))
}

async fn read(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    Ok(one(&admin.store().definition(&fields.required_text("model_definition_id")?).await?))
}

async fn list(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let found = admin.store().definitions(fields.filled_text("provider")?, fields.filled_text("secret_id")?).await?;
    Ok(listed("model_definitions", found.iter().map(Definition::to_json).collect()))
}

async fn update(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let id = fields.required_text("model_definition_id")?;
    let change = DefinitionChange {
        name: fields.filled_text("name")?,
        secret_id: fields.filled_text("secret_id")?,
        model_name: fields.filled_text("model_name")?,
        updated_by: fields.filled_text("updated_by")?,
        provider: fields.filled_text("provider")?,
    };
    Ok(one(&admin.store().update_definition(&id, change).await?))
}

async fn remove(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    admin.store().delete_definition(fields.required_text("model_definition_id")?).await?;
    Ok(Json(json!({})))
}

fn one(definition: &Definition) -> Json<Value> {
    Json(json!({"model_definition": definition.to_json()}))
}
