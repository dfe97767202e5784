//! No body breaks the gateway: whatever it holds, the answer is JSON and none of the gateway's own failures.
//!
//! `PROPTEST_CASES=10000` makes it look longer.

#[path = "../../../fuzz/gateway_requests.rs"]
mod gateway_requests;

use gateway::{Gateway, Parts};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::load;

/// Bodies of each run of the test, each for all formats and endpoints; the variable `PROPTEST_CASES` asks for more.
const CASES: u32 = 48;

/// Bodies as callers send them, from which others are made by changing some of their values.
fn sound() -> Vec<Value> {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    vec![
        json!({"max_tokens": 9, "system": [{"type": "text", "text": "s"}], "thinking": {"type": "enabled", "budget_tokens": 2000},
            "metadata": {"user_id": "u"}, "tool_choice": {"type": "tool", "name": "f"},
            "tools": [{"name": "f", "input_schema": schema}, {"type": "web_search_20250305", "name": "w"}],
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}},
            "messages": [
                {"role": "user", "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
                    {"type": "document", "source": {"type": "text", "data": "d"}, "title": "t"}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "x"},
                    {"type": "tool_use", "id": "i", "name": "f", "input": {"a": "b"}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i", "content": [
                    {"type": "text", "text": "r"}]}]}]}),
        json!({"instructions": "s", "max_output_tokens": 9, "reasoning": {"effort": "low"}, "include": ["x"],
            "text": {"format": {"type": "json_schema", "name": "n", "schema": schema}},
            "tools": [{"type": "function", "name": "f", "parameters": schema}, {"type": "custom", "name": "c"}],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "t"}, {"type": "input_image", "image_url": "u"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "e"},
                {"type": "function_call", "call_id": "i", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "i", "output": "o"}]}),
        json!({"max_tokens": 9, "n": 1, "stop": ["s"], "response_format": {"type": "json_object"}, "seed": 1,
            "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}], "tool_choice": "auto",
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "i", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "i", "content": "r"}]}),
        json!({"systemInstruction": {"parts": [{"text": "s"}]}, "cachedContent": "c",
            "generationConfig": {"maxOutputTokens": 9, "stopSequences": ["s"], "responseMimeType": "application/json",
                "responseSchema": schema, "thinkingConfig": {"thinkingBudget": 128, "includeThoughts": true}},
            "tools": [{"functionDeclarations": [{"name": "f", "parameters": schema}]}, {"googleSearch": {}}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            "contents": [
                {"role": "user", "parts": [{"text": "t"}, {"inlineData": {"mimeType": "image/png", "data": "AA"}},
                    {"fileData": {"mimeType": "text/plain", "fileUri": "https://example.com/f"}}]},
                {"role": "model", "parts": [{"text": "t", "thought": true, "thoughtSignature": "s"},
                    {"functionCall": {"id": "i", "name": "f", "args": {"a": "b"}}}]},
                {"role": "user", "parts": [{"functionResponse": {"id": "i", "name": "f", "response": {"r": 1}}}]}]}),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null, [], {"type": "text"}])),
        Just(json!({"type": "tool_result", "content": 7})),
    ]
}

/// Puts a value in the place of the `place`th one within another.
fn put(into: &mut Value, place: &mut usize, value: &Value) -> bool {
    if *place == 0 {
        *into = value.clone();
        return true;
    }
    *place -= 1;
    match into {
        Value::Array(items) => items.iter_mut().any(|it| put(it, place, value)),
        Value::Object(fields) => fields.values_mut().any(|it| put(it, place, value)),
        _ => false,
    }
}

/// Those that a fuzzer found to take ways of their own, or that broke something once.
#[tokio::test]
async fn no_seed_of_the_fuzzer_breaks_the_gateway() {
    let gateway = Gateway::start(load(gateway_requests::CONFIG).unwrap(), Parts::default()).unwrap();
    let router = gateway::router(gateway);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/gateway");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        gateway_requests::send_to_all(&router, &std::fs::read(file.unwrap().path()).unwrap()).await;
        count += 1;
    }
    assert!(count > 10, "{folder} holds {count} seeds");
}

#[test]
fn no_body_breaks_the_gateway() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let gateway = Gateway::start(load(gateway_requests::CONFIG).unwrap(), Parts::default()).unwrap();
    let router = gateway::router(gateway);
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(CASES);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let bodies = (prop::sample::select(sound()), prop::collection::vec((1..60_usize, values()), 0..4));
    let outcome = runner.run(&bodies, |(mut body, changes)| {
        for (mut place, value) in changes {
            put(&mut body, &mut place, &value);
        }
        runtime.block_on(gateway_requests::send_to_all(&router, body.to_string().as_bytes()));
        Ok(())
    });
    outcome.unwrap();
}
