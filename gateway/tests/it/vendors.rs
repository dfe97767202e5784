//! Vendors with protocols of their own: where calls go, what streams say, how they fail.

use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello};

const YAML: &str = "
endpoints:
  - name: ollama
    endpoint_type: llm/v1/chat
    model: {provider: ollama, name: qwen3, config: {api_base: ROOT}}
  - name: ollama-text
    endpoint_type: llm/v1/completions
    model: {provider: ollama, name: qwen3, config: {api_base: ROOT}}
  - name: ollama-vectors
    endpoint_type: llm/v1/embeddings
    model: {provider: ollama, name: nomic, config: {api_base: ROOT}}
  - name: imitation
    endpoint_type: llm/v1/chat
    model: {provider: ollama, name: qwen3, config: {ollama_api_base: BASE, ollama_api_key: $KEY}}
  - name: cohere
    endpoint_type: llm/v1/chat
    model: {provider: cohere, name: command-a, config: {cohere_api_key: $KEY, api_base: BASE}}
  - name: cohere-vectors
    endpoint_type: llm/v1/embeddings
    model: {provider: cohere, name: embed-v4, config: {cohere_api_key: $KEY, api_base: BASE}}
  - name: strict
    endpoint_type: llm/v1/chat
    unsupported_fields: error
    model: {provider: cohere, name: command-a, config: {cohere_api_key: $KEY, api_base: BASE}}
";

fn lines(body: &str) -> Reply {
    Reply::Raw { status: 200, content_type: "application/x-ndjson".to_owned(), body: body.to_owned().into() }
}

#[tokio::test]
async fn ollama_streams_thoughts_text_and_tools() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(lines(concat!(
        r#"{"model":"qwen3","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#, "\n",
        r#"{"model":"qwen3","message":{"role":"assistant","content":"é"},"done":false}"#, "\n",
        r#"{"model":"qwen3","message":{"role":"assistant","content":"","tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":1}}}]},"done":false}"#, "\n",
        r#"{"model":"qwen3","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":4}"#,
    )));
    let mut body = hello(Some("ollama"));
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    let events = gateway.stream("/v1/chat/completions", &body).await;
    let chunks: Vec<Value> = events[..events.len() - 1].iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    let deltas: Vec<&Value> = chunks.iter().map(|it| &it["choices"][0]["delta"]).collect();
    assert_eq!(deltas[1]["reasoning_content"], "hm");
    assert_eq!(deltas[2]["content"], "é");
    assert_eq!(
        deltas[3]["tool_calls"],
        json!([{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}])
    );
    assert_eq!(chunks[4]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(chunks[5]["usage"]["total_tokens"], 7);
    assert_eq!(events.last().unwrap(), "[DONE]");
    assert_eq!(provider.seen()[0].path, "/api/chat");
    assert_eq!(provider.seen()[0].body["stream"], true);
}

#[tokio::test]
async fn ollamas_errors_are_errors_wherever_they_come() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(404, r#"{"error":"model 'qwen3' not found"}"#));
    let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some("ollama"))).await;
    assert_eq!(status, 404);
    assert!(answer["error"]["message"].as_str().unwrap().contains("model 'qwen3' not found"), "{answer}");

    let first = r#"{"model":"qwen3","message":{"role":"assistant","content":"a"},"done":false}"#;
    let mut body = hello(Some("ollama"));
    body["stream"] = true.into();
    for (tail, words) in [("\n{\"error\":\"runner crashed\"}\n", "runner crashed"), ("\n", "cut its stream short")] {
        provider.will(lines(&format!("{first}{tail}")));
        let text = gateway.post("/v1/chat/completions", &body).await.text().await.unwrap();
        assert!(text.contains(words) && !text.contains("[DONE]"), "{text}");
    }
}

