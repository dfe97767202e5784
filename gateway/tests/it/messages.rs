//! Anthropic's Messages in front of providers that speak them, and of others that do not.

use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway};

const YAML: &str = "
endpoints:
  - name: claude
    endpoint_type: llm/v1/chat
    model:
      provider: anthropic
      name: claude-test
      config: {anthropic_api_key: $KEY, anthropic_api_base: BASE, beta: files}
  - name: gpt
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-test, config: {openai_api_key: $KEY, openai_api_base: BASE}}
  - name: strict
    endpoint_type: llm/v1/chat
    unsupported_fields: error
    model: {provider: openai, name: gpt-test, config: {openai_api_key: $KEY, openai_api_base: BASE}}
";

fn hello(model: &str) -> Value {
    json!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]})
}

#[tokio::test]
async fn anthropic_gets_the_callers_own_words() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let answer = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test",
        "content": [{"type": "text", "text": "yes", "citations": null}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5}, "newer": {"than": "we"},
    });
    provider.will(Reply::json(200, &answer.to_string()));
    let mut body = hello("claude");
    body["future"] = json!({"kept": [1.50, null]});
    let response = gateway
        .http
        .post(format!("{}/anthropic/v1/messages?beta=true", gateway.base))
        .header("anthropic-beta", "mcp")
        .header("x-api-key", "tg-callers-own")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert!(response.headers().contains_key("request-id"));
    assert_eq!(response.json::<Value>().await.unwrap(), answer);
    let seen = provider.seen().pop().unwrap();
    assert_eq!(seen.path, "/v1/messages");
    assert_eq!(seen.headers["anthropic-beta"], "files,mcp");
    assert_eq!(seen.headers["anthropic-version"], "2023-06-01");
    assert_eq!(seen.headers["x-api-key"], "sk-secret");
    body["model"] = "claude-test".into();
    assert_eq!(seen.body, body);
    let usage = gateway.calls.recv().await.unwrap().usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (7, Some(5)));
}

#[tokio::test]
async fn anthropics_events_pass_as_they_came() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let events = [
        json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 3}, "content": []}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hé"}}),
        json!({"type": "newer_than_we", "x": 1}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    let mut wire = Vec::new();
    for it in &events {
        llm::sse::encode(it["type"].as_str(), &it.to_string(), &mut wire);
    }
    let wire = String::from_utf8(wire).unwrap();
    provider.will(Reply::sse(&wire));
    let mut body = hello("claude");
    body["stream"] = true.into();
    let text = gateway.post("/v1/messages", &body).await.text().await.unwrap();
    assert_eq!(text, wire);
    let call = gateway.calls.recv().await.unwrap();
    let response: Value = serde_json::from_slice(&call.response.unwrap()).unwrap();
    assert_eq!(response["choices"][0]["message"]["content"], "hé");
    assert_eq!(call.usage.unwrap().total_tokens, 5);

    // Cut before its end, it ends in an error.
    provider.will(Reply::sse(&wire[..wire.find("event: message_delta").unwrap()]));
    let text = gateway.post("/v1/messages", &body).await.text().await.unwrap();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\""), "{last}");
    assert!(last.contains("cut its stream short"), "{last}");
}

#[tokio::test]
async fn an_overloaded_anthropic_keeps_its_type() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    provider.will(Reply::json(529, &error.to_string()));
    let (status, body) = gateway.ask("/v1/messages", &hello("claude")).await;
    assert_eq!((status, &body["error"]["type"]), (529, &json!("overloaded_error")));
    assert!(body["request_id"].is_string());

    // As the first event it is still an answer of its own.
    provider.will(Reply::sse(&format!("event: error\ndata: {error}\n\n")));
    let mut streamed = hello("claude");
    streamed["stream"] = true.into();
    let (status, body) = gateway.ask("/v1/messages", &streamed).await;
    assert_eq!((status, &body["error"]["type"]), (529, &json!("overloaded_error")));
}

#[tokio::test]
async fn others_are_asked_in_chats_and_answer_in_messages() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(
        200,
        &json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-test-1",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null,
                "tool_calls": [{"id": "call_1", "type": "function",
                                "function": {"name": "tide", "arguments": "{\"port\":\"Brest\"}"}}]}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
        })
        .to_string(),
    ));
    let mut body = hello("gpt");
    body["tools"] = json!([{"name": "tide", "input_schema": {"type": "object"}}]);
    body["top_k"] = 5.into();
    let response = gateway.post("/v1/messages", &body).await;
    assert_eq!(response.headers()["x-tidegate-warnings"], "top_k is left out: OpenAI's models have no such setting");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["stop_reason"], "tool_use");
    assert_eq!(
        answer["content"],
        json!([{"type": "tool_use", "id": "call_1", "name": "tide", "input": {"port": "Brest"}}])
    );
    let seen = provider.seen().pop().unwrap();
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!((&seen.body["model"], &seen.body["max_completion_tokens"]), (&json!("gpt-test"), &json!(9)));

    body["model"] = "strict".into();
    let (status, body) = gateway.ask("/v1/messages", &body).await;
    assert_eq!((status, &body["error"]["type"]), (400, &json!("invalid_request_error")));
    assert!(body["error"]["message"].as_str().unwrap().starts_with("`top_k` is left out"), "{body}");
}

#[tokio::test]
async fn bad_calls_are_refused_in_anthropics_shape() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let check = async |body: Value, status: u16, kind: &str, words: &str| {
        let (got, answer) = gateway.ask("/v1/messages", &body).await;
        assert_eq!(
            (got, &answer["type"], &answer["error"]["type"]),
            (status, &json!("error"), &kind.into()),
            "{answer}"
        );
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    };
    check(json!([]), 400, "invalid_request_error", "JSON object").await;
    check(hello("nobody"), 404, "not_found_error", "`nobody`").await;
    check(json!({"model": "claude", "messages": []}), 400, "invalid_request_error", "`max_tokens` is missing").await;
    let mut hot = hello("gpt");
    hot["temperature"] = 1.5.into();
    check(hot, 400, "invalid_request_error", "from 0 to 1, but is 1.5").await;
    assert!(provider.seen().is_empty());
    let text = gateway.http.post(format!("{}/v1/messages", gateway.base)).body("{}").send().await.unwrap();
    assert_eq!(text.status(), 415);
    assert_eq!(text.json::<Value>().await.unwrap()["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn tokens_are_counted_where_the_provider_counts_and_guessed_elsewhere() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(200, r#"{"input_tokens": 14}"#));
    let mut body = json!({"model": "claude", "messages": [{"role": "user", "content": "hi"}]});
    let response = gateway.post("/v1/messages/count_tokens", &body).await;
    assert!(!response.headers().contains_key("x-tidegate-token-count"));
    assert_eq!(response.json::<Value>().await.unwrap(), json!({"input_tokens": 14}));
    let seen = provider.seen().pop().unwrap();
    assert_eq!((seen.path.as_str(), &seen.body["model"]), ("/v1/messages/count_tokens", &json!("claude-test")));

    body["model"] = "gpt".into();
    let response = gateway.post("/v1/messages/count_tokens", &body).await;
    assert_eq!(response.headers()["x-tidegate-token-count"], "estimate");
    assert_eq!(response.json::<Value>().await.unwrap(), json!({"input_tokens": 5}));
    assert_eq!(provider.seen().len(), 1);
    let (status, refused) = gateway.ask("/v1/messages/count_tokens", &json!({"model": "gpt"})).await;
    assert_eq!((status, &refused["error"]["type"]), (400, &json!("invalid_request_error")));
}
