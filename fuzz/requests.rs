//! Sends one body to each of the requests that clients send most; the fuzzer and a test of every build share it.

use axum::{
    Router,
    body::Body,
    http::{Request, header::CONTENT_TYPE},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// The requests that get the body.
pub(crate) const PATHS: &[&str] = &[
    "2.0/mlflow/experiments/create",
    "2.0/mlflow/experiments/search",
    "2.0/mlflow/experiments/set-experiment-tag",
    "2.0/mlflow/experiments/search-datasets",
    "2.0/mlflow/runs/create",
    "2.0/mlflow/runs/update",
    "2.0/mlflow/runs/search",
    "2.0/mlflow/runs/log-metric",
    "2.0/mlflow/runs/log-parameter",
    "2.0/mlflow/runs/set-tag",
    "2.0/mlflow/runs/log-batch",
    "2.0/mlflow/runs/log-inputs",
    "2.0/mlflow/runs/outputs",
    "2.0/mlflow/logged-models",
    "2.0/mlflow/logged-models/search",
    "3.0/mlflow/traces",
    "3.0/mlflow/traces/search",
];

/// Sends the body to each path. An answer is JSON, and the server never says that it broke.
pub(crate) async fn send_to_all(router: &Router, body: &[u8]) {
    for path in PATHS {
        let request = Request::post(format!("/api/{path}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_vec()))
            .expect("the parts of the request are valid");
        let answer = router.clone().oneshot(request).await.expect("a router always answers");
        let status = answer.status();
        let bytes = answer.into_body().collect().await.expect("the answer is whole").to_bytes();
        let said: Result<Value, _> = serde_json::from_slice(&bytes);
        assert!(
            !status.is_server_error() && said.is_ok(),
            "{path} answered {status} {} to {}",
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(body),
        );
    }
}