#[tokio::test]
async fn ollama_completes_and_embeds() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(200, r#"{"model":"qwen3","response":" world","done":true,"done_reason":"length","prompt_eval_count":1,"eval_count":1}"#));
    let body = json!({"model": "ollama-text", "prompt": "hello", "max_tokens": 1});
    let (_, answer) = gateway.ask("/v1/completions", &body).await;
    assert_eq!(answer["choices"][0]["text"], " world");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(provider.seen()[0].path, "/api/generate");
    assert_eq!(
        provider.seen()[0].body,
        json!({"model": "qwen3", "prompt": "hello", "stream": false, "options": {"num_predict": 1}})
    );

    provider.will(lines(
        "{\"response\":\"a\",\"done\":false}\n{\"response\":\"b\",\"done\":true,\"done_reason\":\"stop\"}\n",
    ));
    let body = json!({"model": "ollama-text", "prompt": "hello", "stream": true});
    let events = gateway.stream("/v1/completions", &body).await;
    let texts: String = events[..events.len() - 1]
        .iter()
        .map(|it| serde_json::from_str::<Value>(it).unwrap())
        .inspect(|it| assert_eq!(it["object"], "text_completion"))
        .map(|it| it["choices"][0]["text"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(texts, "ab");

    provider.will(Reply::json(200, r#"{"model":"nomic","embeddings":[[1.0],[2.0]],"prompt_eval_count":5}"#));
    let (_, answer) = gateway.ask("/v1/embeddings", &json!({"model": "ollama-vectors", "input": ["a", "b"]})).await;
    assert_eq!(answer["data"][1], json!({"object": "embedding", "index": 1, "embedding": [2.0]}));
    assert_eq!(answer["usage"], json!({"prompt_tokens": 5, "total_tokens": 5}));
}

#[tokio::test]
async fn an_address_that_ends_in_v1_is_ollamas_imitation_of_openai() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(200, r#"{"id":"x","choices":[]}"#));
    gateway.ask("/v1/chat/completions", &hello(Some("imitation"))).await;
    assert_eq!(provider.seen()[0].path, "/v1/chat/completions");
    assert_eq!(provider.seen()[0].headers["authorization"], "Bearer sk-secret");
}

#[tokio::test]
async fn cohere_chats_and_embeds() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(200, r#"{"id":"i","message":{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},
        {"type":"text","text":"hi"}],"citations":[{"start":0}]},"finish_reason":"COMPLETE",
        "usage":{"billed_units":{"input_tokens":1.0,"output_tokens":2},"tokens":{"input_tokens":10,"output_tokens":3}}}"#));
    let mut body = hello(Some("cohere"));
    body["logit_bias"] = json!({"1": 5});
    let response = gateway.post("/v1/chat/completions", &body).await;
    assert_eq!(response.headers()["x-tidegate-warnings"], "logit_bias is left out: Cohere has no such option");
    let answer: Value = response.json().await.unwrap();
    let message = &answer["choices"][0]["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("hi"), &json!("hm")));
    assert_eq!(message["citations"][0]["start"], 0);
    assert_eq!(answer["usage"]["prompt_tokens"], 10);
    assert_eq!(answer["usage"]["billed_units"]["input_tokens"], 1.0);
    assert_eq!(provider.seen()[0].path, "/v1/chat");
    assert_eq!(provider.seen()[0].headers["authorization"], "Bearer sk-secret");

    body["model"] = "strict".into();
    let (status, answer) = gateway.ask("/v1/chat/completions", &body).await;
    assert_eq!((status, &answer["error"]["param"]), (400, &json!("logit_bias")));

    provider.will(Reply::json(200, r#"{"embeddings":{"float":[[0.5]]},"meta":{"billed_units":{"input_tokens":2.0}}}"#));
    let body = json!({"model": "cohere-vectors", "input": "a", "input_type": "search_query"});
    let (_, answer) = gateway.ask("/v1/embeddings", &body).await;
    assert_eq!(answer["data"][0]["embedding"], json!([0.5]));
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
    assert_eq!(
        provider.seen()[1].body,
        json!({"model": "embed-v4", "texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]})
    );
}
