//! Google's protocol behind chats, completions and embeddings.

use gateway::Outcome;
use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello};

const YAML: &str = "
endpoints:
  - name: gemini
    endpoint_type: llm/v1/chat
    model: {provider: gemini, name: gemini-3-flash, config: {gemini_api_key: $KEY, gemini_api_base: BASE}}
  - name: strict
    endpoint_type: llm/v1/chat
    unsupported_fields: error
    model: {provider: gemini, name: gemini-3-flash, config: {gemini_api_key: $KEY, gemini_api_base: BASE}}
  - name: text
    endpoint_type: llm/v1/completions
    model: {provider: gemini, name: tunedModels/mine, config: {api_key: $KEY, api_base: BASE}}
  - name: vectors
    endpoint_type: llm/v1/embeddings
    model: {provider: gemini, name: models/gemini-embedding-001, config: {api_key: $KEY, api_base: BASE}}
";

fn answer(parts: &Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    json!({
        "candidates": [candidate], "modelVersion": "gemini-3-flash", "responseId": "r1",
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 3,
                          "totalTokenCount": 17, "cachedContentTokenCount": 6},
    })
}

fn events(list: &[Value]) -> String {
    let events: Vec<String> = list.iter().map(|it| format!("data: {it}\r\n\r\n")).collect();
    events.concat()
}

#[tokio::test]
async fn a_chat_is_asked_and_answered_in_googles_words() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let parts = json!([
        {"text": "Hm.", "thought": true},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"text": "Looking."},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f", "args": {"a": 1}}},
    ]);
    let mut body = answer(&parts, Some("STOP"));
    body["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["q"]});
    provider.will(Reply::json(200, &body.to_string()));
    let (status, reply) = gateway.ask("/v1/chat/completions", &hello(Some("gemini"))).await;
    assert_eq!(status, 200, "{reply}");
    let seen = &provider.seen()[0];
    assert_eq!(seen.path, "/v1/models/gemini-3-flash:generateContent");
    assert_eq!(seen.headers["x-goog-api-key"], "sk-secret");
    assert_eq!(seen.body, json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}));

    let choice = &reply["choices"][0];
    let message = &choice["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("Looking."), &json!("Hm.")));
    assert_eq!(message["gemini_parts"], json!([{"executableCode": {"language": "PYTHON", "code": "1"}}]));
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["groundingMetadata"], json!({"webSearchQueries": ["q"]}));
    let calls = message["tool_calls"].as_array().unwrap();
    assert_eq!(calls[0]["thought_signature"], "c2ln");
    assert_eq!(calls[0]["function"], json!({"name": "f", "arguments": "{\"a\":1}"}));
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(reply["usage"]["prompt_tokens_details"], json!({"cached_tokens": 6}));
    assert_eq!(reply["usage"]["completion_tokens"], 7);

    // The answer as history reaches Google as Google wrote it.
    provider.will(Reply::json(200, &answer(&json!([{"text": "x"}]), Some("STOP")).to_string()));
    let results = calls.iter().map(|it| json!({"role": "tool", "tool_call_id": it["id"], "content": "ok"}));
    let mut messages = vec![json!({"role": "user", "content": "hi"}), message.clone()];
    messages.extend(results);
    gateway.ask("/v1/chat/completions", &json!({"model": "gemini", "messages": messages})).await;
    let contents = provider.seen()[1].body["contents"].clone();
    assert_eq!(contents[1]["parts"][3]["thoughtSignature"], "c2ln");
    assert_eq!(contents[1]["parts"][1], parts[1]);
    assert_eq!(contents[2]["parts"].as_array().unwrap().len(), 2);
    assert_eq!(contents[2]["parts"][1]["functionResponse"]["response"], json!({"output": "ok"}));
}

