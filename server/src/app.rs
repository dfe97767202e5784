//! The routes of a whole server: each part's own router, and what all of them share.

use std::convert::Infallible;

use axum::{
    Json, Router,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use gateway::{Admin, Gateway};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceBuilder, ServiceExt as _};
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, trace::TraceLayer};
use tracking::Tracking;

use crate::{
    config::{ServerConfig, TrackingMode},
    guard::{self, Guard},
};

/// Tracking, the gateway and its administration where there are any, and the UI for every other address.
pub(crate) fn everything(
    tracking: Tracking,
    gateway: Option<Gateway>,
    admin: Option<Admin>,
    config: &ServerConfig,
    draining: CancellationToken,
) -> Router {
    let tracking = match config.mode() {
        TrackingMode::Everything => tracking::router(tracking),
        TrackingMode::ArtifactsOnly => tracking::artifacts_only_router(tracking),
    };
    let prefix = config.static_prefix();
    let ui = ui::router(&ui::Options { prefix: prefix.to_owned(), frame_ancestors: config.frames().ancestors() });
    let admin =
        admin.zip(gateway.clone()).map(|(admin, gateway)| gateway::admin_router(admin, gateway)).unwrap_or_default();
    let gateway = gateway.map_or_else(no_endpoints, gateway::router);
    let admin = if config.limits.has_gateway { admin } else { no_gateway() };
    let app = tracking.merge(gateway).merge(admin).merge(readiness(draining)).fallback_service(ui);
    below(prefix, shared(app, config.guard()))
}

/// What clients that list endpoints are told where no gateway is configured: that there are none.
fn no_endpoints() -> Router {
    let list = || async { Json(json!({"endpoints": []})) };
    Router::new().route("/api/2.0/endpoints", get(list)).route("/api/2.0/endpoints/", get(list))
}

/// What callers are told where `MLFLOW_ENABLE_AI_GATEWAY` says that there shall be none, in MLflow's words.
fn no_gateway() -> Router {
    const WORDS: &str = "The AI Gateway feature is disabled. Set MLFLOW_ENABLE_AI_GATEWAY=true to enable it.";
    let call = || async { (StatusCode::NOT_IMPLEMENTED, Json(json!({"detail": WORDS}))) };
    let administer =
        || async { (StatusCode::NOT_IMPLEMENTED, Json(json!({"error_code": "NOT_IMPLEMENTED", "message": WORDS}))) };
    Router::new()
        .route("/gateway/{*path}", any(call))
        .route("/api/3.0/mlflow/gateway/{*path}", any(administer))
        .route("/ajax-api/3.0/mlflow/gateway/{*path}", any(administer))
}

/// The gateway, and `/health` for who watches it.
pub(crate) fn gateway_alone(gateway: Gateway, guard: Guard, draining: CancellationToken) -> Router {
    let health = Router::new().route("/health", get(|| async { "OK" }));
    shared(gateway::router(gateway).merge(health).merge(readiness(draining)).fallback(nothing_here), guard)
}

/// `/ready`: whether a load balancer may send new requests here. `/health` only says that the process lives.
fn readiness(draining: CancellationToken) -> Router {
    let ready = move || async move {
        if draining.is_cancelled() { (StatusCode::SERVICE_UNAVAILABLE, "stopping") } else { (StatusCode::OK, "OK") }
    };
    Router::new().route("/ready", get(ready))
}

/// Moves all addresses below a prefix, but for the artifacts', which clients also ask for without it.
fn below(prefix: &str, app: Router) -> Router {
    if prefix.is_empty() {
        return app;
    }
    let words = format!("this server was started with --static-prefix {prefix}, so its addresses begin with it");
    let outside = move |request: Request| async move {
        let message = format!("nothing is served at {}: {words}", request.uri().path());
        (StatusCode::NOT_FOUND, Json(json!({"error_code": "ENDPOINT_NOT_FOUND", "message": message})))
    };
    let artifacts = {
        let app = app.clone();
        any(move |request: Request| app.clone().oneshot(request))
    };
    Router::new()
        .route("/api/2.0/mlflow-artifacts/artifacts/{*path}", artifacts.clone())
        .route("/ajax-api/2.0/mlflow-artifacts/artifacts/{*path}", artifacts)
        .nest_service(prefix, app)
        .fallback(outside)
}

/// What every route has: a span, a guard, a net under panics, and no guessing of content types.
fn shared(app: Router, guard: Guard) -> Router {
    let if_guarded = |name: HeaderName, value: Option<&'static str>| {
        SetResponseHeaderLayer::if_not_present(name, value.map(HeaderValue::from_static))
    };
    let sniffing = guard.is_on.then_some("nosniff");
    let frames = guard.frames.header().filter(|_| guard.is_on);
    let layers = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(if_guarded(header::X_FRAME_OPTIONS, frames))
        .layer(if_guarded(header::X_CONTENT_TYPE_OPTIONS, sniffing))
        .layer(CatchPanicLayer::custom(|_| broken()));
    around(layers.service(guard::protect(app, guard)))
}

/// A router of one service.
///
/// A layer on a router is a box around each of its routes, and a call clones each box with all that are in it; so what
/// every route has stands around the router as one service instead.
pub(crate) fn around<S>(service: S) -> Router
where
    S: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    Router::new().fallback_service(service)
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
