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

const MORE: &str = "
endpoints:
  - name: mistral
    endpoint_type: llm/v1/chat
    model: {provider: mistral, name: mistral-large, config: {mistral_api_key: $KEY, api_base: BASE}}
  - name: dbx
    endpoint_type: llm/v1/chat
    model: {provider: databricks, name: claude, config: {host: ROOT, client_id: id, client_secret: $KEY}}
  - name: dbx-catalog
    endpoint_type: llm/v1/chat
    model: {provider: databricks, name: system.ai.claude, config: {host: ROOT, token: $KEY}}
  - name: served
    endpoint_type: llm/v1/chat
    model: {provider: mlflow-model-serving, name: m, config: {model_server_url: ROOT}}
  - name: served-vectors
    endpoint_type: llm/v1/embeddings
    model: {provider: mlflow-model-serving, name: m, config: {model_server_url: ROOT}}
  - name: agent
    endpoint_type: llm/v1/chat
    model: {provider: mlflow-model-serving, name: m, config: {model_server_url: ROOT, mlflow_input_format: messages}}
  - name: tgi
    endpoint_type: llm/v1/completions
    model: {provider: huggingface-text-generation-inference, name: tgi, config: {hf_server_url: ROOT}}
  - name: tgi-chat
    endpoint_type: llm/v1/chat
    model: {provider: huggingface-text-generation-inference, name: tgi, config: {hf_server_url: ROOT}}
  - name: portkey
    endpoint_type: llm/v1/chat
    model:
      provider: portkey
      name: '@openai/gpt-4o'
      config: {portkey_api_key: $KEY, portkey_provider: openai, provider_api_key: up, api_base: BASE}
";

