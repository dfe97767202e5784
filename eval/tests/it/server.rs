//! OpenAI-compatible servers over a real socket.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::support::{Bench, metric_of, value};

/// What a server was asked: its headers and body.
type Asked = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

async fn start() -> (String, Asked) {
    let asked = Asked::default();
    let routes = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(complete))
        .with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (url, asked)
}

/// Refuses the first call with 429, then answers; a question about `secrets` is always refused with 400.
async fn chat(State(asked): State<Asked>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let calls = {
        let mut asked = asked.lock().unwrap();
        asked.push((headers, body.clone()));
        asked.len()
    };
    if calls == 1 {
        let body = json!({"error": {"message": "slow down", "type": "rate_limit", "code": 7}});
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")], Json(body)).into_response();
    }
    if body["messages"][0]["content"].as_str().unwrap().contains("secrets") {
        return (StatusCode::BAD_REQUEST, "<html>not that</html>").into_response();
    }
    Json(json!({
        "id": "1", "object": "chat.completion", "created": 1, "model": "m-2026", "vendor_field": {"a": 1},
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "42"}}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
    }))
    .into_response()
}

async fn complete(State(asked): State<Asked>, headers: HeaderMap, Json(body): Json<Value>) -> Json<Value> {
    asked.lock().unwrap().push((headers, body));
    Json(json!({"id": "1", "choices": [{"index": 0, "text": "42"}]}))
}

#[tokio::test]
async fn a_server_is_asked_with_its_key_and_priced_by_its_tokens() {
    let (url, asked) = start().await;
    let suite = format!(
        "data: [{{q: life, a: '42'}}, {{q: secrets, a: '1'}}]\n\
         targets: {{m: {{url: '{url}/', model: m-1, key: plain-key, headers: {{x-team: eval}}, price: {{input: 2, output: 10}}}}}}\n\
         prompts: '{{{{ q }}}}?'\nparams: {{temperature: 0, vendor_option: [deep]}}\n\
         metrics: [{{contains: '{{{{ a }}}}'}}]\nrun: {{concurrency: 1, retries: {{max: 2, wait: 1ms}}}}\n"
    );
    let outcome = Bench::new().run(&suite).await.unwrap();
    assert_eq!(value(&outcome, "m", "contains"), 1.0);
    assert_eq!(value(&outcome, "m", "errors"), 0.5);
    // 1000 × 2 + 500 × 10 USD per million.
    assert_eq!(metric_of(&outcome, "m", "cost")["sum"], 0.007);
    assert!(
        outcome.table().contains("/v1/chat/completions answered 400: <html>not that</html>"),
        "{}",
        outcome.table()
    );
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3, "one refusal is tried again, a wrong request is not");
    let (headers, body) = &asked[1];
    assert_eq!(
        (&headers["authorization"], &headers["x-team"]),
        (&"Bearer plain-key".parse().unwrap(), &"eval".parse().unwrap())
    );
    let expected = json!({"model": "m-1", "messages": [{"role": "user", "content": "life?"}], "temperature": 0.0, "vendor_option": "deep"});
    assert_eq!(*body, expected);
}

#[tokio::test]
async fn without_a_key_no_authorization_is_sent() {
    let (url, asked) = start().await;
    let suite = format!(
        "data: [{{q: life}}]\ntargets: {{m: {{url: '{url}', model: m-1, api: completions}}}}\nprompts: '{{{{ q }}}} is '\n\
         metrics: [{{equals: '42'}}]\n"
    );
    let outcome = Bench::new().run(&suite).await.unwrap();
    assert_eq!(value(&outcome, "m", "equals"), 1.0);
    let asked = asked.lock().unwrap();
    let (headers, body) = &asked[0];
    assert!(!headers.contains_key("authorization"), "{headers:?}");
    assert_eq!(*body, json!({"model": "m-1", "prompt": "life is "}));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let suite = format!(
        "data: [{{q: life}}]\ntargets: 'http://{address}/v1'\nprompts: '{{{{ q }}}}'\nmetrics: [is_json]\n\
         gates: ['errors <= 0%']\nrun: {{retries: 0}}\n"
    );
    let outcome = Bench::new().run(&suite).await.unwrap();
    assert_eq!(outcome.exit_code(), 1);
    assert!(
        outcome.table().contains(&format!("http://{address}/v1/chat/completions: cannot be reached")),
        "{}",
        outcome.table()
    );
}
