//! Guardrails: what is blocked, masked or flagged, in requests, answers and streams.

use gateway::{Decision, Outcome, Stage, Usd, Verdict};
use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, data_of, hello, load};

const YAML: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
    guardrails: [GUARDRAILS]
  - name: text
    endpoint_type: llm/v1/completions
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
    guardrails: [GUARDRAILS]
  - name: vectors
    endpoint_type: llm/v1/embeddings
    model: {provider: openai, name: e, config: {openai_api_key: $KEY, openai_api_base: BASE}}
    guardrails: [GUARDRAILS]
  - name: first
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
    fallbacks: [{name: chat}]
routes:
  - name: route
    task_type: llm/v1/chat
    destinations: [{name: chat, traffic_percentage: 100}]
";

async fn start(guardrails: &str, provider: &Provider) -> TestGateway {
    TestGateway::start(&YAML.replace("GUARDRAILS", guardrails), provider).await
}

fn says(text: &str) -> Value {
    json!({"model": "chat", "messages": [{"role": "user", "content": text}]})
}

fn answer(message: &Value) -> String {
    json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-5",
        "choices": [{"index": 0, "message": message, "logprobs": {"content": []}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}})
    .to_string()
}

fn decision(guardrail: &str, stage: Stage, verdict: Verdict, found: &[(&str, u32)]) -> Decision {
    let found = found.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
    Decision { guardrail: guardrail.to_owned(), stage, verdict, found }
}

#[tokio::test]
async fn personal_data_is_masked_both_ways_and_in_the_record() {
    let provider = Provider::start().await;
    let mut gateway = start("{name: private, type: pii, action: mask}", &provider).await;
    provider.will(Reply::json(
        200,
        &answer(&json!({"role": "assistant", "content": "Call +1 212 555 0123", "reasoning_content": "b@c.de",
            "thinking_blocks": [{"type": "thinking", "thinking": "b@c.de", "signature": "s"}], "novel": 1})),
    ));
    let request = json!({"model": "chat", "messages": [
        {"role": "system", "content": "Write to help@example.com"},
        {"role": "user", "content": [{"type": "text", "text": "I am ada@example.com or a@b.de"},
                                     {"type": "image_url", "image_url": {"url": "https://x/a@b.de"}}]},
        {"role": "tool", "tool_call_id": "t", "content": "IBAN DE89370400440532013000"},
    ]});
    let response = gateway.post("/v1/chat/completions", &request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["x-tidegate-guardrails"],
        "private; input masked; email=2; iban=1, private; output masked; phone=1; email=2"
    );
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        body["choices"][0],
        json!({"index": 0, "message": {"role": "assistant", "content": "Call [PHONE]", "reasoning_content": "[EMAIL]",
            "novel": 1}, "logprobs": null, "finish_reason": "stop"})
    );
    let mut masked = request["messages"].clone();
    masked[1]["content"][0]["text"] = "I am [EMAIL] or [EMAIL]".into();
    masked[2]["content"] = "IBAN [IBAN]".into();
    assert_eq!(provider.seen()[0].body["messages"], masked);

    let call = gateway.calls.recv().await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&call.request).unwrap()["messages"], masked);
    assert!(!String::from_utf8_lossy(&call.response.unwrap()).contains("b@c.de"));
    assert_eq!(
        call.decisions,
        [
            decision("private", Stage::Input, Verdict::Masked, &[("email", 2), ("iban", 1)]),
            decision("private", Stage::Output, Verdict::Masked, &[("phone", 1), ("email", 2)]),
        ]
    );
}

