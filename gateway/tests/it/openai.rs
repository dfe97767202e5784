//! OpenAI's protocol through to a provider that speaks it.

use gateway::{Kind, Outcome};
use serde_json::{Value, json};

use crate::support::{CHAT, Provider, Reply, TestGateway, hello};

#[tokio::test]
async fn unknown_fields_survive_both_ways() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(CHAT, &provider).await;
    let answer = json!({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-test-2026", "vendor": {"x": [1.5]},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello", "novel": 1},
                     "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    });
    provider.will(Reply::json(200, &answer.to_string()));
    let mut request = hello(Some("chat"));
    request["novel_field"] = json!({"deep": [1, 2.50]});
    let response = gateway.post("/v1/chat/completions", &request).await;
    assert_eq!(response.status(), 200);
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.json::<Value>().await.unwrap(), answer);

    let seen = &provider.seen()[0];
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!(seen.headers["authorization"], "Bearer sk-secret");
    request["model"] = "gpt-test".into();
    assert_eq!(seen.body, request);

    let call = gateway.calls.recv().await.unwrap();
    assert_eq!((call.id, call.endpoint.as_str(), call.route), (id, "chat", None));
    assert_eq!((call.kind, call.provider.as_str(), call.model.as_str()), (Kind::Chat, "openai", "gpt-test"));
    assert_eq!((call.outcome, call.streamed, call.first_token), (Outcome::Ok, false, None));
    assert_eq!(serde_json::from_slice::<Value>(&call.response.unwrap()).unwrap(), answer);
    assert_eq!(serde_json::from_slice::<Value>(&call.request).unwrap()["model"], "chat");
    assert_eq!(call.usage.unwrap().total_tokens, 5);
}

const STREAM: &str = concat!(
    ": hello\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"g\",\"x\":1,\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"g\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße\"},\"finish_reason\":null}],\"usage\":null}\r\n\r\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"g\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"g\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
    "data: [DONE]\n\n",
);

#[tokio::test]
async fn a_stream_passes_chunk_by_chunk() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(CHAT, &provider).await;
    provider.will(Reply::sse(STREAM)).will(Reply::sse(STREAM));
    let mut request = hello(Some("chat"));
    request["stream"] = true.into();

    // The counts were not asked for, so their chunk is for the record alone.
    let events = gateway.stream("/v1/chat/completions", &request).await;
    let chunks: Vec<&str> = STREAM
        .lines()
        .filter_map(|it| it.strip_prefix("data: "))
        .filter(|it| !it.contains("\"choices\":[],"))
        .collect();
    assert_eq!(events, chunks);
    assert_eq!(provider.seen()[0].body["stream_options"], json!({"include_usage": true}));
    let call = gateway.calls.recv().await.unwrap();
    assert_eq!((call.outcome, call.streamed), (Outcome::Ok, true));
    assert!(call.first_token.is_some_and(|it| it <= call.duration));
    assert_eq!(
        serde_json::from_slice::<Value>(&call.response.unwrap()).unwrap(),
        json!({"id": "c1", "object": "chat.completion", "created": 7, "model": "g",
               "choices": [{"index": 0, "message": {"role": "assistant", "content": "Grüße"}, "finish_reason": "stop"}],
               "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})
    );

    request["stream_options"] = json!({"include_usage": true});
    let events = gateway.stream("/v1/chat/completions", &request).await;
    assert_eq!(events.len(), 5);
    assert!(events[3].contains("\"total_tokens\":5"), "{}", events[3]);
    assert_eq!(events[4], "[DONE]");
}

#[tokio::test]
async fn completions_embeddings_and_the_list_of_models() {
    let provider = Provider::start().await;
    let yaml = "
endpoints:
  - name: text
    endpoint_type: llm/v1/completions
    model: {provider: vllm, name: t, config: {api_base: BASE, headers: {X-Team: blue}}}
  - name: vectors
    endpoint_type: llm/v1/embeddings
    model: {provider: mistral, name: e, config: {mistral_api_key: $KEY, api_base: BASE}}
routes:
  - name: split
    task_type: llm/v1/completions
    destinations: [{name: text, traffic_percentage: 100}]
";
    let mut gateway = TestGateway::start(yaml, &provider).await;
    let completion = json!({"id": "t1", "object": "text_completion", "created": 1, "model": "t",
        "choices": [{"index": 0, "text": "world", "finish_reason": "length"}]});
    provider.will(Reply::json(200, &completion.to_string()));
    let (status, body) = gateway.ask("/v1/completions", &json!({"model": "split", "prompt": "hello"})).await;
    assert_eq!((status, body), (200, completion));
    let call = gateway.calls.recv().await.unwrap();
    assert_eq!((call.endpoint.as_str(), call.route.as_deref()), ("text", Some("split")));

    let vectors = json!({"object": "list", "model": "e", "usage": {"prompt_tokens": 2, "total_tokens": 2},
        "data": [{"object": "embedding", "index": 0, "embedding": "AACAPwAAAEA="}]});
    provider.will(Reply::json(200, &vectors.to_string()));
    let request = json!({"model": "vectors", "input": ["a"], "encoding_format": "base64"});
    let (status, body) = gateway.ask("/v1/embeddings", &request).await;
    assert_eq!((status, body), (200, vectors));

    let seen = provider.seen();
    assert_eq!((seen[0].path.as_str(), seen[1].path.as_str()), ("/v1/completions", "/v1/embeddings"));
    assert_eq!(seen[0].headers["x-team"], "blue");
    assert!(!seen[0].headers.contains_key("authorization"));
    assert_eq!(seen[1].body, json!({"model": "e", "input": ["a"], "encoding_format": "base64"}));

    let (_, models) = gateway.get("/v1/models").await;
    let ids: Vec<&str> = models["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["text", "vectors", "split"]);
    let (_, model) = gateway.get("/v1/models/vectors").await;
    assert_eq!((&model["object"], &model["owned_by"]), (&json!("model"), &json!("mistral")));
    let (status, error) = gateway.get("/v1/models/nope").await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("model_not_found")));
}

