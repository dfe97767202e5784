//! What there is to call, as MLflow's deployments client lists it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::missing;
use crate::http::Named;
use crate::served::Served;
use crate::{EndpointInfo, Gateway, Limit, RouteInfo};

/// `GET /api/2.0/endpoints/`. A configuration's endpoints fit one page, so there is never a next one.
pub(super) async fn endpoints(State(gateway): State<Gateway>) -> Json<Value> {
    let endpoints: Vec<Value> = gateway.endpoints().map(|it| endpoint_json(&it)).collect();
    Json(json!({"endpoints": endpoints, "next_page_token": null}))
}

/// `GET /api/2.0/endpoints/<name>`
pub(super) async fn endpoint(State(gateway): State<Gateway>, Named(name): Named) -> Response {
    match gateway.served(&name) {
        Some(Served::Endpoint(endpoint)) => Json(endpoint_json(&endpoint.info)).into_response(),
        _ => missing("endpoint", &name),
    }
}

/// `GET /api/3.0/gateway/route/<name>`
pub(super) async fn route(State(gateway): State<Gateway>, Named(name): Named) -> Response {
    match gateway.served(&name) {
        Some(Served::Route(route)) => Json(route_json(&route.info)).into_response(),
        _ => missing("route", &name),
    }
}

/// `GET /api/2.0/gateway/routes/`: MLflow's old name for endpoints.
pub(super) async fn legacy_routes(State(gateway): State<Gateway>) -> Json<Value> {
    let routes: Vec<Value> = gateway.endpoints().map(|it| legacy_json(&it)).collect();
    Json(json!({"routes": routes, "next_page_token": null}))
}

/// `GET /api/2.0/gateway/routes/<name>`
pub(super) async fn legacy_route(State(gateway): State<Gateway>, Named(name): Named) -> Response {
    match gateway.served(&name) {
        Some(Served::Endpoint(endpoint)) => Json(legacy_json(&endpoint.info)).into_response(),
        _ => missing("route", &name),
    }
}

fn endpoint_json(info: &EndpointInfo) -> Value {
    json!({
        "name": info.name,
        "endpoint_type": info.kind.as_str(),
        "model": {"name": info.model, "provider": info.provider},
        "endpoint_url": url(info),
        "limit": info.limit.as_ref().map(limit_json),
    })
}

fn legacy_json(info: &EndpointInfo) -> Value {
    json!({
        "name": info.name,
        "route_type": info.kind.as_str(),
        "model": {"name": info.model, "provider": info.provider},
        "route_url": url(info),
        "limit": info.limit.as_ref().map(limit_json),
    })
}

fn route_json(info: &RouteInfo) -> Value {
    let destinations: Vec<Value> =
        info.destinations.iter().map(|(name, share)| json!({"name": name, "traffic_percentage": share})).collect();
    json!({
        "name": info.name,
        "task_type": info.kind.as_str(),
        "destinations": destinations,
        "routing_strategy": info.routing_strategy,
    })
}

fn limit_json(limit: &Limit) -> Value {
    json!({"calls": limit.calls, "key": limit.key, "renewal_period": limit.renewal_period})
}

fn url(info: &EndpointInfo) -> String {
    format!("/gateway/{}/invocations", info.name)
}