#[tokio::test]
async fn what_nobody_objects_to_passes_as_it_came() {
    let provider = Provider::start().await;
    let mut gateway = start("{name: private, type: pii, action: mask}", &provider).await;
    let plain = answer(&json!({"role": "assistant", "content": "hello"})).replace("\":", "\" : ");
    provider.will(Reply::json(200, &plain));
    let response = gateway.post("/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!(response.headers().get("x-tidegate-guardrails"), None);
    assert_eq!(response.text().await.unwrap(), plain);
    assert_eq!(gateway.calls.recv().await.unwrap().decisions, []);
}

#[tokio::test]
async fn a_block_ends_the_call_and_names_the_guardrail_but_not_the_text() {
    let provider = Provider::start().await;
    let guardrails = "{name: words, type: regex, patterns: ['(?i)falcon', 'x{3}'], action: block}";
    let mut gateway = start(guardrails, &provider).await;
    for model in ["chat", "route", "first"] {
        let mut request = says("What is FALCON?");
        request["model"] = model.into();
        let response = gateway.post("/v1/chat/completions", &request).await;
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["x-tidegate-guardrails"], "words; input blocked; pattern-1=1");
        let body: Value = response.json().await.unwrap();
        let words = "guardrail `words` refuses this request: it holds `pattern-1`; take it out and ask again";
        assert_eq!(
            body["error"],
            json!({"message": words, "type": "invalid_request_error", "param": null, "code": "content_filter"})
        );
        let call = gateway.calls.recv().await.unwrap();
        assert_eq!(call.outcome, Outcome::Failed { status: 400, message: words.to_owned() });
        assert_eq!(call.decisions, [decision("words", Stage::Input, Verdict::Blocked, &[("pattern-1", 1)])]);
    }
    assert_eq!(provider.seen().len(), 0);

    // The answer was paid for, though nobody gets it.
    provider.will(Reply::json(200, &answer(&json!({"role": "assistant", "content": "xxx"}))));
    let (status, body) = gateway.ask("/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("content_filter")));
    assert_eq!(body["error"]["message"], "guardrail `words` holds back the answer: it holds `pattern-2`");
    let call = gateway.calls.recv().await.unwrap();
    assert_eq!((call.cost.unwrap().total, call.response), (Usd::parse("0.00135").unwrap(), None));

    // Prompts and what becomes vectors are looked at too.
    for (path, request) in [
        ("/v1/completions", json!({"model": "text", "prompt": ["a", "the falcon"]})),
        ("/v1/embeddings", json!({"model": "vectors", "input": "the falcon"})),
    ] {
        let (status, body) = gateway.ask(path, &request).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("content_filter")), "{path}");
    }
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn a_flag_only_tells() {
    let provider = Provider::start().await;
    let mut gateway =
        start("{name: words, type: regex, patterns: [falcon], action: flag, when: input}", &provider).await;
    let plain = answer(&json!({"role": "assistant", "content": "the falcon"}));
    provider.will(Reply::json(200, &plain));
    let response = gateway.post("/v1/chat/completions", &says("falcon falcon")).await;
    assert_eq!(response.headers()["x-tidegate-guardrails"], "words; input flagged; pattern-1=2");
    assert_eq!(response.text().await.unwrap(), plain);
    assert_eq!(provider.seen()[0].body["messages"][0]["content"], "falcon falcon");
    let call = gateway.calls.recv().await.unwrap();
    assert_eq!(call.decisions, [decision("words", Stage::Input, Verdict::Flagged, &[("pattern-1", 2)])]);
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let chunk = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5",
        "choices": [{"index": 0, "delta": delta, "logprobs": {"content": []}, "finish_reason": finish}], "usage": null});
    format!("data: {chunk}\n\n")
}

/// A stream that says `text` in pieces of so many characters.
fn stream(key: &str, text: &str, piece: usize) -> String {
    let text: Vec<char> = text.chars().collect();
    let pieces = text.chunks(piece).map(|it| chunk(&json!({key: it.iter().collect::<String>()}), None));
    let usage = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5", "choices": [],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}});
    let head = chunk(&json!({"role": "assistant", "content": ""}), None);
    format!("{head}{}{}data: {usage}\n\ndata: [DONE]\n\n", pieces.collect::<String>(), chunk(&json!({}), Some("stop")))
}

