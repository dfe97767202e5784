//! Which calls are recorded, and what of them.

use gateway::{Call, Outcome};
use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, load};

const YAML: &str = "
RECORD
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
    OWN
  - name: other
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
routes:
  - name: route
    task_type: llm/v1/chat
    destinations: [{name: chat, traffic_percentage: 50}, {name: other, traffic_percentage: 50}]
";

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"gpt-5","choices":[{"index":0,"message":{"role":"assistant","content":"Write to ada@example.com."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010}}"#;

async fn start(record: &str, own: &str, provider: &Provider) -> TestGateway {
    TestGateway::start(&YAML.replace("RECORD", record).replace("OWN", own), provider).await
}

fn asked(model: &str) -> Value {
    json!({"model": model, "user": "u-1", "messages": [
        {"role": "system", "content": "The password is open."},
        {"role": "user", "content": "I am bob@example.com, E-123456, and my question is long.".repeat(5)}]})
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// Asks with a header, and gives the record, if there is one.
async fn call(gateway: &mut TestGateway, model: &str, header: (&str, &str)) -> Option<Call> {
    let request = gateway.http.post(format!("{}/v1/chat/completions", gateway.base)).json(&asked(model));
    let response = request.header(header.0, header.1).send().await.unwrap();
    response.text().await.unwrap();
    gateway.calls.try_recv()
}

#[tokio::test]
async fn a_sample_goes_by_the_callers_trace_and_failures_are_kept() {
    let provider = Provider::start().await;
    let mut gateway = start("record: {sample: 0.5}", "record: {slower_than_ms: 3600000}", &provider).await;
    let parent = |random: &str| format!("00-ffffffffffffffff00{random}-b7ad6b7169203331-01");
    for (random, is_kept) in [("00000000000000", true), ("7f000000000000", true), ("80000000000000", false)] {
        provider.will(Reply::json(200, ANSWER));
        let kept = call(&mut gateway, "chat", ("traceparent", &parent(random))).await;
        assert_eq!(kept.is_some(), is_kept, "{random}");
    }
    provider.will(Reply::json(400, r#"{"error": {"message": "no"}}"#));
    let failed = call(&mut gateway, "chat", ("traceparent", &parent("ffffffffffffff"))).await.unwrap();
    assert!(matches!(failed.outcome, Outcome::Failed { status: 400, .. }));
    assert_eq!(parsed(&failed.request), asked("chat"));

    let mut gateway = start("record: {sample: 1}", "record: {sample: 0, keep_errors: false}", &provider).await;
    provider.will(Reply::json(400, r#"{"error": {"message": "no"}}"#)).will(Reply::json(200, ANSWER));
    assert!(call(&mut gateway, "chat", ("x-request-id", "a")).await.is_none());
    assert!(call(&mut gateway, "chat", ("x-request-id", "a")).await.is_none());
    // The other endpoint has what is said of all, and what was not recorded was counted.
    provider.will(Reply::json(200, ANSWER));
    assert!(call(&mut gateway, "other", ("x-request-id", "a")).await.is_some());
    let metrics = gateway.gateway.metrics_text();
    let cost = "tidegate_cost_usd_total{endpoint=\"chat\",gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openai\",\
        gen_ai_request_model=\"gpt-5\"} 0.00135";
    assert!(metrics.contains(cost), "{metrics}");
    assert_eq!(gateway.gateway.dropped_calls(), 0);

    // A provider that answers in two halves: the second comes when the first was read, and that is a while later.
    let mut gateway = start("record: {sample: 0, slower_than_ms: 5}", "", &provider).await;
    let (gone, went) = tokio::sync::oneshot::channel();
    let chunk = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-5","choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    provider.will(Reply::Hang { body: format!("data: {chunk}\n\n"), gone });
    let mut body = asked("chat");
    body["stream"] = true.into();
    let mut response = gateway.post("/v1/chat/completions", &body).await;
    assert!(response.chunk().await.unwrap().is_some());
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    drop(response);
    went.await.unwrap();
    assert_eq!(gateway.calls.recv().await.unwrap().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn bodies_are_left_out_or_cut_as_the_configuration_says() {
    let provider = Provider::start().await;
    let any = ("x-request-id", "a");
    let mut gateway = start("record: {bodies: none}", "record: {bodies: preview}", &provider).await;
    provider.will(Reply::json(200, ANSWER)).will(Reply::json(200, ANSWER)).will(Reply::json(200, ANSWER));
    let other = call(&mut gateway, "other", any).await.unwrap();
    assert_eq!((other.request.len(), other.response), (0, None));
    assert_eq!(other.usage.unwrap().total_tokens, 1010);
    let chat = call(&mut gateway, "chat", any).await.unwrap();
    let request = parsed(&chat.request);
    let text = request["messages"][1]["content"].as_str().unwrap();
    assert!(text.ends_with("… (80 more characters)") && text.starts_with("I am bob@example.com"), "{text}");
    assert_eq!(request["messages"][0]["content"], "The password is open.");
    assert_eq!(parsed(&chat.response.unwrap()), parsed(ANSWER.as_bytes()));
    // Whichever answers: a route keeps no more than each of them allows.
    let route = call(&mut gateway, "route", any).await.unwrap();
    assert_eq!((route.request.len(), route.response), (0, None));
}

#[tokio::test]
async fn what_is_redacted_leaves_the_gateway_nowhere_but_to_the_provider_and_back() {
    let provider = Provider::start().await;
    let all = "record: {redact: {pii: [email], paths: [\"$.messages[?@.role == 'system'].content\"]}}";
    let own = r"record: {redact: {patterns: [{name: employee, regex: 'E-\d{6}'}]}}";
    let mut gateway = start(all, own, &provider).await;
    provider.will(Reply::json(200, ANSWER));
    let (status, answer) = gateway.ask("/v1/chat/completions", &asked("chat")).await;
    assert_eq!((status, answer), (200, parsed(ANSWER.as_bytes())));
    assert_eq!(provider.seen()[0].body["messages"], asked("chat")["messages"]);
    let call = gateway.calls.recv().await.unwrap();
    let request = parsed(&call.request);
    assert_eq!(request["messages"][0]["content"], "[redacted]");
    let masked = "I am [EMAIL], [EMPLOYEE], and my question is long.".repeat(5);
    assert_eq!(request["messages"][1]["content"], masked);
    let response = parsed(&call.response.unwrap());
    assert_eq!(response["choices"][0]["message"]["content"], "Write to [EMAIL].");

    // A stream is put together before anything is looked for, so that pieces hide nothing.
    let piece = |text: &str| {
        let delta = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
        format!("data: {delta}\n\n")
    };
    let end = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-5","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let events = ["To E-1", "234", "56."].map(piece).concat();
    provider.will(Reply::sse(&format!("{events}data: {end}\n\ndata: [DONE]\n\n")));
    let mut body = asked("route");
    body["stream"] = true.into();
    let seen = gateway.stream("/v1/chat/completions", &body).await;
    assert!(seen.iter().any(|it| it.contains("To E-1")), "{seen:?}");
    let call = gateway.calls.recv().await.unwrap();
    let response = parsed(&call.response.unwrap());
    assert_eq!(response["choices"][0]["message"]["content"], "To [EMPLOYEE].");

    // Providers repeat what they refuse.
    provider.will(Reply::json(400, r#"{"error": {"message": "bob@example.com is nobody"}}"#));
    let (_, error) = gateway.ask("/v1/chat/completions", &asked("chat")).await;
    assert!(error.to_string().contains("bob@example.com"), "{error}");
    let call = gateway.calls.recv().await.unwrap();
    for outcome in [&call.outcome, &call.attempts[0].outcome] {
        let Outcome::Failed { message, .. } = outcome else { panic!("{outcome:?}") };
        assert!(message.contains("[EMAIL] is nobody") && !message.contains("bob@"), "{message}");
    }
}

#[test]
fn mistakes_are_named() {
    let check = |record: &str, words: &str| {
        let yaml = YAML.replace("RECORD", &format!("record: {record}")).replace("OWN", "");
        let error = load(&yaml).unwrap_err().to_string();
        assert!(error.contains(words), "for {record}:\n{error}\ndoes not contain\n{words}");
    };
    check("{sample: 10}", "`record.sample`");
    check("{bodies: ful}", "`record.bodies`: `ful` is no amount of a body (did you mean `full`?)");
    check("{redact: {}}", "redacts nothing");
    check("{redact: {pii: [emails]}}", "did you mean `email`?");
    check("{redact: {patterns: [{name: a, regex: '('}]}}", "`record.redact.patterns[0].regex`");
    check("{redact: {paths: ['messages']}}", "`record.redact.paths[0]`: `messages` is no JSON path");
    check("{keep_error: true}", "keep_errors");
    let hedge = |hedge: &str, words: &str| {
        let yaml = YAML.replace("RECORD", "").replace("OWN", &format!("hedge: {hedge}"));
        let error = load(&yaml).unwrap_err().to_string();
        assert!(error.contains(words), "for {hedge}:\n{error}\ndoes not contain\n{words}");
    };
    hedge("{max_percent: 5}", "does not say when");
    hedge("{after_ms: 5, min_samples: 50}", "says something of `after: p95`");
    hedge("{after: p100}", "a percentile from p50 to p99");
    hedge("{after: p95, max_percent: 101}", "a percentage from 1 to 100");
    hedge("{after: p95, min_samples: 501}", "at most 500");
    hedge("{after: p95, max_ms: 20}", "leaves no wait");
}
