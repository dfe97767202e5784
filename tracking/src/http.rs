//! MLflow's REST API over the store: read the request, call the domain, write the answer.

mod artifacts;
mod batch;
mod experiments;
mod graphql;
mod json;
mod metrics;
mod models;
mod runs;
mod server;
mod traces;

use axum::{
    Router,
    extract::OriginalUri,
    http::{Method, StatusCode},
    response::Html,
    routing::any,
};

pub(crate) use json::double;

use crate::{Error, Tracking};

/// The largest request body: a dataset's profile may have 16 MiB, and JSON may double it.
pub(crate) const MAX_BODY_BYTES: usize = 33 * 1024 * 1024;

/// Serves the whole tracking API with `tracking` behind it.
pub fn router(tracking: Tracking) -> Router {
    let v2 = v2_routes().fallback(not_found);
    let v3 = v3_routes().fallback(not_found);
    let proxied = proxied_routes(&tracking);
    Router::new()
        .nest("/api/2.0/mlflow", v2.clone())
        .nest("/ajax-api/2.0/mlflow", v2.clone())
        .nest("/api/2.0/preview/mlflow", v2.clone())
        .nest("/ajax-api/2.0/preview/mlflow", v2)
        .nest("/api/3.0/mlflow", v3.clone())
        .nest("/ajax-api/3.0/mlflow", v3)
        .nest("/api/2.0/mlflow-artifacts", proxied.clone())
        .nest("/ajax-api/2.0/mlflow-artifacts", proxied)
        .merge(artifacts::root_routes())
        .merge(server::root_routes())
        .merge(traces::root_routes())
        .merge(graphql::root_routes())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(rest::body_limit(MAX_BODY_BYTES))
        .with_state(tracking)
}

/// Serves artifacts and what clients ask about the server itself; the rest of the API says that it is switched off.
pub fn artifacts_only_router(tracking: Tracking) -> Router {
    let proxied = proxied_routes(&tracking);
    let server_info = server::v3_routes();
    let mut app = Router::new()
        .nest("/api/2.0/mlflow-artifacts", proxied.clone())
        .nest("/ajax-api/2.0/mlflow-artifacts", proxied)
        .nest("/api/3.0/mlflow", server_info.clone().fallback(no_records))
        .nest("/ajax-api/3.0/mlflow", server_info.fallback(no_records))
        .merge(server::root_routes());
    for path in ["/api/2.0/mlflow/{*rest}", "/ajax-api/2.0/mlflow/{*rest}", "/api/2.0/preview/mlflow/{*rest}"] {
        app = app.route(path, any(no_records));
    }
    for path in ["/get-artifact", "/v1/traces", "/graphql"] {
        app = app.route(path, any(no_records));
    }
    app.method_not_allowed_fallback(method_not_allowed).layer(rest::body_limit(MAX_BODY_BYTES)).with_state(tracking)
}

/// The artifact proxy, or the words that it is switched off.
fn proxied_routes(tracking: &Tracking) -> Router<Tracking> {
    if tracking.artifact_options().serve_artifacts {
        artifacts::proxy_routes().fallback(not_found)
    } else {
        Router::new().fallback(no_proxy)
    }
}

/// MLflow's answer where the artifact proxy is switched off: 503 and a sentence, no JSON.
async fn no_proxy(OriginalUri(uri): OriginalUri) -> (StatusCode, Html<String>) {
    let path = escaped(uri.path());
    let words = format!(
        "Endpoint: {path} disabled due to the mlflow server running with `--no-serve-artifacts`. To enable artifacts \
         server functionality, run `mlflow server` with `--serve-artifacts`"
    );
    (StatusCode::SERVICE_UNAVAILABLE, Html(words))
}

/// MLflow's answer where everything but the artifact proxy is switched off.
async fn no_records(OriginalUri(uri): OriginalUri) -> (StatusCode, Html<String>) {
    let path = escaped(uri.path());
    let words = format!(
        "Endpoint: {path} disabled due to the mlflow server running in `--artifacts-only` mode. To enable tracking \
         server functionality, run `mlflow server` without `--artifacts-only`"
    );
    (StatusCode::SERVICE_UNAVAILABLE, Html(words))
}

/// A path as HTML shows it.
fn escaped(path: &str) -> String {
    path.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What is served below `/api/2.0/mlflow` and its aliases.
fn v2_routes() -> Router<Tracking> {
    Router::new()
        .nest("/experiments", experiments::routes())
        .nest("/runs", runs::routes())
        .nest("/metrics", metrics::routes())
        .merge(models::routes())
        .merge(artifacts::v2_routes())
        .merge(traces::v2_routes())
}

/// What is served below `/api/3.0/mlflow` and its alias.
fn v3_routes() -> Router<Tracking> {
    Router::new().merge(server::v3_routes()).merge(traces::v3_routes())
}

/// Below the API's prefixes even what is not there answers in the API's shape.
async fn not_found(OriginalUri(uri): OriginalUri) -> Error {
    Error::NoSuchEndpoint(format!("This server has no endpoint {}; it may belong to a newer MLflow.", uri.path()))
}

async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> Error {
    Error::NoSuchMethod(format!("{method} is not served at {}; see the Allow header for what is.", uri.path()))
}
