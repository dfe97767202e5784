//! What of the configuration is served, and how its deployments are: `/api/3.0/tidegate/gateway/…`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::access::Administrator;
use crate::observe::health::word;
use crate::{EndpointHealth, Gateway};

pub(super) fn router() -> Router<Gateway> {
    Router::new()
        .route("/api/3.0/tidegate/gateway/config", get(config))
        .route("/api/3.0/tidegate/gateway/reload", post(reload))
        .route("/api/3.0/tidegate/gateway/health", get(health))
}

async fn config(_: Administrator, State(gateway): State<Gateway>) -> Json<Value> {
    Json(config_json(&gateway))
}

/// Reads the configuration file again; what is wrong with it is the answer, and the old one goes on.
async fn reload(_: Administrator, State(gateway): State<Gateway>) -> Response {
    let reloading = gateway.clone();
    // Opening local models computes for a while.
    match tokio::task::spawn_blocking(move || reloading.reload_file()).await {
        Ok(Ok(_)) => Json(config_json(&gateway)).into_response(),
        Ok(Err(error)) => refusal(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", &error.to_string()),
        Err(error) => {
            tracing::error!(%error, "reading the gateway's configuration again failed");
            let words = "reading the configuration failed by a fault of the gateway; its log tells more";
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", words)
        }
    }
}

async fn health(_: Administrator, State(gateway): State<Gateway>) -> Json<Value> {
    let endpoints: Vec<Value> = gateway.health().iter().map(health_json).collect();
    Json(json!({"endpoints": endpoints}))
}

fn config_json(gateway: &Gateway) -> Value {
    let reloads = gateway.reloads();
    json!({
        "generation": reloads.generation,
        "loaded_unix_ms": reloads.loaded_unix_ms,
        "refused": reloads.refused,
        "last_error": reloads.last_error,
        "endpoints": gateway.endpoints().count(),
        "routes": gateway.routes().count(),
    })
}

fn health_json(health: &EndpointHealth) -> Value {
    json!({
        "endpoint": health.endpoint,
        "breaker": word(health.breaker),
        "opened": health.opened,
        "in_flight": health.in_flight,
        "waiting": health.waiting,
        "latency_ms": health.latency.map(|it| it.as_secs_f64() * 1000.0),
        "rate_limited": health.is_limited,
    })
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"error_code": code, "message": message}))).into_response()
}
