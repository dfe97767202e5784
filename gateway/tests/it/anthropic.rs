//! Anthropic's protocol behind chats and completions.

use gateway::Outcome;
use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello};

const YAML: &str = "
endpoints:
  - name: claude
    endpoint_type: llm/v1/chat
    model: {provider: anthropic, name: claude-test, config: {anthropic_api_key: $KEY, anthropic_api_base: BASE}}
  - name: text
    endpoint_type: llm/v1/completions
    model:
      provider: anthropic
      name: claude-test
      config: {anthropic_api_key: $KEY, api_base: BASE, version: '2030-01-01', beta: files, max_tokens: 5}
";

fn events(list: &[Value]) -> String {
    let mut wire = Vec::new();
    for event in list {
        llm::sse::encode(event["type"].as_str(), &event.to_string(), &mut wire);
    }
    String::from_utf8(wire).unwrap()
}

#[tokio::test]
async fn a_chat_becomes_a_message_and_its_answer_a_chats() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(
        200,
        &json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-1",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
                {"type": "text", "text": "Let me "}, {"type": "text", "text": "see."},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"b": 1, "a": [2]}}],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2,
                      "output_tokens": 7, "cache_creation": {"ephemeral_5m_input_tokens": 2}}})
        .to_string(),
    ));
    let (status, mut body) = gateway.ask("/v1/chat/completions", &hello(Some("claude"))).await;
    assert_eq!(status, 200);
    assert!(body["created"].take().as_u64().unwrap() > 1_700_000_000);
    assert_eq!(
        body,
        json!({"id": "msg_1", "object": "chat.completion", "created": null, "model": "claude-test-1",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": "Let me see.", "reasoning_content": "Hm.",
                "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "sig"}],
                "tool_calls": [{"id": "t1", "type": "function",
                                "function": {"name": "look", "arguments": "{\"b\":1,\"a\":[2]}"}}]}}],
            "usage": {"prompt_tokens": 17, "completion_tokens": 7, "total_tokens": 24,
                "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
                "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2,
                "cache_creation": {"ephemeral_5m_input_tokens": 2}}})
    );

    // The answer goes back as a turn of the next call, thoughts and their signatures included.
    let mut request = hello(Some("claude"));
    let answer = body["choices"][0]["message"].clone();
    request["messages"]
        .as_array_mut()
        .unwrap()
        .extend([answer, json!({"role": "tool", "tool_call_id": "t1", "content": "seen"})]);
    provider.will(Reply::json(200, &json!({"id": "m", "content": [], "stop_reason": "refusal"}).to_string()));
    let (_, body) = gateway.ask("/v1/chat/completions", &request).await;
    assert_eq!(body["choices"][0]["message"], json!({"role": "assistant", "content": ""}));
    assert_eq!(body["choices"][0]["finish_reason"], "content_filter");
    let seen = provider.seen();
    assert_eq!(seen[0].path, "/v1/messages");
    assert_eq!(seen[0].headers["x-api-key"], "sk-secret");
    assert_eq!(seen[0].headers["anthropic-version"], "2023-06-01");
    assert_eq!(
        seen[1].body,
        json!({"model": "claude-test", "max_tokens": 8192, "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"b": 1, "a": [2]}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "seen"}]}]})
    );
}

#[tokio::test]
async fn a_stream_of_events_becomes_chunks() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let wire = events(&[
        json!({"type": "message_start", "message": {"id": "m1", "model": "c", "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {}}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ""}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "b", "name": "g", "input": {}}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{\"x\":"}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "1}"}}),
        json!({"type": "content_block_stop", "index": 2}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ]);
    provider.will(Reply::sse(&wire));
    let mut request = hello(Some("claude"));
    request["stream"] = true.into();
    request["stream_options"] = json!({"include_usage": true});
    let got = gateway.stream("/v1/chat/completions", &request).await;
    assert_eq!(got.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> = got[..got.len() - 1].iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    let deltas: Vec<&Value> = chunks[..chunks.len() - 1].iter().map(|it| &it["choices"][0]["delta"]).collect();
    let arguments = |index: u32, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    let opening = |index: u32, id: &str, name: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]});
    assert_eq!(
        deltas,
        [
            &json!({"role": "assistant", "content": ""}),
            &json!({"content": "Grüße"}),
            &opening(0, "a", "f"),
            &arguments(0, "{}"),
            &opening(1, "b", "g"),
            &arguments(1, "{\"x\":"),
            &arguments(1, "1}"),
            &json!({}),
        ]
    );
    let finish: Vec<&Value> =
        chunks.iter().map(|it| &it["choices"][0]["finish_reason"]).filter(|it| !it.is_null()).collect();
    assert_eq!(finish, ["tool_calls"]);
    let last = chunks.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["total_tokens"]), (&json!([]), &json!(12)));
    assert_eq!(gateway.calls.recv().await.unwrap().outcome, Outcome::Ok);
    assert_eq!(provider.seen()[0].body["stream"], true);
    assert!(provider.seen()[0].body.get("stream_options").is_none());
}