/// What the deltas of a stream say together in this field, and whether the stream came to its end.
fn said(events: &[String], key: &str) -> (String, bool) {
    let mut text = String::new();
    for event in events.iter().filter(|it| *it != "[DONE]") {
        let chunk: Value = serde_json::from_str(event).unwrap();
        assert_eq!(chunk["choices"][0].get("logprobs").filter(|it| !it.is_null()), None, "{chunk}");
        text.push_str(chunk["choices"][0]["delta"][key].as_str().unwrap_or_default());
    }
    (text, events.last().unwrap() == "[DONE]")
}

async fn streamed(gateway: &TestGateway) -> Vec<String> {
    let mut request = hello(Some("chat"));
    request["stream"] = true.into();
    let response = gateway.post("/v1/chat/completions", &request).await;
    let text = response.text().await.unwrap();
    let end = text.find(": x-tidegate-cost-usd 0.00135\n\n");
    data_of(&end.map_or(text.clone(), |it| format!("{}data: [DONE]\n\n", &text[..it])))
}

#[tokio::test]
async fn streams_are_masked_across_the_edges_of_chunks() {
    let provider = Provider::start().await;
    let guardrails = "{name: private, type: pii, action: mask}, \
                      {name: words, type: regex, patterns: [falcon], replacement: bird, action: mask, when: output}";
    let mut gateway = start(guardrails, &provider).await;
    let text = "Grüße! The falcon pays with 4111 1111 1111 1111, and writes from ada.lovelace@example.com or from \
                10.0.0.1. Nothing else is said of him, but for one long sentence that goes on and on until the window \
                has moved, and then sk-abcdefghijklmnopqrstuvwxyz";
    let masked = "Grüße! The bird pays with [CREDIT_CARD], and writes from [EMAIL] or from [IP]. Nothing else is said \
                  of him, but for one long sentence that goes on and on until the window has moved, and then [API_KEY]";
    for piece in [1, 3, 7, 50, 1000] {
        for key in ["content", "reasoning_content", "reasoning"] {
            provider.will(Reply::sse(&stream(key, text, piece)));
            let events = streamed(&gateway).await;
            assert_eq!(said(&events, key), (masked.to_owned(), true), "{piece} {key}");
            let call = gateway.calls.recv().await.unwrap();
            assert_eq!(call.usage.unwrap().total_tokens, 1010);
            let recorded: Value = serde_json::from_slice(&call.response.unwrap()).unwrap();
            let field = if key == "content" { "content" } else { "reasoning_content" };
            assert_eq!(recorded["choices"][0]["message"][field], masked);
            assert_eq!(call.decisions.len(), 2, "{:?}", call.decisions);
        }
    }
}

#[tokio::test]
async fn a_stream_ends_in_an_error_before_what_is_blocked() {
    let provider = Provider::start().await;
    let mut gateway = start("{name: words, type: regex, patterns: ['fal\\s?con'], action: block}", &provider).await;
    let before = "A harmless beginning that is longer than what is held back, so that some of it gets out. ".repeat(2);
    provider.will(Reply::sse(&stream("content", &format!("{before}The fal con flies. {before}"), 5)));
    let events = streamed(&gateway).await;
    let (error, chunks) = events.split_last().unwrap();
    let error: Value = serde_json::from_str(error).unwrap();
    assert_eq!(error["error"]["code"], "content_filter");
    assert_eq!(error["error"]["message"], "guardrail `words` holds back the answer: it holds `pattern-1`");
    let (text, _) = said(chunks, "content");
    assert!(!text.is_empty() && format!("{before}The ").starts_with(&text), "{text}");
    let call = gateway.calls.recv().await.unwrap();
    assert!(matches!(call.outcome, Outcome::Failed { status: 400, .. }), "{:?}", call.outcome);
    assert_eq!(call.decisions, [decision("words", Stage::Output, Verdict::Blocked, &[("pattern-1", 1)])]);

    // Before anything got out, the answer is an error as any other.
    provider.will(Reply::sse(&stream("content", "fal con", 2)));
    let mut request = hello(Some("chat"));
    request["stream"] = true.into();
    let wire = stream("content", "fal con", 2).replace(&chunk(&json!({"role": "assistant", "content": ""}), None), "");
    provider.will(Reply::sse(&wire));
    streamed(&gateway).await;
    let (status, body) = gateway.ask("/v1/chat/completions", &request).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("content_filter")));
}

