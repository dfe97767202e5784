//! What passes to providers as it is: images, audio, files, batches, MLflow's raw proxy.

use std::fmt::Write as _;

use gateway::Outcome;
use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway};

const YAML: &str = "
endpoints:
  - name: any
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: real-model, config: {openai_api_key: $KEY, openai_api_base: BASE}}
  - name: azure
    endpoint_type: llm/v1/chat
    model:
      provider: azure
      name: m
      config: {openai_api_key: $KEY, openai_api_base: BASE, openai_api_version: '2024-02-01', openai_deployment_name: d}
  - name: gemini
    endpoint_type: llm/v1/chat
    model: {provider: gemini, name: gemini-3-flash, config: {api_key: $KEY, api_base: BASE}}
  - name: patient
    endpoint_type: llm/v1/chat
    retries: {max: 1, base_ms: 1}
    concurrency: {max: 1, queue: 0}
    fallbacks: [{name: azure}]
    model: {provider: openai, name: real-model, config: {openai_api_key: $KEY, openai_api_base: BASE}}
  - name: guarded
    endpoint_type: llm/v1/chat
    guardrails: [{name: no-secrets, type: regex, patterns: ['secret'], action: block}]
    model: {provider: openai, name: m, config: {openai_api_key: $KEY, openai_api_base: BASE}}
";

fn form(fields: &[(&str, &str)], file: &str) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        write!(form, "--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").unwrap();
    }
    form + &format!(
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\
         {file}\r\n--XX--\r\n"
    )
}

#[tokio::test]
async fn bodies_of_json_keep_all_but_their_model() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let answer = json!({"created": 1, "data": [{"b64_json": "AAAA"}],
        "usage": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8, "input_tokens_details": {"image_tokens": 1}}});
    provider.will(Reply::json(200, &answer.to_string()));
    let body = json!({"model": "any", "prompt": "a cat", "new_option": [1.50]});
    let (status, got) = gateway.ask("/v1/images/generations", &body).await;
    assert_eq!((status, got), (200, answer));
    let seen = &provider.seen()[0];
    assert_eq!(
        (seen.path.as_str(), &seen.headers["authorization"]),
        ("/v1/images/generations", &"Bearer sk-secret".parse().unwrap())
    );
    assert_eq!(seen.body, json!({"model": "real-model", "prompt": "a cat", "new_option": [1.50]}));
    let call = gateway.calls.recv().await.unwrap();
    let usage = call.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (3, Some(5)));
    assert_eq!((call.endpoint.as_str(), call.attempts.len()), ("any", 1));

    // Sound comes as it is, and the call ends with it.
    provider.will(Reply::Bytes {
        status: 200,
        headers: vec![("content-type", "audio/mpeg".to_owned())],
        body: "ID3 and so on".to_owned(),
    });
    let response = gateway.post("/v1/audio/speech", &json!({"model": "azure", "input": "hi", "voice": "x"})).await;
    assert_eq!(response.headers()["content-type"], "audio/mpeg");
    assert_eq!(response.text().await.unwrap(), "ID3 and so on");
    assert_eq!(provider.seen()[1].path, "/v1/openai/deployments/d/audio/speech?api-version=2024-02-01");
    assert_eq!(gateway.calls.recv().await.unwrap().outcome, Outcome::Ok);
}

