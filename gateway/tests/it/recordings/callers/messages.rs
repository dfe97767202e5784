//! Anthropic's Messages.

use llm::sse::{Decoder, Event};
use serde_json::{Value, json};

use super::super::facts::{Facts, arguments};
use super::Caller;

pub(crate) struct Messages;

impl Caller for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn family(&self) -> &'static str {
        "anthropic"
    }

    fn request(&self, recorded: Option<&Value>, endpoint: &str, stream: bool) -> (String, Value) {
        let hello = json!({"max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]});
        let mut body = recorded.filter(|it| it.is_object()).cloned().unwrap_or(hello);
        body["model"] = endpoint.into();
        body["stream"] = stream.into();
        ("/v1/messages".to_owned(), body)
    }

    fn whole(&self, answer: &Value) -> Facts {
        let mut facts = Facts::default();
        for block in answer["content"].as_array().into_iter().flatten() {
            facts.text.push_str(block["text"].as_str().unwrap_or_default());
            facts.reasoning.push_str(block["thinking"].as_str().unwrap_or_default());
            if block["type"] == "tool_use" {
                facts.tools.push((block["name"].as_str().unwrap_or_default().to_owned(), block["input"].clone()));
            }
        }
        facts.finish = answer["stop_reason"].as_str().map(finish);
        facts.tokens = tokens_of(&answer["usage"]);
        facts
    }

    fn stream(&self, text: &str) -> Result<Facts, String> {
        let mut message = Value::Null;
        let mut is_open = false;
        let mut last = String::new();
        let mut fragments = String::new();
        for Event { event, data } in events(text) {
            let body: Value = serde_json::from_str(&data).map_err(|error| format!("{error} in {data}"))?;
            let kind = body["type"].as_str().unwrap_or_default().to_owned();
            if event.as_deref() != Some(kind.as_str()) {
                return Err(format!("the event {event:?} is of the type {kind}"));
            }
            let count = message["content"].as_array().map_or(0, Vec::len);
            match kind.as_str() {
                "message_start" => message = body["message"].clone(),
                "content_block_start" => {
                    if is_open || body["index"] != count {
                        return Err(format!("block {} is opened as number {count}", body["index"]));
                    }
                    is_open = true;
                    message["content"].as_array_mut().ok_or("no message")?.push(body["content_block"].clone());
                }
                "content_block_delta" | "content_block_stop" if !is_open || body["index"] != count - 1 => {
                    return Err(format!("{kind} of block {} comes out of turn", body["index"]));
                }
                "content_block_delta" => {
                    let block = &mut message["content"][count - 1];
                    for key in ["text", "thinking", "signature"] {
                        if let Some(more) = body["delta"][key].as_str() {
                            block[key] = format!("{}{more}", block[key].as_str().unwrap_or_default()).into();
                        }
                    }
                    fragments.push_str(body["delta"]["partial_json"].as_str().unwrap_or_default());
                }
                "content_block_stop" => {
                    is_open = false;
                    if !fragments.is_empty() {
                        message["content"][count - 1]["input"] = arguments(&std::mem::take(&mut fragments));
                    }
                }
                "message_delta" => {
                    message["stop_reason"] = body["delta"]["stop_reason"].clone();
                    for (key, value) in body["usage"].as_object().into_iter().flatten() {
                        if !value.is_null() {
                            message["usage"][key] = value.clone();
                        }
                    }
                }
                _ => {}
            }
            last = kind;
        }
        if last != "message_stop" || is_open {
            return Err(format!("the last event is {last}"));
        }
        Ok(self.whole(&message))
    }

    fn error(&self, text: &str) -> Result<(), String> {
        let body: Value = serde_json::from_str(text).map_err(|error| format!("{error} in {text}"))?;
        let message = body["error"]["message"].as_str().unwrap_or_default();
        let is_error = body["type"] == "error" && body["error"]["type"].is_string() && !message.is_empty();
        if is_error { Ok(()) } else { Err(format!("no error in {text}")) }
    }

    fn stream_error(&self, text: &str) -> Result<(), String> {
        match events(text).pop() {
            Some(last) if last.event.as_deref() == Some("error") => self.error(&last.data),
            Some(last) => Err(format!("the last event is {last:?}")),
            None => self.error(text),
        }
    }

    fn sayable(&self, facts: Facts) -> Facts {
        let tools = facts.tools.into_iter().map(|(name, input)| match input {
            Value::Object(_) => (name, input),
            Value::String(text) => (name, json!({"INVALID_JSON": text})),
            other => (name, json!({"INVALID_JSON": other.to_string()})),
        });
        let tools: Vec<_> = tools.collect();
        // A vendor who calls tools and says that it simply stopped has stopped for the tools.
        let finish = facts.finish.map(|it| match it.as_str() {
            "length" | "content_filter" | "tool_calls" => it,
            _ if !tools.is_empty() => "tool_calls".to_owned(),
            _ => "stop".to_owned(),
        });
        // Counts are always told; of nothing they are zeros.
        Facts { tools, finish, tokens: facts.tokens.or(Some((0, 0))), ..facts }
    }
}

fn events(text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    Decoder::new(usize::MAX).push(text.as_bytes(), &mut events).unwrap();
    events
}

fn finish(reason: &str) -> String {
    match reason {
        "max_tokens" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    }
    .to_owned()
}

fn tokens_of(usage: &Value) -> Option<(u64, u64)> {
    let count = |key: &str| usage[key].as_u64().unwrap_or_default();
    let input = count("input_tokens") + count("cache_read_input_tokens") + count("cache_creation_input_tokens");
    usage.is_object().then(|| (input, count("output_tokens")))
}