#[tokio::test]
async fn arguments_of_tool_calls_are_looked_at_where_that_is_asked_for() {
    let provider = Provider::start().await;
    let call = |arguments: &str| {
        json!({"tool_calls": [{"index": 0, "id": "t", "type": "function",
            "function": {"name": "mail", "arguments": arguments}}]})
    };
    let more = |arguments: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]});
    let wire = [
        chunk(&json!({"content": "To a@b"}), None),
        chunk(&json!({"content": ".de:"}), None),
        chunk(&call(""), None),
        chunk(&more("{\"to\":\"ada@ex"), None),
        chunk(&more("ample.com\"}"), None),
        chunk(&json!({}), Some("tool_calls")),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    for (option, expected) in [("", "ada@example.com"), (", tool_calls: true", "[EMAIL]")] {
        let gateway = start(&format!("{{name: private, type: pii, action: mask{option}}}"), &provider).await;
        provider.will(Reply::sse(&wire));
        let events = streamed(&gateway).await;
        let mut arguments = String::new();
        let mut order = Vec::new();
        for event in events.iter().filter(|it| *it != "[DONE]") {
            let delta = &serde_json::from_str::<Value>(event).unwrap()["choices"][0]["delta"];
            if delta["content"].as_str().is_some_and(|it| !it.is_empty()) {
                order.push("text");
            }
            if let Some(call) = delta["tool_calls"].get(0) {
                order.push("call");
                arguments.push_str(call["function"]["arguments"].as_str().unwrap());
            }
        }
        assert_eq!(arguments, format!("{{\"to\":\"{expected}\"}}"));
        assert_eq!(said(&events, "content").0, "To [EMAIL]:");
        // What is said before a tool call comes before it.
        assert_eq!(order[..2], ["text", "call"], "{order:?}");
        assert!(order[1..].iter().all(|it| *it == "call"), "{order:?}");
    }
}

#[tokio::test]
async fn a_cache_keeps_what_guardrails_let_through() {
    let provider = Provider::start().await;
    let yaml = YAML.replace("GUARDRAILS", "{name: private, type: pii, action: mask}");
    let yaml = yaml.replacen("    guardrails:", "    cache: {ttl: 1h}\n    guardrails:", 1);
    let mut gateway = TestGateway::start(&yaml, &provider).await;
    provider.will(Reply::json(200, &answer(&json!({"role": "assistant", "content": "a@b.de"}))));
    for (text, used) in [("I am x@y.de", "miss"), ("I am z@y.de", "hit")] {
        let response = gateway.post("/v1/chat/completions", &says(text)).await;
        assert_eq!(response.headers()["x-tidegate-cache"], used);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["choices"][0]["message"]["content"], "[EMAIL]");
    }
    assert_eq!(gateway.calls.recv().await.unwrap().decisions.len(), 2);
    assert_eq!(gateway.calls.recv().await.unwrap().decisions.len(), 1);
}

#[test]
fn a_wrong_guardrail_is_told_with_its_place() {
    for (guardrail, expected) in [
        ("{type: pii, action: mask}", "`endpoints[0].guardrails[0]`: the key `name` is missing"),
        ("{name: a b, type: pii, action: mask}", "`a b` cannot stand in a header"),
        ("{name: a, type: pi, action: mask}", "`pi` is no type of guardrail (did you mean `pii`?)"),
        ("{name: a, type: pii, action: hide}", "`hide` is nothing to do; write `block`, `mask` or `flag`"),
        ("{name: a, type: pii, action: mask, when: later}", "`later` is no time to look"),
        ("{name: a, type: pii, action: mask, kinds: [mail]}", "`mail` is no kind of personal data known here"),
        ("{name: a, type: pii, action: mask, hold_bytes: 5000}", "must be at most 4096"),
        ("{name: a, type: pii, action: mask, tool_calls: 1}", "must be true or false, but is `1`"),
        ("{name: a, type: regex, action: mask, patterns: []}", "must hold 1 to 256 patterns, but holds 0"),
        ("{name: a, type: regex, action: mask, patterns: ['(']}", "patterns[0]`: is no pattern that can be used"),
        ("{name: a, type: regex, action: mask, patterns: ['(a{999}){999}']}", "is no pattern that can be used"),
        (
            "{name: a, type: pii, action: mask}, {name: a, type: pii, action: flag}",
            "guardrails[1]`: `a` is already the name of another guardrail",
        ),
    ] {
        let yaml = YAML.replace("GUARDRAILS", guardrail).replace("BASE", "http://localhost/v1");
        let error = load(&yaml).unwrap_err().to_string();
        assert!(error.contains(expected), "{guardrail}: {error}");
    }
}

