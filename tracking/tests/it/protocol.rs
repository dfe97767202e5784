//! What all endpoints share: addresses, methods, content types, and many clients at once.

use axum::body::Body;
use http::{Request, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::server::TestServer;

#[tokio::test]
async fn every_prefix_serves_the_same() {
    let server = TestServer::start().await;
    let expect = server.get("experiments/get?experiment_id=0").await.ok();
    for prefix in ["/ajax-api/2.0/mlflow", "/api/2.0/preview/mlflow", "/ajax-api/2.0/preview/mlflow"] {
        let found = server.get_at(&format!("{prefix}/experiments/get?experiment_id=0")).await.ok();
        assert_eq!(found, expect, "{prefix}");
    }
    assert_eq!(server.get_at("/version").await.ok(), "3.17.2");
    assert_eq!(server.get_at("/health").await.ok(), "OK");
    let info = server.get_at("/api/3.0/mlflow/server-info").await.ok();
    assert_eq!((&info["store_type"], &info["workspaces_enabled"]), (&json!("SqlStore"), &json!(false)));
}

#[tokio::test]
async fn what_is_not_served_answers_in_the_same_shape() {
    let server = TestServer::start().await;
    let message = server.get("nope/x").await.error(404, "ENDPOINT_NOT_FOUND");
    assert_eq!(message, "This server has no endpoint /api/2.0/mlflow/nope/x; it may belong to a newer MLflow.");
    let message = server.get("runs/create").await.error(405, "BAD_REQUEST");
    assert_eq!(message, "GET is not served at /api/2.0/mlflow/runs/create; see the Allow header for what is.");
}

#[tokio::test]
async fn bodies_are_json_and_say_so() {
    let server = TestServer::start().await;
    let post = async |content_type: Option<&str>, body: &str| {
        let mut request = Request::post("/api/2.0/mlflow/experiments/search");
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        server.send(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    let body = r#"{"max_results": 1}"#;
    assert_eq!(post(None, body).await.refused(), "Bad Request. Content-Type header is missing.");
    assert_eq!(
        post(Some("text/plain"), body).await.refused(),
        "Bad Request. Content-Type must be one of ['application/json']."
    );
    let expect = post(Some("application/json; charset=utf-8"), body).await.ok();
    assert_eq!(expect["experiments"][0]["name"], "Default");
    let twice_encoded = Value::from(body).to_string();
    assert_eq!(post(Some("application/json"), &twice_encoded).await.ok(), expect);
    let camel_case = r#"{"maxResults": "1", "nobody_knows": {}, "filter": null}"#;
    assert_eq!(post(Some("application/json"), camel_case).await.ok(), expect);
    let large = format!("\"{}\"", "x".repeat(34 * 1024 * 1024));
    let message = post(Some("application/json"), &large).await.error(413, "INVALID_PARAMETER_VALUE");
    assert_eq!(message, "The request body is larger than 34603008 bytes; split the request.");
}

#[tokio::test]
async fn many_clients_log_at_once_and_nothing_is_lost() {
    const CLIENTS: i64 = 40;
    let server = TestServer::start().await;
    let id = server.run("0", "r", 1).await;
    let logs = (0..CLIENTS).map(|client| {
        let metrics: Vec<Value> =
            (0..25).map(|n| json!({ "key": "m", "value": client, "timestamp": 1, "step": client * 25 + n })).collect();
        // Every fourth batch breaks a rule, and must not take its neighbours with it.
        let param = if client % 4 == 0 {
            json!({ "key": "p", "value": client.to_string() })
        } else {
            json!({ "key": format!("p{client}"), "value": "x" })
        };
        server.post("runs/log-batch", json!({ "run_id": id, "metrics": metrics, "params": [param] }))
    });
    let answers = futures::future::join_all(logs).await;
    let accepted = answers.iter().filter(|answer| answer.status.is_success()).count();
    assert_eq!(accepted, 31, "thirty batches with params of their own, and the first that sets `p`");
    let history = server.get(&format!("metrics/get-history?run_id={id}&metric_key=m")).await.ok();
    assert_eq!(history["metrics"].as_array().unwrap().len(), 31 * 25);
    let run = server.get(&format!("runs/get?run_id={id}")).await.ok();
    assert_eq!(run["run"]["data"]["params"].as_array().unwrap().len(), 31);
    assert_eq!(run["run"]["data"]["metrics"][0]["step"], CLIENTS * 25 - 1);
}
