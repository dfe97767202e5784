//! The routes of a whole server: each part's own router, and what all of them share.

use axum::{
    Json, Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use gateway::Gateway;
use serde_json::json;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, trace::TraceLayer};
use tracking::Tracking;

use crate::guard::{self, Guard};

/// Tracking, the gateway where there is one, and the UI for every other address.
pub(crate) fn everything(tracking: Tracking, gateway: Option<Gateway>, guard: Guard) -> Router {
    let app = tracking::router(tracking).merge(gateway.map_or_else(no_endpoints, gateway::router));
    shared(app.fallback(ui::serve), guard)
}

/// What clients that list endpoints are told where no gateway is configured: that there are none.
fn no_endpoints() -> Router {
    let list = || async { Json(json!({"endpoints": []})) };
    Router::new().route("/api/2.0/endpoints", get(list)).route("/api/2.0/endpoints/", get(list))
}

/// The gateway, and `/health` for who watches it.
pub(crate) fn gateway_alone(gateway: Gateway, guard: Guard) -> Router {
    shared(gateway::router(gateway).route("/health", get(|| async { "OK" })).fallback(nothing_here), guard)
}

/// What every route has: a span, a guard, a net under panics, and no guessing of content types.
fn shared(app: Router, guard: Guard) -> Router {
    guard::protect(app, guard)
        .layer(CatchPanicLayer::custom(|_| broken()))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(TraceLayer::new_for_http())
}

async fn nothing_here(request: Request) -> Response {
    let words =
        format!("nothing is served at {}; see GET /api/2.0/endpoints/ and GET /v1/models", request.uri().path());
    (StatusCode::NOT_FOUND, Json(json!({"error": {"message": words, "type": "invalid_request_error"}}))).into_response()
}

/// A bug of ours: the details are in the log, next to the panic's own message.
fn broken() -> Response {
    let body = json!({
        "error_code": "INTERNAL_ERROR",
        "message": "Tidegate made a mistake while answering this request; its log tells more.",
    });
    (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
}