#[tokio::test]
async fn a_stream_comes_as_chunks_and_ends_with_its_counts() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let list = [
        answer(&json!([{"text": "Hm", "thought": true}]), None),
        answer(&json!([{"text": "He"}, {"text": "llo"}]), None),
        answer(&json!([{"functionCall": {"id": "c1", "name": "f", "args": {}}}]), None),
        answer(&json!([{"text": "", "thoughtSignature": "c2ln"}]), Some("STOP")),
    ];
    provider.will(Reply::sse(&events(&list)));
    let mut body = hello(Some("gemini"));
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    let chunks = gateway.stream("/v1/chat/completions", &body).await;
    assert_eq!(provider.seen()[0].path, "/v1/models/gemini-3-flash:streamGenerateContent?alt=sse");
    assert_eq!(chunks.last().map(String::as_str), Some("[DONE]"));
    let chunks: Vec<Value> = chunks[..chunks.len() - 1].iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    let deltas: Vec<Value> = chunks.iter().filter_map(|it| it.pointer("/choices/0/delta").cloned()).collect();
    assert_eq!(
        deltas,
        [
            json!({"role": "assistant", "content": ""}),
            json!({"reasoning_content": "Hm"}),
            json!({"content": "He"}),
            json!({"content": "llo"}),
            json!({"tool_calls": [
                {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}),
            json!({"thought_signature": "c2ln"}),
            json!({}),
        ]
    );
    assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "tool_calls");
    let counts = chunks.last().unwrap();
    assert_eq!((&counts["choices"], &counts["usage"]["total_tokens"]), (&json!([]), &json!(17)));
    assert_eq!(gateway.calls.recv().await.unwrap().usage.unwrap().total_tokens, 17);

    // Without a reason for its end, a stream was cut short.
    provider.will(Reply::sse(&events(&list[..2])));
    let chunks = gateway.stream("/v1/chat/completions", &body).await;
    let last: Value = serde_json::from_str(chunks.last().unwrap()).unwrap();
    assert!(last["error"]["message"].as_str().unwrap().contains("cut its stream short"), "{last}");
    assert!(matches!(gateway.calls.recv().await.unwrap().outcome, Outcome::Failed { status: 503, .. }));
}

#[tokio::test]
async fn a_blocked_prompt_is_a_refusal_and_not_an_empty_answer() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}});
    provider.will(Reply::json(200, &blocked.to_string()));
    let (status, reply) = gateway.ask("/v1/chat/completions", &hello(Some("gemini"))).await;
    assert_eq!((status, &reply["choices"][0]["finish_reason"]), (200, &json!("content_filter")));
    assert_eq!(reply["choices"][0]["message"]["refusal"], "Google blocked the prompt (SAFETY).");
    assert_eq!(reply["promptFeedback"], json!({"blockReason": "SAFETY"}));

    provider.will(Reply::sse(&events(&[blocked])));
    let mut body = hello(Some("gemini"));
    body["stream"] = true.into();
    let chunks = gateway.stream("/v1/chat/completions", &body).await;
    assert_eq!(chunks.last().map(String::as_str), Some("[DONE]"));
    assert!(chunks.iter().any(|it| it.contains("\"finish_reason\":\"content_filter\"")), "{chunks:?}");
}

#[tokio::test]
async fn what_google_cannot_express_is_a_warning_or_an_error() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(200, &answer(&json!([{"text": "x"}]), Some("STOP")).to_string()));
    let mut body = hello(Some("gemini"));
    body["logit_bias"] = json!({"5": 1});
    let response = gateway.post("/v1/chat/completions", &body).await;
    let warning = response.headers()["x-tidegate-warnings"].to_str().unwrap().to_owned();
    assert_eq!(warning, "logit_bias is left out, because Gemini has no such field");
    body["model"] = "strict".into();
    let (status, error) = gateway.ask("/v1/chat/completions", &body).await;
    assert_eq!((status, &error["error"]["param"]), (400, &json!("logit_bias")));
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn googles_errors_keep_their_words_and_status() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let error = json!({"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]}});
    provider.will(Reply::json(429, &error.to_string()));
    let response = gateway.post("/v1/chat/completions", &hello(Some("gemini"))).await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"34".parse().unwrap()));
    assert!(response.text().await.unwrap().contains("Quota exceeded"));
}

#[tokio::test]
async fn completions_and_embeddings() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(200, &answer(&json!([{"text": "x"}]), Some("MAX_TOKENS")).to_string()));
    let (_, reply) = gateway.ask("/v1/completions", &json!({"model": "text", "prompt": "Say"})).await;
    assert_eq!(provider.seen()[0].path, "/v1/tunedModels/mine:generateContent");
    assert_eq!((&reply["choices"][0]["text"], &reply["choices"][0]["finish_reason"]), (&json!("x"), &json!("length")));

    provider.will(Reply::json(200, r#"{"embeddings":[{"values":[1,2]},{"values":[3,4]}]}"#));
    let (_, reply) = gateway.ask("/v1/embeddings", &json!({"model": "vectors", "input": ["a", "b"]})).await;
    let seen = &provider.seen()[1];
    assert_eq!(seen.path, "/v1/models/gemini-embedding-001:batchEmbedContents");
    assert_eq!(seen.body["requests"][1]["content"], json!({"parts": [{"text": "b"}]}));
    assert_eq!(reply["data"][1], json!({"object": "embedding", "index": 1, "embedding": [3, 4]}));
}
