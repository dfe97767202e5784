//! The check before every address of the gateway.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use llm::Error;
use serde_json::json;

use crate::Gateway;
use crate::caller;
use crate::http::details_of;
use crate::secrets::Secret;

/// Lets a request on with whose it is, or answers 401 in the words of the protocol that its address belongs to.
pub(crate) async fn guard(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    let key = caller::key(request.headers());
    match gateway.identify(key.as_ref().map(Secret::reveal)) {
        Ok(Some(key)) => {
            request.extensions_mut().insert(key);
        }
        Ok(None) => {}
        Err(error) => return refusal(request.uri().path(), &error),
    }
    next.run(request).await
}

fn refusal(path: &str, error: &Error) -> Response {
    let details = details_of(error);
    let message = &details.message;
    let body = if path.contains("/v1beta") {
        json!({"error": {"code": 401, "message": message, "status": "UNAUTHENTICATED"}})
    } else if path.contains("/v1/messages") {
        json!({"type": "error", "error": {"type": "authentication_error", "message": message}})
    } else if path.starts_with("/endpoints/") || path.starts_with("/gateway/") || path.starts_with("/api/") {
        json!({"detail": message})
    } else {
        json!({"error": {
            "message": message, "type": "authentication_error", "param": null, "code": "invalid_api_key",
        }})
    };
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], Json(body)).into_response()
}
