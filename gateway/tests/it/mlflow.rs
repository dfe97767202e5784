//! MLflow's addresses and shapes.

use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello};

const YAML: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-test, config: {openai_api_key: $KEY, openai_api_base: BASE}}
    limit: {calls: 100, renewal_period: minute}
  - name: text
    endpoint_type: llm/v1/completions
    model: {provider: openai, name: t, config: {openai_api_key: $KEY, openai_api_base: BASE}}
routes:
  - name: split
    task_type: llm/v1/chat
    destinations: [{name: chat, traffic_percentage: 100}]
";

#[tokio::test]
async fn listings_are_mlflows() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let chat = json!({"name": "chat", "endpoint_type": "llm/v1/chat",
        "model": {"name": "gpt-test", "provider": "openai"}, "endpoint_url": "/gateway/chat/invocations",
        "limit": {"calls": 100, "key": null, "renewal_period": "minute"}});
    let text = json!({"name": "text", "endpoint_type": "llm/v1/completions",
        "model": {"name": "t", "provider": "openai"}, "endpoint_url": "/gateway/text/invocations", "limit": null});
    for path in ["/api/2.0/endpoints/", "/api/2.0/endpoints"] {
        let expected = json!({"endpoints": [chat, text], "next_page_token": null});
        assert_eq!(gateway.get(path).await, (200, expected), "{path}");
    }
    assert_eq!(gateway.get("/api/2.0/endpoints/chat").await, (200, chat.clone()));
    assert_eq!(gateway.get("/api/3.0/gateway/endpoint/chat").await, (200, chat));
    let missing = "The endpoint 'split' is not present or active on the server. Please verify the endpoint name.";
    assert_eq!(gateway.get("/api/2.0/endpoints/split").await, (404, json!({"detail": missing})));
    assert_eq!(
        gateway.get("/api/3.0/gateway/route/split").await,
        (
            200,
            json!({"name": "split", "task_type": "llm/v1/chat", "routing_strategy": "TRAFFIC_SPLIT",
                     "destinations": [{"name": "chat", "traffic_percentage": 100}]})
        )
    );
    let (_, routes) = gateway.get("/api/2.0/gateway/routes/").await;
    assert_eq!(routes["routes"][1]["route_type"], "llm/v1/completions");
    assert_eq!(routes["routes"][1]["route_url"], "/gateway/text/invocations");
}

#[tokio::test]
async fn invocations_take_what_the_endpoints_type_says() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let answer = json!({"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]});
    let mut with_provider = answer.clone();
    with_provider["provider"] = "openai".into();
    for path in ["/endpoints/chat/invocations", "/gateway/chat/invocations", "/endpoints/split/invocations"] {
        provider.will(Reply::json(200, &answer.to_string()));
        assert_eq!(gateway.ask(path, &hello(None)).await, (200, with_provider.clone()), "{path}");
    }
    assert_eq!(provider.seen()[0].body, hello(Some("gpt-test")));

    provider.will(Reply::sse(
        "data: {\"object\":\"text_completion\",\"choices\":[{\"index\":0,\"text\":\"x\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
    ));
    let events = gateway.stream("/endpoints/text/invocations", &json!({"prompt": "p", "stream": true})).await;
    assert_eq!(
        serde_json::from_str::<Value>(&events[0]).unwrap(),
        json!({"object": "text_completion_chunk", "provider": "openai",
               "choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]})
    );
    assert_eq!(events[1..], ["[DONE]"]);
}

#[tokio::test]
async fn errors_are_in_mlflows_shapes() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let (status, body) = gateway.ask("/endpoints/nope/invocations", &hello(None)).await;
    let words = "The endpoint 'nope' is not present or active on the server. Please verify the endpoint name.";
    assert_eq!((status, body), (404, json!({"detail": words})));

    let (status, body) = gateway.ask("/endpoints/chat/invocations", &hello(Some("gpt"))).await;
    assert_eq!(status, 422);
    assert!(body["detail"].as_str().unwrap().starts_with("The parameter 'model' is not permitted"), "{body}");

    let mut request = hello(None);
    request["temperature"] = "hot".into();
    let (status, body) = gateway.ask("/endpoints/chat/invocations", &request).await;
    assert_eq!((status, &body["detail"][0]["loc"]), (422, &json!(["body", "temperature"])));

    provider.will(Reply::json(400, r#"{"error":{"message":"too long","type":"invalid_request_error"}}"#));
    let (status, body) = gateway.ask("/endpoints/chat/invocations", &hello(None)).await;
    assert_eq!((status, body), (400, json!({"detail": "provider `openai` answered HTTP 400: too long"})));
}
