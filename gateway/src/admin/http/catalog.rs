//! What MLflow's web app offers: vendors, their models, and what each vendor wants to be told.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use rest::{Error, Fields, Result};
use serde_json::{Value, json};

use crate::admin::{Admin, catalog};

/// Routes for pages alone, as in MLflow.
pub(super) fn page_routes() -> Router<Admin> {
    Router::new()
        .route("/supported-providers", get(providers))
        .route("/supported-models", get(models))
        .route("/provider-config", get(config))
}

async fn providers(State(admin): State<Admin>) -> Json<Value> {
    Json(json!({"providers": catalog::providers(admin.allowed())}))
}

async fn models(State(admin): State<Admin>, mut fields: Fields) -> Result<Response> {
    let provider = fields.text("provider")?.filter(|it| !it.is_empty());
    let models = catalog::models(admin.allowed(), provider.as_deref());
    Ok(([(CONTENT_TYPE, "application/json")], format!("{{\"models\":{models}}}")).into_response())
}

async fn config(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let provider = fields.text("provider")?.filter(|it| !it.is_empty());
    let provider = provider.ok_or_else(|| Error::invalid("Provider parameter is required"))?;
    Ok(Json(catalog::auth_modes(admin.allowed(), &provider)?))
}
