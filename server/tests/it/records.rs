//! Calls through the gateway become traces, also those that are on their way when the server is told to stop.

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tracking::Tracking;

use crate::running::Running;

/// A provider that answers at once.
async fn provider() -> String {
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "fixed-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "forty-two"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11,
                  "prompt_tokens_details": {"cached_tokens": 4}},
    });
    let app = Router::new().route("/v1/chat/completions", post(move || async move { Json(answer) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/v1")
}

async fn ask(url: &str, model: &str) -> (u16, Value) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let body = json!({"model": model, "messages": [{"role": "user", "content": "what is six times seven?"}]});
    let answer = reqwest::Client::new().post(format!("{url}/v1/chat/completions")).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_call_is_a_trace_after_a_stop() {
    const CALLS: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let gateway = format!(
        "endpoints:\n- name: fixed\n  endpoint_type: llm/v1/chat\n  model:\n    provider: openai\n    name: fixed-1\n    \
         config: {{openai_api_key: sk-test-1234567890, openai_api_base: \"{}\"}}\n",
        provider().await
    );
    std::fs::write(folder.path().join("gateway.yaml"), gateway).unwrap();
    let server = Running::start(folder.path(), &["server", "--gateway-config", "gateway.yaml"]);
    for _ in 0..CALLS {
        let (status, answer) = ask(&server.url, "fixed").await;
        assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("forty-two")));
    }
    assert_eq!(server.stop(), Some(0));

    let uri = format!("sqlite:///{}/mlflow.db", folder.path().display());
    let db = db::Db::open(&uri).await.unwrap();
    let options = tracking::ArtifactOptions::resolve(None, Some(folder.path().display().to_string()), true);
    let tracking = Tracking::open(db.clone(), options).await.unwrap();
    let experiment = tracking.store().experiment_by_name("gateway/fixed").await.unwrap().unwrap();
    assert_eq!(experiment.tags.iter().find(|it| it.key == "mlflow.experiment.isGateway").unwrap().value, "true");
    let rows: Vec<(i64, i64, String, String)> = db
        .fetch_all(
            "SELECT input_tokens, cache_read_input_tokens, request_preview, response_preview FROM trace_info \
             WHERE experiment_id = ? AND status = 'OK'",
            vec![experiment.experiment_id.0.into()],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), CALLS);
    assert_eq!(rows[0], (9, 4, "what is six times seven?".to_owned(), "forty-two".to_owned()));
    let text: Vec<(String,)> = db.fetch_all("SELECT content FROM spans", vec![]).await.unwrap();
    assert_eq!(text.len(), 2 * CALLS);
    assert!(text.iter().all(|(it,)| !it.contains("sk-test")), "a key is in a trace");
}
