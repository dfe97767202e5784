//! MLflow's administration RPCs: read the request, ask the store, write the answer.

mod bindings;
mod budgets;
mod catalog;
mod definitions;
mod endpoints;
mod guardrails;
mod secrets;

use axum::extract::{OriginalUri, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Admin, Error};
use crate::Gateway;
use crate::access::administrators;

/// Bytes of a request at most: it names one thing and its parts, and a service account's key has a few KiB.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Serves `/api/3.0/mlflow/gateway/*` and its alias for web pages.
/// Whoever asks signs in as the gateway's administrator, where it has a key for that.
pub fn router(admin: Admin, gateway: Gateway) -> Router {
    let routes = Router::new()
        .merge(secrets::routes())
        .merge(definitions::routes())
        .merge(endpoints::routes())
        .merge(bindings::routes())
        .merge(budgets::routes())
        .merge(guardrails::routes());
    let pages_only = secrets::page_routes().merge(catalog::page_routes());
    Router::new()
        .merge(below("/api/3.0/mlflow/gateway", &routes))
        .merge(below("/ajax-api/3.0/mlflow/gateway", &routes.clone().merge(pages_only)))
        .layer(from_fn_with_state(admin.clone(), serve_changes))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(rest::body_limit(BODY_BYTES_MAX))
        .layer(from_fn_with_state(gateway, administrators))
        .with_state(admin)
}

/// Answers a change only once it is served here, so that who made an endpoint can call it.
async fn serve_changes(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    if !is_read && response.status().is_success() {
        admin.changed().await;
    }
    response
}

/// The routes below a prefix. Addresses there that are none of ours are left to who serves the rest of the API.
fn below(prefix: &str, routes: &Router<Admin>) -> Router<Admin> {
    Router::new().nest(prefix, routes.clone())
}

/// An answer with a list, which MLflow leaves out when it is empty.
fn listed(name: &str, items: Vec<Value>) -> Json<Value> {
    Json(if items.is_empty() { json!({}) } else { json!({ name: Value::Array(items) }) })
}

/// A page of a list, and the token for the next one where there is one.
fn paged(name: &str, items: Vec<Value>, token: Option<String>) -> Json<Value> {
    let Json(mut json) = listed(name, items);
    if let Some(token) = token {
        json["next_page_token"] = token.into();
    }
    Json(json)
}

async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> Error {
    Error::NoSuchMethod(format!("{method} is not served at {}; see the Allow header for what is.", uri.path()))
}