#[tokio::test]
async fn forms_stream_through_with_another_model() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let file = "x".repeat(200_000);
    let post = |body: String, header: Option<&str>| {
        let mut request = gateway
            .http
            .post(format!("{}/v1/audio/transcriptions", gateway.base))
            .header("content-type", "multipart/form-data; boundary=XX")
            .body(body);
        if let Some(name) = header {
            request = request.header("x-tidegate-endpoint", name);
        }
        request.send()
    };
    provider.will(Reply::json(200, r#"{"text":"hello"}"#));
    let response = post(form(&[("language", "en"), ("model", "any")], &file), None).await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap(), json!({"text": "hello"}));
    let seen = &provider.seen()[0];
    let expected = form(&[("language", "en"), ("model", "real-model")], &file);
    assert_eq!(seen.body, Value::from(expected.clone()));
    assert_eq!(seen.headers["content-length"], expected.len().to_string());
    assert_eq!(seen.headers["content-type"], "multipart/form-data; boundary=XX");

    // Without a model in front of the file the header names the endpoint, or nothing does.
    provider.will(Reply::json(200, r#"{"text":"hello"}"#));
    assert_eq!(post(form(&[], &file), Some("any")).await.unwrap().status(), 200);
    let response = post(form(&[], &file), None).await.unwrap();
    assert_eq!(response.status(), 400);
    let error: Value = response.json().await.unwrap();
    assert!(error["error"]["message"].as_str().unwrap().starts_with("`model` is missing"), "{error}");
}

#[tokio::test]
async fn files_and_batches_say_whose_they_are() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let (status, error) = gateway.get("/v1/files").await;
    assert_eq!((status, &error["error"]["param"]), (400, &json!("x-tidegate-endpoint")));
    provider.will(Reply::json(200, r#"{"object":"list","data":[]}"#));
    let (status, got) = gateway.get("/v1/files?endpoint=any&limit=2").await;
    assert_eq!((status, got), (200, json!({"object": "list", "data": []})));
    assert_eq!(provider.seen()[0].path, "/v1/files?limit=2");
    provider.will(Reply::json(200, r#"{"id":"batch_1"}"#));
    let batch = json!({"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let (_, got) = gateway.ask("/v1/batches?endpoint=any", &batch).await;
    assert_eq!((got, &provider.seen()[1].body), (json!({"id": "batch_1"}), &batch));
    provider
        .will(Reply::json(404, r#"{"error":{"message":"No such File","type":"invalid_request_error","code":"x"}}"#));
    let (status, error) = gateway.get("/v1/files/file-9/content?endpoint=any").await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("x")));
}

#[tokio::test]
async fn the_raw_proxy_touches_nothing_and_stays_below_its_address() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(200, r#"{"totalTokens":3}"#));
    let body = json!({"contents": [], "model": "theirs"});
    let (_, got) = gateway.ask("/gateway/proxy/gemini/models/gemini-3-flash:countTokens?a=b", &body).await;
    assert_eq!(got, json!({"totalTokens": 3}));
    let seen = &provider.seen()[0];
    assert_eq!(seen.path, "/v1/models/gemini-3-flash:countTokens?a=b");
    assert_eq!((&seen.body, &seen.headers["x-goog-api-key"]), (&body, &"sk-secret".parse().unwrap()));
    for path in ["a%5cb", "a//b", "a%2fb"] {
        let (status, error) = gateway.ask(&format!("/gateway/proxy/any/{path}"), &body).await;
        assert_eq!((status, &error["error"]["param"]), (400, &json!("path")), "{path}");
    }
    let (status, error) = gateway.ask("/gateway/proxy/guarded/chat/completions", &body).await;
    assert_eq!(status, 400);
    assert!(error["error"]["message"].as_str().unwrap().contains("has guardrails"), "{error}");
    let (status, _) = gateway.ask("/gateway/proxy/none/x", &body).await;
    assert_eq!(status, 404);
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn what_can_be_sent_again_is_retried_and_falls_back() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let busy = || Reply::json(503, r#"{"error":{"message":"busy"}}"#);
    let body = json!({"model": "patient", "query": "q", "documents": ["a"]});
    provider.will(busy()).will(busy());
    provider.will(Reply::json(200, r#"{"results":[],"meta":{"billed_units":{"search_units":1}}}"#));
    let response = gateway.post("/v1/rerank", &body).await;
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["x-tidegate-endpoint"],
            &response.headers()["x-tidegate-attempts"]
        ),
        (200, &"azure".parse().unwrap(), &"3".parse().unwrap())
    );
    let seen: Vec<_> = provider.seen().iter().map(|it| (it.path.clone(), it.body["model"].clone())).collect();
    let own = ("/v1/rerank".to_owned(), json!("real-model"));
    let azure = "/v1/openai/deployments/d/rerank?api-version=2024-02-01".to_owned();
    assert_eq!(seen, [own.clone(), own, (azure, json!("m"))]);
    let call = gateway.calls.recv().await.unwrap();
    assert_eq!((call.endpoint.as_str(), call.attempts.len(), call.outcome), ("azure", 3, Outcome::Ok));

    // A form streams through, so that it is sent once.
    provider.will(busy());
    let response = gateway
        .http
        .post(format!("{}/v1/audio/transcriptions", gateway.base))
        .header("content-type", "multipart/form-data; boundary=XX")
        .body(form(&[("model", "patient")], "x"))
        .send();
    let response = response.await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-tidegate-attempts"]), (503, &"1".parse().unwrap()));
    assert_eq!(provider.seen().len(), 4);
}

#[tokio::test]
async fn an_answer_holds_its_turn_until_its_end() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let (gone, went) = tokio::sync::oneshot::channel();
    provider.will(Reply::Hang { body: "data: {}\n\n".to_owned(), gone });
    let speech = json!({"model": "patient", "input": "hi", "voice": "x", "stream_format": "sse"});
    let first = gateway.post("/v1/audio/speech", &speech).await;
    assert_eq!(first.status(), 200);
    // The next one finds the place taken, and goes where it may fall back to.
    provider.will(Reply::json(200, "{}"));
    let second = gateway.post("/v1/audio/speech", &speech).await;
    assert_eq!((second.status().as_u16(), &second.headers()["x-tidegate-endpoint"]), (200, &"azure".parse().unwrap()));
    drop(first);
    went.await.unwrap();
    provider.will(Reply::json(200, "{}"));
    let third = gateway.post("/v1/audio/speech", &speech).await;
    assert_eq!((third.status().as_u16(), &third.headers()["x-tidegate-endpoint"]), (200, &"patient".parse().unwrap()));
}

#[tokio::test]
async fn streams_are_counted_as_they_pass() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let mut check = async |path: &str, body: &Value, events: &[Value], expected: (u64, Option<u64>)| {
        let wire = events.iter().map(|it| format!("data: {it}\n\n")).collect::<Vec<_>>().concat();
        provider.will(Reply::sse(&wire));
        assert_eq!(gateway.post(path, body).await.text().await.unwrap(), wire);
        let usage = gateway.calls.recv().await.unwrap().usage.unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), expected, "{path}");
    };
    let usage = json!({"input_tokens": 3, "output_tokens": 5, "total_tokens": 8});
    check(
        "/v1/images/generations",
        &json!({"model": "any", "prompt": "a cat", "stream": true}),
        &[
            json!({"type": "image_generation.partial_image", "b64_json": "AAAA"}),
            json!({"type": "image_generation.completed", "b64_json": "AAAA", "usage": usage}),
        ],
        (3, Some(5)),
    )
    .await;
    check(
        "/gateway/proxy/any/messages",
        &json!({"model": "theirs", "stream": true}),
        &[
            json!({"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}}),
            json!({"type": "message_delta", "usage": {"output_tokens": 9}}),
        ],
        (7, Some(9)),
    )
    .await;
}
