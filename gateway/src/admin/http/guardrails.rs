//! `guardrails/*`: which scorers look at the calls of which endpoints.

use axum::extract::State;
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use rest::{Error, Fields, Result};
use serde_json::{Map, Value, json};

use super::{listed, paged};
use crate::admin::Admin;
use crate::admin::page::Page;
use crate::admin::store::NewGuardrail;

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/guardrails/create", post(create))
        .route("/guardrails/get", get(read))
        .route("/guardrails/delete", delete(remove))
        .route("/guardrails/list", get(list))
        .route("/guardrails/add-to-endpoint", post(add))
        .route("/guardrails/remove-from-endpoint", delete(take_away))
        .route("/guardrails/list-for-endpoint", get(list_of))
        .route("/guardrails/update-config", patch(order))
}

const STAGES: [(&str, &str); 2] = [("BEFORE", "BEFORE"), ("AFTER", "AFTER")];
const ACTIONS: [(&str, &str); 2] = [("VALIDATION", "VALIDATION"), ("SANITIZATION", "SANITIZATION")];

async fn create(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let name = fields.required_text("name")?;
    let scorer_id = fields.required_text("scorer_id")?;
    for name in ["scorer_version", "stage", "action"] {
        fields.need(name)?;
    }
    let unspecified = |name: &str| Error::invalid(format!("Invalid {name}: 0"));
    let new = NewGuardrail {
        name,
        scorer_id,
        scorer_version: fields.integer("scorer_version")?.unwrap_or_default(),
        stage: fields.member("stage", &STAGES)?.ok_or_else(|| unspecified("stage"))?,
        action: fields.member("action", &ACTIONS)?.ok_or_else(|| unspecified("action"))?,
        action_endpoint_id: fields.filled_text("action_endpoint_id")?,
        created_by: user(),
    };
    Ok(one("guardrail", admin.store().create_guardrail(new).await?))
}

async fn read(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    Ok(one("guardrail", admin.store().guardrail(&fields.required_text("guardrail_id")?).await?))
}

async fn remove(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    admin.store().delete_guardrail(fields.required_text("guardrail_id")?).await?;
    Ok(Json(json!({})))
}

async fn list(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let page = Page::read(fields.integer("max_results")?, fields.filled_text("page_token")?.as_deref())?;
    let (guardrails, token) = admin.store().guardrails(page).await?;
    Ok(paged("guardrails", guardrails, token))
}

async fn add(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let (endpoint_id, guardrail_id) = key(&mut fields)?;
    let order = fields.integer("execution_order")?;
    Ok(one("config", admin.store().add_guardrail(endpoint_id, guardrail_id, order, user()).await?))
}

async fn take_away(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let (endpoint_id, guardrail_id) = key(&mut fields)?;
    admin.store().remove_guardrail(endpoint_id, guardrail_id).await?;
    Ok(Json(json!({})))
}

async fn list_of(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    Ok(listed("configs", admin.store().guardrails_of(fields.required_text("endpoint_id")?).await?))
}

async fn order(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let (endpoint_id, guardrail_id) = key(&mut fields)?;
    let order = fields.integer("execution_order")?;
    Ok(one("config", admin.store().order_guardrail(&endpoint_id, &guardrail_id, order).await?))
}

fn key(fields: &mut Fields) -> Result<(String, String)> {
    Ok((fields.required_text("endpoint_id")?, fields.required_text("guardrail_id")?))
}

/// Whom MLflow notes as the maker: the user under whom the server runs, by the variables that Python asks.
fn user() -> Option<String> {
    let named = ["LOGNAME", "USER", "LNAME", "USERNAME"].into_iter().find_map(|it| std::env::var(it).ok());
    named.filter(|it| !it.is_empty())
}

fn one(name: &str, value: Value) -> Json<Value> {
    Json(Map::from_iter([(name.to_owned(), value)]).into())
}
