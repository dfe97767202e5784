//! Calls as spans, on their way to a collector behind a real socket.

use gateway::Parts;

use crate::support::{Provider, Reply, TestGateway, hello, load};

const YAML: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-test, config: {openai_api_key: $KEY, openai_api_base: BASE}}
otlp:
  endpoint: COLLECTOR
  headers: {x-collector-key: $KEY}
  service_name: my-gateway
";

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-test","choices":[{"index":0,"message":{"role":"assistant","content":"a secret answer"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}}"#;

async fn start(yaml: &str, provider: &Provider, collector: &Provider) -> TestGateway {
    let collector = collector.base.trim_end_matches("/v1");
    let yaml = yaml.replace("BASE", &provider.base).replace("COLLECTOR", collector);
    TestGateway::start_with(&yaml, Parts::default()).await
}

#[tokio::test]
async fn a_collector_gets_what_waited_and_is_asked_again_when_it_is_busy() {
    let (provider, collector) = (Provider::start().await, Provider::start().await);
    let gateway = start(YAML, &provider, &collector).await;
    for _ in 0..2 {
        provider.will(Reply::json(200, ANSWER));
        assert_eq!(gateway.ask("/v1/chat/completions", &hello(Some("chat"))).await.0, 200);
    }
    collector.will(Reply::json(503, "{}")).will(Reply::json(200, "{}"));
    gateway.gateway.flush().await;
    let seen = collector.seen();
    assert_eq!(seen.len(), 2, "one export of both calls, and its repetition");
    assert_eq!(seen[0].path, "/v1/traces");
    assert_eq!(seen[0].headers["content-type"], "application/x-protobuf");
    assert_eq!(seen[0].headers["x-collector-key"], "sk-secret");
    assert_eq!(seen[0].body, seen[1].body);
    let body = seen[1].body.as_str().unwrap();
    for (words, times) in [("my-gateway", 1), ("gateway/chat", 2), ("gen_ai.usage.input_tokens", 2), ("gpt-test", 4)] {
        assert_eq!(body.matches(words).count(), times, "{words}");
    }
    assert!(!body.contains("a secret answer") && !body.contains("sk-secret"));
}

#[tokio::test]
async fn another_configuration_exports_elsewhere_and_what_waited_goes_where_it_was_to_go() {
    let provider = Provider::start().await;
    let (first, second) = (Provider::start().await, Provider::start().await);
    let gateway = start(YAML, &provider, &first).await;
    let ask = async || {
        provider.will(Reply::json(200, ANSWER));
        assert_eq!(gateway.ask("/v1/chat/completions", &hello(Some("chat"))).await.0, 200);
    };
    let reload = |yaml: &str, collector: &Provider| {
        let root = collector.base.trim_end_matches("/v1");
        let yaml = yaml.replace("BASE", &provider.base).replace("COLLECTOR", root);
        gateway.gateway.reload(load(&yaml).unwrap()).unwrap();
    };
    let told = async |collector: &Provider, calls: usize| {
        // What waits at the old one is sent by itself.
        while collector.seen().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let spans: usize =
            collector.seen().iter().map(|it| it.body.as_str().unwrap().matches("gateway/chat").count()).sum();
        assert_eq!(spans, calls);
    };
    first.will(Reply::json(200, "{}"));
    ask().await;
    // The same section again changes nothing.
    reload(YAML, &first);
    ask().await;
    reload(YAML, &second);
    told(&first, 2).await;
    second.will(Reply::json(200, "{}"));
    ask().await;
    gateway.gateway.flush().await;
    told(&second, 1).await;
    let without = YAML.split("otlp:").next().unwrap();
    reload(without, &second);
    ask().await;
    gateway.gateway.flush().await;
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1));
    reload(YAML, &second);
    second.will(Reply::json(200, "{}"));
    ask().await;
    gateway.gateway.flush().await;
    told(&second, 2).await;
}

#[tokio::test]
async fn what_a_collector_refuses_is_counted_and_disturbs_no_call() {
    let (provider, collector) = (Provider::start().await, Provider::start().await);
    let gateway = start(YAML, &provider, &collector).await;
    provider.will(Reply::json(200, ANSWER));
    collector.will(Reply::json(400, "{}"));
    assert_eq!(gateway.ask("/v1/chat/completions", &hello(Some("chat"))).await.0, 200);
    gateway.gateway.flush().await;
    assert_eq!(collector.seen().len(), 1);
    let text = gateway.gateway.metrics_text();
    assert!(text.contains("tidegate_exports_dropped_total{reason=\"collector\"} 1\n"), "{text}");
}

#[test]
fn mistakes_in_the_section_are_named() {
    let check = |from: &str, to: &str, words: &str| {
        let yaml = YAML
            .replace("BASE", "http://localhost:1/v1")
            .replace(from, to)
            .replace("COLLECTOR", "http://localhost:4318");
        let error = load(&yaml).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check("  endpoint: COLLECTOR\n", "", "endpoint: http://localhost:4318");
    check("COLLECTOR", "collector", "`otlp.endpoint`");
    check("service_name", "service_nam", "did you mean `service_name`");
    check("COLLECTOR\n", "http://localhost:4318\n  capture_content: maybe\n", "`otlp.capture_content`");
}
