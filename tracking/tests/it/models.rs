//! Logged models over HTTP.

use axum::body::Body;
use http::{Request, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::server::{Answer, TestServer};

async fn send(server: &TestServer, method: &str, path: &str, body: Value) -> Answer {
    let request = Request::builder().method(method).uri(format!("/api/2.0/mlflow/logged-models{path}"));
    server.send(request.header(CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap()).await
}

each_database!(a_model_is_made_measured_finished_and_deleted);
async fn a_model_is_made_measured_finished_and_deleted() {
    let server = TestServer::start().await;
    let run = server.run("0", "r", 1).await;
    let body = json!({
        "experiment_id": "0", "name": "lm", "source_run_id": run,
        "params": [{"key": "a", "value": "1"}], "tags": [{"key": "t", "value": "v"}],
    });
    let made = send(&server, "POST", "", body).await.ok()["model"].clone();
    let id = made["info"]["model_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("m-") && id.len() == 34, "{id}");
    assert_eq!(made["info"]["artifact_uri"], format!("mlflow-artifacts:/0/models/{id}/artifacts"));
    assert_eq!(made["info"]["status"], "LOGGED_MODEL_PENDING");
    assert_eq!((&made["info"]["model_type"], &made["info"]["source_run_id"]), (&json!(""), &json!(run)));
    assert_eq!(made["info"]["tags"], json!([{"key": "t", "value": "v"}]));
    assert_eq!(made["data"], json!({"params": [{"key": "a", "value": "1"}]}));

    let metric = json!({
        "run_id": run, "key": "rmse", "value": 0.5, "timestamp": 7, "step": 1, "model_id": id,
        "dataset_name": "wine", "dataset_digest": "d",
    });
    server.post("runs/log-metric", metric).await.ok();
    let status = json!({"status": "LOGGED_MODEL_READY"});
    let model = send(&server, "PATCH", &format!("/{id}"), status).await.ok()["model"].clone();
    assert_eq!(model["info"]["status"], "LOGGED_MODEL_READY");
    let expect = json!([{
        "key": "rmse", "value": 0.5, "timestamp": 7, "step": 1, "model_id": id, "run_id": run,
        "dataset_name": "wine", "dataset_digest": "d",
    }]);
    assert_eq!(model["data"]["metrics"], expect);

    let tags = json!({"tags": [{"key": "t", "value": "w"}]});
    send(&server, "PATCH", &format!("/{id}/tags"), tags).await.ok();
    send(&server, "POST", &format!("/{id}/params"), json!({"params": [{"key": "b", "value": "2"}]})).await.ok();
    let again = json!({"params": [{"key": "b", "value": "3"}]});
    assert!(send(&server, "POST", &format!("/{id}/params"), again).await.refused().contains("values is not allowed"));
    let model = send(&server, "GET", &format!("/{id}?x=1"), json!({})).await.ok()["model"].clone();
    assert_eq!(model["info"]["tags"], json!([{"key": "t", "value": "w"}]));
    assert_eq!(model["data"]["params"], json!([{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]));
    send(&server, "DELETE", &format!("/{id}/tags/t"), json!({})).await.ok();
    send(&server, "DELETE", &format!("/{id}/tags/t"), json!({})).await.error(404, "RESOURCE_DOES_NOT_EXIST");

    send(&server, "DELETE", &format!("/{id}"), json!({})).await.ok();
    let message = send(&server, "GET", &format!("/{id}"), json!({})).await.error(404, "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(message, format!("Logged model with ID '{id}' not found."));
    let body = json!({"experiment_id": "0", "name": "a/b"});
    assert!(send(&server, "POST", "", body).await.refused().starts_with("Invalid model name ('a/b') provided."));
    send(&server, "POST", "", json!({"experiment_id": "77"})).await.error(404, "RESOURCE_DOES_NOT_EXIST");
}

each_database!(models_are_searched);
async fn models_are_searched() {
    let server = TestServer::start().await;
    let run = server.run("0", "r", 1).await;
    let mut ids = Vec::new();
    for (name, rmse) in [("forest", 0.3), ("linear", 0.5), ("linear", 0.4)] {
        let body = json!({"experiment_id": "0", "name": name, "params": [{"key": "n", "value": name}]});
        let made = send(&server, "POST", "", body).await.ok();
        let id = made["model"]["info"]["model_id"].as_str().unwrap().to_owned();
        let metric = json!({"run_id": run, "key": "rmse", "value": rmse, "timestamp": 1, "model_id": id});
        server.post("runs/log-metric", metric).await.ok();
        ids.push(id);
    }
    let found = async |filter: &str, order_by: Value| {
        let body = json!({"experiment_ids": ["0"], "filter": filter, "order_by": order_by});
        let answer = send(&server, "POST", "/search", body).await.ok();
        let models = answer["models"].as_array().cloned().unwrap_or_default();
        let place = |it: &Value| ids.iter().position(|id| it["info"]["model_id"] == **id).unwrap();
        models.iter().map(place).collect::<Vec<_>>()
    };
    let by_rmse = json!([{"field_name": "metrics.rmse", "ascending": true}]);
    assert_eq!(found("", by_rmse.clone()).await, [0, 2, 1]);
    assert_eq!(found("name = 'linear'", by_rmse.clone()).await, [2, 1]);
    assert_eq!(found("attributes.name LIKE 'f%' AND params.n = 'forest'", json!([])).await, [0]);
    assert_eq!(found("metrics.rmse < 0.45 AND status = 'LOGGED_MODEL_PENDING'", by_rmse).await, [0, 2]);
    assert_eq!(found("tags.x = 'y'", json!([])).await, [0_usize; 0]);
    let body = json!({"experiment_ids": ["0"], "max_results": 2});
    let first = send(&server, "POST", "/search", body).await.ok();
    let body = json!({"experiment_ids": ["0"], "max_results": 2, "page_token": first["next_page_token"]});
    let second = send(&server, "POST", "/search", body).await.ok();
    assert_eq!((second["models"].as_array().unwrap().len(), &second["next_page_token"]), (1, &Value::Null));
    for filter in ["foo = 'x'", "foo.a = 'x'", "name > 'x'", "metrics.rmse = 'x'", "status = 'GOOD'"] {
        let body = json!({"experiment_ids": ["0"], "filter": filter});
        send(&server, "POST", "/search", body).await.refused();
    }
}
