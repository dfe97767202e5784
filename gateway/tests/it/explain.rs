//! `?explain=true`: what would be sent is what is sent, and nothing is.

use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello};

const YAML: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model:
      provider: openai
      name: gpt-5
      config: {openai_api_key: $KEY, openai_api_base: BASE, headers: {x-team: red}}
    limit: {calls: 1, renewal_period: hour}
  - name: claude
    endpoint_type: llm/v1/chat
    model:
      provider: anthropic
      name: claude-sonnet-4-5
      config: {anthropic_api_key: $KEY, api_base: BASE}
  - name: strict
    endpoint_type: llm/v1/chat
    model:
      provider: anthropic
      name: claude-sonnet-4-5
      config: {anthropic_api_key: $KEY, api_base: BASE}
    unsupported_fields: error
routes:
  - name: both
    task_type: llm/v1/chat
    destinations: [{name: claude, traffic_percentage: 20}, {name: chat, traffic_percentage: 80}]
    fallbacks: [{name: strict, on: [rate_limit]}]
";

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-5","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}}"#;

#[tokio::test]
async fn what_is_told_is_what_is_sent() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let mut body = hello(Some("chat"));
    body["max_tokens"] = json!(1000);
    // The endpoint takes one call an hour, and explanations are none.
    for path in ["/v1/chat/completions?explain=true", "/v1/chat/completions?explain"] {
        let (status, told) = gateway.ask(path, &body).await;
        assert_eq!((status, &told["object"]), (200, &json!("tidegate.explanation")));
    }
    let (_, told) = gateway.ask("/v1/chat/completions?explain=true", &body).await;
    assert!(provider.seen().is_empty());
    provider.will(Reply::json(200, ANSWER));
    assert_eq!(gateway.ask("/v1/chat/completions", &body).await.0, 200);
    assert_eq!(gateway.calls.recv().await.unwrap().attempts.len(), 1);
    assert!(gateway.calls.try_recv().is_none());

    let candidate = &told["candidates"][0];
    assert_eq!(candidate["reason"], "`chat` is this endpoint's name");
    assert_eq!(candidate["translated"], false);
    assert_eq!(candidate["losses"], json!([]));
    let (request, seen) = (&candidate["request"], &provider.seen()[0]);
    assert_eq!(request["url"], format!("{}/chat/completions", provider.base));
    assert!(request["url"].as_str().unwrap().ends_with(&seen.path));
    assert_eq!(request["body"], seen.body);
    assert_eq!(request["headers"]["authorization"], "[secret]");
    for name in ["content-type", "accept"] {
        assert_eq!(request["headers"][name], seen.headers[name].to_str().unwrap());
    }
    // What the operator adds may be a key as well.
    assert_eq!(request["headers"]["x-team"], "[secret]");
    assert!(!told.to_string().contains("sk-secret"), "{told}");
    // 1000 tokens of output at $10 a million, and some of input.
    assert_eq!(candidate["estimate"]["output_tokens_max"], 1000);
    let cost: f64 = candidate["estimate"]["cost_usd_about"].as_str().unwrap().parse().unwrap();
    assert!((0.01..0.0101).contains(&cost), "{cost}");
}

#[tokio::test]
async fn a_route_tells_of_all_whom_it_may_ask_and_what_each_would_lose() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let mut body = hello(Some("both"));
    body["seed"] = json!(7);
    let (_, told) = gateway.ask("/v1/chat/completions?explain=true", &body).await;
    let of = |index: usize, key: &str| -> &Value { &told["candidates"][index][key] };
    assert_eq!((of(0, "endpoint"), of(1, "endpoint")), (&json!("chat"), &json!("claude")));
    assert_eq!(of(0, "breaker"), "closed");
    assert_eq!(of(2, "endpoint"), "strict");
    assert_eq!(of(2, "reason"), "fallback of `both` on rate_limit: `strict` is this endpoint's name");
    assert_eq!(of(1, "reason"), "takes 20 % of the calls of route `both`");
    assert_eq!((of(0, "translated"), of(1, "translated")), (&json!(false), &json!(true)));
    assert_eq!(of(1, "losses")[0]["field"], "seed");
    assert_eq!(of(1, "request")["body"]["messages"], json!([{"role": "user", "content": "hi"}]));
    assert_eq!(of(1, "request")["headers"]["x-api-key"], "[secret]");

    body["model"] = json!("strict");
    let (status, told) = gateway.ask("/v1/chat/completions?explain=true", &body).await;
    let error = &told["candidates"][0]["error"];
    assert_eq!((status, &error["status"], &error["param"]), (200, &json!(400), &json!("seed")));

    // In another format, and streamed: an explanation comes whole.
    let message = json!({"model": "chat", "max_tokens": 5, "stream": true,
        "messages": [{"role": "user", "content": "hi"}]});
    let (_, told) = gateway.ask("/v1/messages?explain=true", &message).await;
    assert_eq!((&told["format"], &told["stream"]), (&json!("anthropic-messages"), &json!(true)));
    assert_eq!(told["candidates"][0]["request"]["body"]["stream_options"], json!({"include_usage": true}));
    assert_eq!(told["candidates"][0]["request"]["headers"]["accept"], "text/event-stream");
    assert!(provider.seen().is_empty());

    let (status, refused) = gateway.ask("/v1/chat/completions?explain=true", &hello(Some("nobody"))).await;
    assert_eq!((status, &refused["error"]["code"]), (404, &json!("model_not_found")));
}
