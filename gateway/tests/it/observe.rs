//! What `GET /metrics` tells of calls, by name, label and value.

mod otlp;

use serde_json::json;

use crate::support::{Provider, Reply, TestGateway, hello};

const YAML: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
    cache: {ttl: 1h}
  - name: few
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
    limit: {calls: 1, renewal_period: hour}
";

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-5","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010,"prompt_tokens_details":{"cached_tokens":200},"completion_tokens_details":{"reasoning_tokens":4}}}"#;

const STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n\
                      data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1,\"total_tokens\":6}}\n\n\
                      data: [DONE]\n\n";

/// The value of the line with this name and these labels.
fn value(text: &str, line: &str) -> Option<f64> {
    text.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
}

async fn scrape(gateway: &TestGateway) -> String {
    let response = gateway.http.get(format!("{}/metrics", gateway.base)).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.text().await.unwrap()
}

#[tokio::test]
async fn calls_are_counted_by_what_they_were_and_how_they_ended() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let path = "/v1/chat/completions";
    provider.will(Reply::json(200, ANSWER)).will(Reply::json(500, "{}")).will(Reply::sse(STREAM));
    for expected in [200, 200, 500] {
        // The second is the cache's, which the third does not ask.
        let mut body = hello(Some("chat"));
        if expected == 500 {
            body["seed"] = json!(1);
        }
        assert_eq!(gateway.ask(path, &body).await.0, expected);
    }
    let mut streamed = hello(Some("few"));
    streamed["stream"] = json!(true);
    let text = gateway.post(path, &streamed).await.text().await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(gateway.ask(path, &streamed).await.0, 429);

    let text = scrape(&gateway).await;
    let check = |line: &str, expected: f64| {
        let found = value(&text, line).unwrap_or_else(|| panic!("no {line} in\n{text}"));
        assert!((found - expected).abs() < 1e-12, "{line} is {found}");
    };
    let chat = "endpoint=\"chat\",gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openai\",\
                gen_ai_request_model=\"gpt-5\"";
    let few = chat.replacen("chat", "few", 1);
    check(&format!("gen_ai_client_operation_duration_seconds_count{{{chat},error_type=\"\"}}"), 2.0);
    check(&format!("gen_ai_client_operation_duration_seconds_count{{{chat},error_type=\"500\"}}"), 1.0);
    check(&format!("gen_ai_client_operation_duration_seconds_bucket{{le=\"+Inf\",{chat},error_type=\"\"}}"), 2.0);
    // What the cache repeated was used once.
    check(&format!("gen_ai_client_token_usage_sum{{{chat},gen_ai_token_type=\"input\"}}"), 1000.0);
    check(&format!("gen_ai_client_token_usage_count{{{chat},gen_ai_token_type=\"output\"}}"), 1.0);
    check(&format!("gen_ai_client_token_usage_sum{{{few},gen_ai_token_type=\"input\"}}"), 5.0);
    for (what, count) in [("input", 800.0), ("cache_read", 200.0), ("output", 6.0), ("reasoning", 4.0)] {
        check(&format!("tidegate_tokens_total{{{chat},type=\"{what}\"}}"), count);
    }
    // 800 × $1.25, 200 × $0.125 and 10 × $10, each for a million.
    check(&format!("tidegate_cost_usd_total{{{chat}}}"), 0.001_125);
    check(&format!("tidegate_saved_usd_total{{{chat}}}"), 0.001_125);
    check(&format!("gen_ai_server_time_to_first_token_seconds_count{{{chat}}}"), 0.0);
    check(&format!("gen_ai_server_time_to_first_token_seconds_count{{{few}}}"), 1.0);
    check("tidegate_cache_lookups_total{endpoint=\"chat\",result=\"hit\"}", 1.0);
    check("tidegate_cache_lookups_total{endpoint=\"chat\",result=\"miss\"}", 2.0);
    check("tidegate_attempts_total{endpoint=\"chat\",status=\"ok\"}", 1.0);
    check("tidegate_attempts_total{endpoint=\"chat\",status=\"500\"}", 1.0);
    check("tidegate_calls_refused_total{name=\"few\",status=\"429\"}", 1.0);
    check("tidegate_calls_in_flight", 0.0);
    check("tidegate_endpoint_calls_in_flight{endpoint=\"chat\"}", 0.0);
    check("tidegate_breaker_state{endpoint=\"chat\",state=\"closed\"}", 1.0);
    check("tidegate_breaker_opened_total{endpoint=\"chat\"}", 0.0);
    check("tidegate_records_dropped_total", 0.0);
    check("tidegate_configurations_total", 1.0);
    let route = |status| {
        format!(
            "http_server_request_duration_seconds_count{{http_request_method=\"POST\",http_route=\"{path}\",\
             http_response_status_code=\"{status}\"}}"
        )
    };
    check(&route(200), 3.0);
    check(&route(429), 1.0);
    assert!(text.ends_with("# EOF\n"), "{text}");
}