#[tokio::test]
async fn mistrals_thoughts_come_out_of_their_lists() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(MORE, &provider).await;
    provider.will(Reply::json(200, r#"{"id":"i","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":
        {"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"hi"}]}}],
        "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"own":1}}"#));
    let mut body = hello(Some("mistral"));
    body["seed"] = 3.into();
    let (_, answer) = gateway.ask("/v1/chat/completions", &body).await;
    let message = &answer["choices"][0]["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("hi"), &json!("hm")));
    assert_eq!(answer["usage"]["own"], 1);
    assert_eq!(
        provider.seen()[0].body,
        json!({"model": "mistral-large", "messages": [{"role": "user", "content": "hi"}], "random_seed": 3})
    );
    provider.will(Reply::sse(concat!(
        r#"data: {"id":"i","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]},"finish_reason":null}]}"#, "\n\n",
        r#"data: {"id":"i","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#, "\n\n",
        "data: [DONE]\n\n"
    )));
    let mut body = hello(Some("mistral"));
    body["stream"] = true.into();
    let events = gateway.stream("/v1/chat/completions", &body).await;
    let chunks: Vec<Value> = events[..2].iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["reasoning_content"], "hm");
    assert_eq!(chunks[1]["choices"][0]["delta"]["content"], "hi");
    assert_eq!(events[2], "[DONE]");
}

#[tokio::test]
async fn a_service_principal_is_granted_one_token() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(MORE, &provider).await;
    let answer =
        r#"{"id":"i","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hi"}}]}"#;
    provider.will(Reply::json(200, r#"{"access_token":"granted","expires_in":3600,"token_type":"Bearer"}"#));
    provider.will(Reply::json(200, answer)).will(Reply::json(200, answer));
    for _ in 0..2 {
        let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some("dbx"))).await;
        assert_eq!(status, 200, "{answer}");
    }
    let seen = provider.seen();
    assert_eq!(
        seen.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(),
        ["/oidc/v1/token", "/serving-endpoints/chat/completions", "/serving-endpoints/chat/completions"]
    );
    assert_eq!(seen[0].headers["authorization"], "Basic aWQ6c2stc2VjcmV0");
    assert_eq!(seen[2].headers["authorization"], "Bearer granted");

    provider.will(Reply::json(200, answer));
    gateway.ask("/v1/chat/completions", &hello(Some("dbx-catalog"))).await;
    assert_eq!(provider.seen()[3].path, "/ai-gateway/mlflow/v1/chat/completions");
    assert_eq!(provider.seen()[3].headers["authorization"], "Bearer sk-secret");
}

#[tokio::test]
async fn model_servers_are_asked_as_mlflow_asks_them() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(MORE, &provider).await;
    provider.will(Reply::json(200, r#"{"predictions":{"choices":["hello"]}}"#));
    let mut body = hello(Some("served"));
    body["temperature"] = 0.2.into();
    let (_, answer) = gateway.ask("/v1/chat/completions", &body).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "hello");
    assert_eq!(provider.seen()[0].path, "/invocations");
    assert_eq!(provider.seen()[0].body, json!({"inputs": ["hi"], "params": {"temperature": 0.2}}));

    provider.will(Reply::json(200, r#"{"predictions":[[0.5],[0.25]]}"#));
    let (_, answer) = gateway.ask("/v1/embeddings", &json!({"model": "served-vectors", "input": ["a", "b"]})).await;
    assert_eq!(answer["data"][1]["embedding"], json!([0.25]));

    provider.will(Reply::json(200, r#"{"predictions":[]}"#));
    let (status, _) = gateway.ask("/v1/chat/completions", &hello(Some("served"))).await;
    assert_eq!(status, 502);
    body["messages"] = json!([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]);
    let (status, answer) = gateway.ask("/v1/chat/completions", &body).await;
    assert_eq!((status, &answer["error"]["param"]), (400, &json!("messages")));

    provider
        .will(Reply::json(200, r#"{"id":"i","choices":[{"index":0,"message":{"role":"assistant","content":"yes"}}]}"#));
    body["model"] = "agent".into();
    let (_, answer) = gateway.ask("/v1/chat/completions", &body).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "yes");
    assert_eq!(provider.seen()[3].body["messages"][0]["content"], "s");
}

#[tokio::test]
async fn text_generation_inference_completes_and_chats() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(MORE, &provider).await;
    provider.will(Reply::json(
        200,
        r#"{"generated_text":" world","details":{"finish_reason":"eos_token","generated_tokens":1,"prefill":[{},{}]}}"#,
    ));
    let (_, answer) =
        gateway.ask("/v1/completions", &json!({"model": "tgi", "prompt": "hello", "temperature": 0.7})).await;
    assert_eq!(answer["choices"][0]["text"], " world");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["usage"]["total_tokens"], 3);
    assert_eq!(provider.seen()[0].path, "/generate");
    assert_eq!(provider.seen()[0].body["parameters"]["temperature"], 0.7);

    provider.will(Reply::sse(concat!(
        r#"data:{"index":1,"token":{"id":1,"text":" wor","special":false},"generated_text":null,"details":null}"#, "\n\n",
        r#"data:{"index":2,"token":{"id":2,"text":"ld","special":false},"generated_text":null,"details":null}"#, "\n\n",
        r#"data:{"index":3,"token":{"id":3,"text":"</s>","special":true},"generated_text":" world","details":{"finish_reason":"length","generated_tokens":3,"input_length":2}}"#, "\n\n"
    )));
    let body = json!({"model": "tgi", "prompt": "hello", "stream": true, "stream_options": {"include_usage": true}});
    let events = gateway.stream("/v1/completions", &body).await;
    let chunks: Vec<Value> = events[..events.len() - 1].iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    let text: String = chunks.iter().filter_map(|it| it["choices"][0]["text"].as_str()).collect();
    assert_eq!(text, " world");
    assert_eq!(chunks.last().unwrap()["usage"]["total_tokens"], 5);

    provider.will(Reply::json(
        200,
        r#"{"id":"i","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hi"}}]}"#,
    ));
    gateway.ask("/v1/chat/completions", &hello(Some("tgi-chat"))).await;
    assert_eq!(provider.seen()[2].path, "/v1/chat/completions");
}

#[tokio::test]
async fn portkey_is_told_where_to_go() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(MORE, &provider).await;
    provider.will(Reply::json(200, r#"{"id":"i","choices":[]}"#));
    gateway.ask("/v1/chat/completions", &hello(Some("portkey"))).await;
    let seen = &provider.seen()[0];
    assert_eq!(seen.headers["x-portkey-api-key"], "sk-secret");
    assert_eq!(seen.headers["x-portkey-provider"], "openai");
    assert_eq!(seen.headers["authorization"], "Bearer up");
    assert_eq!(seen.body["model"], "@openai/gpt-4o");
}
