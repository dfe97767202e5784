//! MLflow's administration RPCs: read the request, ask the store, write the answer.

mod bindings;
mod definitions;
mod endpoints;
mod error;
mod fields;
mod secrets;

use axum::extract::{DefaultBodyLimit, OriginalUri};
use axum::http::Method;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Admin, Error};

/// Bytes of a request at most: it names one thing and its parts, and a service account's key has a few KiB.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Serves `/api/3.0/mlflow/gateway/*` and its alias for web pages.
pub fn router(admin: Admin) -> Router {
    let routes = Router::new()
        .merge(secrets::routes())
        .merge(definitions::routes())
        .merge(endpoints::routes())
        .merge(bindings::routes());
    let pages_only = secrets::page_routes();
    Router::new()
        .merge(below("/api/3.0/mlflow/gateway", &routes))
        .merge(below("/ajax-api/3.0/mlflow/gateway", &routes.clone().merge(pages_only)))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(admin)
}

/// The routes below a prefix. Addresses there that are none of ours are left to who serves the rest of the API.
fn below(prefix: &str, routes: &Router<Admin>) -> Router<Admin> {
    Router::new().nest(prefix, routes.clone())
}

/// An answer with a list, which MLflow leaves out when it is empty.
fn listed(name: &str, items: Vec<Value>) -> Json<Value> {
    Json(if items.is_empty() { json!({}) } else { json!({ name: Value::Array(items) }) })
}

async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> Error {
    Error::NoSuchMethod(format!("{method} is not served at {}; see the Allow header for what is.", uri.path()))
}
