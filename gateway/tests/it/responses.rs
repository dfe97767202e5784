//! OpenAI's Responses in front of a provider that speaks them, and of others that do not.

use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway};

const YAML: &str = "
endpoints:
  - name: gpt
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-test, config: {openai_api_key: $KEY, openai_api_base: BASE}}
  - name: azure
    endpoint_type: llm/v1/chat
    model:
      provider: azure
      name: gpt-test
      config:
        openai_api_key: $KEY
        openai_api_base: BASE
        openai_api_version: 2025-04-01-preview
        openai_deployment_name: d1
  - name: claude
    endpoint_type: llm/v1/chat
    model: {provider: anthropic, name: claude-test, config: {anthropic_api_key: $KEY, anthropic_api_base: BASE}}
  - name: llama
    endpoint_type: llm/v1/chat
    unsupported_fields: error
    model: {provider: vllm, name: llama-test, config: {api_base: BASE}}
";

#[tokio::test]
async fn openai_gets_the_callers_own_words() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let answer = json!({
        "id": "resp_1", "object": "response", "status": "completed", "error": null, "newer": {"than": "we"},
        "output": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}],
        "usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 2,
                  "total_tokens": 11},
    });
    let mut body = json!({
        "model": "gpt", "input": [{"role": "user", "content": "hi"}], "previous_response_id": "resp_0", "store": true,
        "tools": [{"type": "web_search"}], "future": [1.50],
    });
    for (endpoint, model, path) in
        [("gpt", "gpt-test", "/v1/responses"), ("azure", "d1", "/v1/openai/responses?api-version=2025-04-01-preview")]
    {
        provider.will(Reply::json(200, &answer.to_string()));
        body["model"] = endpoint.into();
        let (status, mut got) = gateway.ask("/v1/responses", &body).await;
        // The id finds its way back; everything else is as it came.
        assert!(got["id"].as_str().unwrap().starts_with("resp_tg1"), "{got}");
        got["id"] = answer["id"].clone();
        assert_eq!((status, got), (200, answer.clone()));
        let seen = provider.seen().pop().unwrap();
        assert_eq!(seen.path, path);
        body["model"] = model.into();
        assert_eq!(seen.body, body);
        let usage = gateway.calls.recv().await.unwrap().usage.unwrap();
        assert_eq!((usage.prompt_tokens, usage.total_tokens), (9, 11));
        assert_eq!(usage.rest["prompt_tokens_details"]["cached_tokens"], 4);
    }
}

#[tokio::test]
async fn openais_events_pass_as_they_came_and_a_failed_response_has_failed() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let body = json!({"model": "gpt", "input": "hi", "stream": true});
    let wire = |events: &[Value]| {
        let mut wire = Vec::new();
        for it in events {
            llm::sse::encode(it["type"].as_str(), &it.to_string(), &mut wire);
        }
        String::from_utf8(wire).unwrap()
    };
    // Responses of servers that do not say what they are keep their ids.
    let created = json!({"type": "response.created", "response": {"id": "resp_1"}, "sequence_number": 0});
    let delta = json!({"type": "response.output_text.delta", "delta": "hé", "sequence_number": 1});
    let usage = json!({"input_tokens": 3, "output_tokens": 4, "total_tokens": 7});
    let completed = json!({"type": "response.completed", "response": {"id": "resp_1", "usage": usage}});
    let whole = wire(&[created.clone(), delta.clone(), completed]);
    provider.will(Reply::sse(&whole));
    assert_eq!(gateway.post("/v1/responses", &body).await.text().await.unwrap(), whole);
    let call = gateway.calls.recv().await.unwrap();
    let response: Value = serde_json::from_slice(&call.response.unwrap()).unwrap();
    assert_eq!(response["choices"][0]["message"]["content"], "hé");
    assert_eq!(call.usage.unwrap().total_tokens, 7);

    let error = json!({"code": "server_error", "message": "the model overflowed"});
    let failed = json!({"type": "response.failed", "response": {"id": "resp_1", "error": error}});
    let whole = wire(&[created.clone(), failed]);
    provider.will(Reply::sse(&whole));
    assert_eq!(gateway.post("/v1/responses", &body).await.text().await.unwrap(), whole);
    let outcome = format!("{:?}", gateway.calls.recv().await.unwrap().outcome);
    assert!(outcome.contains("the model overflowed"), "{outcome}");

    // Cut before its end, it ends in an error.
    provider.will(Reply::sse(&wire(&[created, delta])));
    let text = gateway.post("/v1/responses", &body).await.text().await.unwrap();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: error\ndata: {\"type\":\"error\""), "{last}");
    assert!(last.contains("cut its stream short"), "{last}");
}

#[tokio::test]
async fn others_answer_in_responses_and_get_their_own_thoughts_back() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let thought = json!({"type": "thinking", "thinking": "Hm", "signature": "sig"});
    let answer = |content: Value| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test", "content": content,
               "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 5}})
        .to_string()
    };
    let tool_use = json!({"type": "tool_use", "id": "toolu_1", "name": "tide", "input": {"port": "Brest"}});
    provider.will(Reply::json(200, &answer(json!([thought, tool_use]))));
    let mut body = json!({
        "model": "claude", "instructions": "Be brief.", "input": [{"role": "user", "content": "tide?"}],
        "include": ["reasoning.encrypted_content"], "store": false, "max_output_tokens": 50,
        "tools": [{"type": "function", "name": "tide", "parameters": {"type": "object", "properties": {}}}],
    });
    let (status, first) = gateway.ask("/v1/responses", &body).await;
    assert_eq!((status, &first["status"]), (200, &json!("completed")));
    assert_eq!(first["output"][1]["arguments"], "{\"port\":\"Brest\"}");
    assert_eq!((&first["instructions"], &first["max_output_tokens"]), (&json!("Be brief."), &json!(50)));

    // The caller sends all of it back, with what the tool gave.
    let input = body["input"].as_array_mut().unwrap();
    input.extend(first["output"].as_array().unwrap().clone());
    input.push(json!({"type": "function_call_output", "call_id": "toolu_1", "output": "high"}));
    provider.will(Reply::json(200, &answer(json!([{"type": "text", "text": "High."}]))));
    let (_, second) = gateway.ask("/v1/responses", &body).await;
    assert_eq!(second["output"][0]["content"][0]["text"], "High.");
    let seen = provider.seen().pop().unwrap().body;
    assert_eq!((&seen["system"], &seen["max_tokens"]), (&json!("Be brief."), &json!(50)));
    assert_eq!(
        seen["messages"],
        json!([
            {"role": "user", "content": "tide?"},
            {"role": "assistant", "content": [thought, tool_use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "high"}]}])
    );
}

#[tokio::test]
async fn what_cannot_be_had_is_refused_by_name() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let check = async |body: Value, status: u16, param: Value, words: &str| {
        let (got, answer) = gateway.ask("/v1/responses", &body).await;
        assert_eq!((got, &answer["error"]["param"]), (status, &param), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    };
    check(json!({"model": "claude"}), 400, json!("input"), "`input` is missing").await;
    check(json!({"model": "nobody", "input": "x"}), 404, Value::Null, "`nobody`").await;
    check(
        json!({"model": "claude", "input": "x", "previous_response_id": "resp_1"}),
        400,
        json!("previous_response_id"),
        "send the whole conversation as `input`",
    )
    .await;
    check(json!({"model": "llama", "input": "x", "store": true}), 400, json!("store"), "is not kept").await;
    assert!(provider.seen().is_empty());
}
