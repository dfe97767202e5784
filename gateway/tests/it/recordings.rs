//! Answers that real providers gave come out of the gateway with the same facts.

use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway};

const YAML: &str = "
endpoints:
  - name: openai
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: m, config: {openai_api_key: $KEY, openai_api_base: BASE}}
  - name: anthropic
    endpoint_type: llm/v1/chat
    model: {provider: anthropic, name: m, config: {anthropic_api_key: $KEY, anthropic_api_base: BASE}}
";

/// `TIDEGATE_RECORDINGS` may name a larger file in the same form.
#[tokio::test]
async fn recorded_answers_keep_their_facts() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let text = match std::env::var("TIDEGATE_RECORDINGS") {
        Ok(file) => std::fs::read_to_string(file).unwrap(),
        Err(_) => include_str!("../fixtures/recordings.jsonl").to_owned(),
    };
    let mut wrong = Vec::new();
    for line in text.lines() {
        let recording: Value = serde_json::from_str(line).unwrap();
        for complaint in replay(&provider, &mut gateway, &recording).await {
            wrong.push(format!("{}: {complaint}", recording["name"]));
        }
    }
    assert!(wrong.is_empty(), "{} facts lost:\n{}", wrong.len(), wrong.join("\n"));
}

async fn replay(provider: &Provider, gateway: &mut TestGateway, recording: &Value) -> Vec<String> {
    let headers = vec![("content-type", recording["content_type"].as_str().unwrap().to_owned())];
    let status = u16::try_from(recording["status"].as_u64().unwrap()).unwrap();
    let body = recording["response"].as_str().unwrap().to_owned();
    provider.will(Reply::Bytes { status, headers, body: body.clone() });

    let mut request = match &recording["request"] {
        Value::Null => json!({"messages": [{"role": "user", "content": "hi"}]}),
        request => request.clone(),
    };
    request["model"] = recording["family"].clone();
    if recording["stream"] == true {
        request["stream"] = true.into();
        request["stream_options"] = json!({"include_usage": true});
    }
    let response = gateway.post("/v1/chat/completions", &request).await;
    let got_status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let call = gateway.calls.recv().await.unwrap();
    let mut wrong = Vec::new();
    let mut same = |what: &str, got: &Value, expected: &Value| {
        if got != expected {
            wrong.push(format!("{what} is {got}, not {expected}"));
        }
    };
    same("status", &got_status.into(), &status.into());
    let facts = &recording["facts"];
    if status != 200 {
        return wrong;
    }
    if facts.get("error").is_some() || body.contains("\"error\":{") {
        same("the last event", &text.trim_end().ends_with("[DONE]").into(), &false.into());
        same("an error event", &text.contains("data: {\"error\":{\"message\":").into(), &true.into());
        return wrong;
    }
    let answer: Value = if recording["stream"] == true {
        same("the last event", &text.ends_with("data: [DONE]\n\n").into(), &true.into());
        serde_json::from_slice(call.response.as_ref().expect("a stream's record has the answer")).unwrap()
    } else {
        if recording["family"] == "openai" {
            same("the answer", &serde_json::from_str(&text).unwrap(), &serde_json::from_str(&body).unwrap());
        }
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
    };
    let message = &answer["choices"][0]["message"];
    same("text", &text_of(&message["content"]), &facts["text"]);
    let tools: Vec<Value> = message["tool_calls"].as_array().into_iter().flatten().map(tool).collect();
    let expected: Vec<Value> =
        facts["tools"].as_array().into_iter().flatten().map(|it| json!([it["name"], it["args_json"]])).collect();
    same("tools", &tools.into(), &expected.into());
    if recording["family"] == "anthropic" {
        let reasoning = message.get("reasoning_content").cloned().unwrap_or_else(|| "".into());
        same("reasoning", &reasoning, &facts["reasoning"]);
        let finish = match facts["finish"].as_str() {
            Some("tool_use") => "tool_calls",
            Some("max_tokens") => "length",
            Some("refusal") => "content_filter",
            _ => "stop",
        };
        same("finish", &answer["choices"][0]["finish_reason"], &finish.into());
        let count = |key: &str| facts["usage"][key].as_u64().unwrap_or_default();
        let prompt = count("input_tokens") + count("cache_read_input_tokens") + count("cache_creation_input_tokens");
        same("prompt tokens", &answer["usage"]["prompt_tokens"], &prompt.into());
        same("output tokens", &answer["usage"]["completion_tokens"], &count("output_tokens").into());
    } else {
        same("finish", &answer["choices"][0]["finish_reason"], &facts["finish"]);
        let total = facts["usage"].get("total_tokens").cloned().unwrap_or_default();
        same("usage", &answer["usage"].get("total_tokens").cloned().unwrap_or_default(), &total);
    }
    let counted = call.usage.map_or(Value::Null, |it| it.total_tokens.into());
    same("recorded usage", &counted, &answer["usage"]["total_tokens"]);
    wrong
}

fn text_of(content: &Value) -> Value {
    match content {
        Value::Null => "".into(),
        Value::Array(parts) => parts.iter().filter_map(|it| it["text"].as_str()).collect::<String>().into(),
        text => text.clone(),
    }
}

fn tool(call: &Value) -> Value {
    let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    json!([call["function"]["name"], serde_json::from_str::<Value>(arguments).unwrap_or(Value::Null)])
}
