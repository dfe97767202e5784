//! The gateway's addresses as a document for tools, `GET /openapi.json`, and as a page for people, `GET /docs`.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use crate::Gateway;

/// `OpenAPI` 3.1; what only a running gateway knows is filled in.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../openapi/openapi.json")).expect("the gateway's own document is JSON")
});

/// Renders the document in the browser.
const PAGE: &str = include_str!("../../openapi/page.html");

/// The page has its style and script in itself, and reads nothing but the document.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'";

/// Names told at most: they are examples, the listings have them all.
const NAMES_MAX: usize = 100;

pub(super) fn router() -> Router<Gateway> {
    Router::new().route("/openapi.json", get(document)).route("/docs", get(page))
}

async fn document(State(gateway): State<Gateway>) -> Json<Value> {
    let mut document = DOCUMENT.clone();
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    // Who has no key shall not learn what there is.
    if !gateway.needs_key() {
        let names = gateway.endpoints().map(|it| it.name).chain(gateway.routes().map(|it| it.name));
        document["components"]["schemas"]["Name"]["examples"] = names.take(NAMES_MAX).map(Value::from).collect();
    }
    Json(document)
}

async fn page() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, PAGE_POLICY)], PAGE)
}
