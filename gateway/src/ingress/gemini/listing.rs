//! What there is to call, as Google's clients list it.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use llm::Error;
use serde_json::{Value, json};

use super::failure;
use crate::Gateway;
use crate::endpoint::Kind;

/// `GET /v1beta/models`: endpoints, then routes. A configuration's fit one page.
pub(in crate::ingress) async fn models(State(gateway): State<Gateway>) -> Json<Value> {
    let models: Vec<Value> = gateway
        .endpoints()
        .map(|it| model_json(&it.name, it.kind))
        .chain(gateway.routes().map(|it| model_json(&it.name, it.kind)))
        .collect();
    Json(json!({"models": models}))
}

/// `GET /v1beta/models/<name>`
pub(in crate::ingress) async fn model(State(gateway): State<Gateway>, Path(name): Path<String>) -> Response {
    match gateway.served(&name) {
        Some(served) => Json(model_json(&name, served.kind())).into_response(),
        None => failure(
            Error::NotFound(format!(
                "no endpoint or route is named `{name}`; GET /v1beta/models lists those there are"
            ))
            .into(),
        ),
    }
}

fn model_json(name: &str, kind: Kind) -> Value {
    let methods = match kind {
        Kind::Chat => ["generateContent", "streamGenerateContent", "countTokens"].as_slice(),
        Kind::Embeddings => &["embedContent", "batchEmbedContents"],
        Kind::Completions => &[],
    };
    json!({"name": format!("models/{name}"), "displayName": name, "supportedGenerationMethods": methods})
}