#[tokio::test]
async fn errors_and_cuts() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    provider.will(Reply::json(529, &overloaded.to_string()));
    let (status, body) = gateway.ask("/v1/chat/completions", &hello(Some("claude"))).await;
    assert_eq!(status, 529);
    assert_eq!(
        body["error"],
        json!({"message": "provider `anthropic` answered HTTP 529: Overloaded", "type": "overloaded_error",
               "param": null, "code": null})
    );

    let mut request = hello(Some("claude"));
    request["stream"] = true.into();
    provider.will(Reply::sse(&events(std::slice::from_ref(&overloaded))));
    assert_eq!(gateway.ask("/v1/chat/completions", &request).await.0, 529);

    let start = json!({"type": "message_start", "message": {"id": "m1", "model": "c", "usage": {}}});
    for (then, words) in [(Some(overloaded), "Overloaded"), (None, "it ended before its last event")] {
        let wire: Vec<Value> = std::iter::once(start.clone()).chain(then).collect();
        provider.will(Reply::sse(&events(&wire)));
        let got = gateway.stream("/v1/chat/completions", &request).await;
        assert_eq!(got.len(), 2, "{got:?}");
        assert!(got[1].starts_with("{\"error\":{\"message\":") && got[1].contains(words), "{}", got[1]);
    }
    for _ in 0..4 {
        assert!(matches!(gateway.calls.recv().await.unwrap().outcome, Outcome::Failed { .. }));
    }

    provider.will(Reply::json(200, "[]"));
    assert_eq!(gateway.ask("/v1/chat/completions", &hello(Some("claude"))).await.0, 502);
    request["n"] = 2.into();
    let (status, body) = gateway.ask("/v1/chat/completions", &request).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("n")));
}

#[tokio::test]
async fn a_prompt_becomes_a_message_too() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(
        200,
        &json!({"id": "m", "model": "c", "content": [{"type": "text", "text": "world"}], "stop_reason": "max_tokens",
                "usage": {"input_tokens": 1, "output_tokens": 5}})
        .to_string(),
    ));
    let (_, body) = gateway.ask("/v1/completions", &json!({"model": "text", "prompt": "hello", "stop": ["x"]})).await;
    assert_eq!(body["choices"], json!([{"index": 0, "text": "world", "finish_reason": "length"}]));
    assert_eq!((&body["object"], &body["usage"]["total_tokens"]), (&json!("text_completion"), &json!(6)));
    let seen = &provider.seen()[0];
    assert_eq!(
        (&seen.headers["anthropic-version"], &seen.headers["anthropic-beta"]),
        (&"2030-01-01".parse().unwrap(), &"files".parse().unwrap())
    );
    assert_eq!(
        seen.body,
        json!({"model": "claude-test", "max_tokens": 5, "stop_sequences": ["x"],
               "messages": [{"role": "user", "content": "hello"}]})
    );
}
