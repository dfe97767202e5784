//! HTTP requests as metrics see them, and `GET /metrics` itself.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::labels::RouteLabels;
use crate::Gateway;
use crate::access::Watcher;

/// The text format of `OpenMetrics`, which says in its last line that nothing is missing.
const FORM: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) fn router() -> Router<Gateway> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(_: Watcher, State(gateway): State<Gateway>) -> impl IntoResponse {
    ([(CONTENT_TYPE, FORM)], gateway.metrics_text())
}

/// Measures the requests of the routes that it is put before.
pub(crate) async fn measured(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let http_request_method = method(request.method());
    // The pattern, not the address: names in addresses are without end.
    let http_route = request.extensions().get::<MatchedPath>().map_or_else(String::new, |it| it.as_str().to_owned());
    let response = next.run(request).await;
    let http_response_status_code = response.status().as_u16();
    let labels = RouteLabels { http_request_method, http_route, http_response_status_code };
    gateway.metrics().0.requests.get_or_create(&labels).observe(started.elapsed().as_secs_f64());
    response
}

/// The conventions' word for methods that nobody knows is `_OTHER`.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        _ => "_OTHER",
    }
}
