//! Limits turn calls away, and say when to come again.

use serde_json::Value;

use crate::support::{Provider, Reply, TestGateway, hello};

const YAML: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: vllm, name: m, config: {api_base: BASE}}
    limit: {calls: 2, renewal_period: hour}
routes:
  - name: split
    task_type: llm/v1/chat
    destinations: [{name: chat, traffic_percentage: 100}]
";

#[tokio::test]
async fn the_third_of_two_calls_is_turned_away_by_every_address() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    for path in ["/endpoints/chat/invocations", "/endpoints/split/invocations"] {
        provider.will(Reply::json(200, r#"{"choices":[]}"#));
        assert_eq!(gateway.ask(path, &hello(None)).await.0, 200);
    }
    let words = "Rate limit exceeded: 2 per hour for endpoint `chat`; try again in ";
    let response = gateway.post("/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!(response.status(), 429);
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1795..=1800).contains(&wait), "{wait}");
    let body: Value = response.json().await.unwrap();
    assert!(body["error"]["message"].as_str().unwrap().starts_with(words), "{body}");
    assert_eq!(
        (&body["error"]["type"], &body["error"]["code"]),
        (&"rate_limit_error".into(), &"rate_limit_exceeded".into())
    );

    let response = gateway.post("/endpoints/split/invocations", &hello(None)).await;
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("retry-after"));
    let body: Value = response.json().await.unwrap();
    assert!(body["error"].as_str().unwrap().starts_with(words), "{body}");
    assert_eq!(provider.seen().len(), 2);
}