#[tokio::test]
async fn other_formats_are_masked_in_their_own_words() {
    let provider = Provider::start().await;
    let yaml = "
endpoints:
  - name: claude
    endpoint_type: llm/v1/chat
    model: {provider: anthropic, name: claude-test, config: {anthropic_api_key: $KEY, api_base: BASE}}
    guardrails: [{name: private, type: pii, action: mask}, {name: words, type: regex, patterns: [falcon], action: block}]
";
    let mut gateway = TestGateway::start(yaml, &provider).await;
    let ask = |text: &str, stream: bool| {
        json!({"model": "claude", "max_tokens": 99, "stream": stream,
            "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]})
    };
    // Anthropic speaks the caller's format, and is nevertheless looked at.
    provider.will(Reply::json(
        200,
        &json!({"id": "m1", "type": "message", "role": "assistant", "model": "claude-test", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "Write to b@c.de"}], "usage": {"input_tokens": 3, "output_tokens": 4}})
        .to_string(),
    ));
    let (status, body) = gateway.ask("/v1/messages", &ask("I am ada@example.com", false)).await;
    assert_eq!((status, &body["type"]), (200, &json!("message")), "{body}");
    assert_eq!(body["content"], json!([{"type": "text", "text": "Write to [EMAIL]"}]));
    assert_eq!((&body["stop_reason"], &body["usage"]["output_tokens"]), (&json!("end_turn"), &json!(4)));
    assert!(provider.seen()[0].body["messages"].to_string().contains("I am [EMAIL]"));

    let mut wire = Vec::new();
    for event in [
        json!({"type": "message_start", "message": {"id": "m1", "type": "message", "role": "assistant", "content": [],
            "model": "claude-test", "stop_reason": null, "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Write to b@"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "c.de now"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
        json!({"type": "message_stop"}),
    ] {
        llm::sse::encode(event["type"].as_str(), &event.to_string(), &mut wire);
    }
    let wire = String::from_utf8(wire).unwrap();
    provider.will(Reply::sse(&wire));
    let text = gateway.post("/v1/messages", &ask("hi", true)).await.text().await.unwrap();
    let events = text.lines().filter_map(|it| it.strip_prefix("data: "));
    let events: Vec<Value> = events.map(|it| serde_json::from_str(it).unwrap()).collect();
    let said: String = events.iter().filter_map(|it| it["delta"]["text"].as_str()).collect();
    assert_eq!(said, "Write to [EMAIL] now", "{text}");
    assert_eq!(events.last().unwrap()["type"], "message_stop", "{text}");
    for _ in 0..2 {
        assert_eq!(gateway.calls.recv().await.unwrap().outcome, Outcome::Ok);
    }

    // A block in the middle of a stream, and one before there is a call, in Anthropic's shape.
    provider.will(Reply::sse(&wire.replace("b@", "the falc").replace("c.de", "on")));
    let text = gateway.post("/v1/messages", &ask("hi", true)).await.text().await.unwrap();
    assert!(text.contains("\"type\":\"error\"") && !text.contains("falc\""), "{text}");
    let (status, body) = gateway.ask("/v1/messages", &ask("the falcon", false)).await;
    assert_eq!(
        (status, &body["type"], &body["error"]["type"]),
        (400, &json!("error"), &json!("invalid_request_error"))
    );
    assert_eq!(provider.seen().len(), 3);
}