#[tokio::test]
async fn a_route_splits_its_calls_by_weight() {
    let provider = Provider::start().await;
    let yaml = "
endpoints:
  - {name: a, endpoint_type: llm/v1/chat, model: {provider: vllm, name: A, config: {api_base: BASE}}}
  - {name: b, endpoint_type: llm/v1/chat, model: {provider: vllm, name: B, config: {api_base: BASE}}}
  - {name: c, endpoint_type: llm/v1/chat, model: {provider: vllm, name: C, config: {api_base: BASE}}}
routes:
  - name: split
    task_type: llm/v1/chat
    routing_strategy: TRAFFIC_SPLIT
    destinations:
      - {name: a, traffic_percentage: 50}
      - {name: b, traffic_percentage: 50}
      - {name: c, traffic_percentage: 0}
";
    let gateway = TestGateway::start(yaml, &provider).await;
    for _ in 0..60 {
        provider.will(Reply::json(200, r#"{"choices":[]}"#));
        assert_eq!(gateway.ask("/v1/chat/completions", &hello(Some("split"))).await.0, 200);
    }
    let seen = provider.seen();
    let count = |model: &str| seen.iter().filter(|it| it.body["model"] == model).count();
    // Sixty throws of a coin leave a side empty once in 10^18 runs.
    assert!(count("A") > 0 && count("B") > 0);
    assert_eq!((count("C"), count("A") + count("B")), (0, 60));
}

#[tokio::test]
async fn azure_has_addresses_and_a_header_of_its_own() {
    let provider = Provider::start().await;
    let yaml = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model:
      provider: azure
      name: gpt-test
      config: {openai_api_key: $KEY, openai_api_base: BASE, openai_api_version: 2030-01, openai_deployment_name: my dep}
";
    let gateway = TestGateway::start(yaml, &provider).await;
    provider.will(Reply::json(200, r#"{"choices":[]}"#));
    assert_eq!(gateway.ask("/v1/chat/completions", &hello(Some("chat"))).await.0, 200);
    let seen = &provider.seen()[0];
    assert_eq!(seen.path, "/v1/openai/deployments/my%20dep/chat/completions?api-version=2030-01");
    assert_eq!(seen.headers["api-key"], "sk-secret");
    assert!(!seen.headers.contains_key("authorization"));
}
