//! OpenAI's chat completions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::facts::{Facts, arguments};
use super::Caller;
use crate::support::data_of;

pub(crate) struct Chats;

impl Caller for Chats {
    fn name(&self) -> &'static str {
        "chats"
    }

    fn family(&self) -> &'static str {
        "openai"
    }

    fn request(&self, recorded: Option<&Value>, endpoint: &str, stream: bool) -> (String, Value) {
        let hello = json!({"messages": [{"role": "user", "content": "hi"}]});
        let mut body = recorded.filter(|it| it.is_object()).cloned().unwrap_or(hello);
        body["model"] = endpoint.into();
        if stream {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
        }
        ("/v1/chat/completions".to_owned(), body)
    }

    fn whole(&self, answer: &Value) -> Facts {
        let choice = &answer["choices"][0];
        let message = &choice["message"];
        let tools = message["tool_calls"].as_array().into_iter().flatten();
        Facts {
            text: text_of(&message["content"]),
            reasoning: reasoning_of(message),
            tools: tools
                .map(|it| (text_of(&it["function"]["name"]), arguments(&text_of(&it["function"]["arguments"]))))
                .collect(),
            finish: choice["finish_reason"].as_str().map(str::to_owned),
            tokens: tokens_of(&answer["usage"]),
        }
    }

    fn stream(&self, text: &str) -> Result<Facts, String> {
        let events: Vec<String> = text.split("\n\n").filter(|it| !it.starts_with(':')).map(str::to_owned).collect();
        let mut chunks = data_of(&events.join("\n\n"));
        if chunks.pop().as_deref() != Some("[DONE]") {
            return Err("the last event is not [DONE]".to_owned());
        }
        let mut facts = Facts::default();
        let mut tools: BTreeMap<u64, (String, String)> = BTreeMap::new();
        for chunk in chunks {
            let chunk: Value = serde_json::from_str(&chunk).map_err(|error| format!("{error} in {chunk}"))?;
            for usage in [&chunk["usage"], &chunk["x_groq"]["usage"]] {
                facts.tokens = tokens_of(usage).or(facts.tokens);
            }
            let Some(choice) = chunk["choices"].as_array().into_iter().flatten().find(|it| it["index"] == 0) else {
                continue;
            };
            let delta = &choice["delta"];
            facts.text.push_str(&text_of(&delta["content"]));
            facts.reasoning.push_str(&reasoning_of(delta));
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                let (name, arguments) = tools.entry(call["index"].as_u64().unwrap_or_default()).or_default();
                if name.is_empty() {
                    *name = text_of(&call["function"]["name"]);
                }
                arguments.push_str(&text_of(&call["function"]["arguments"]));
            }
            facts.finish = choice["finish_reason"].as_str().map(str::to_owned).or(facts.finish);
        }
        facts.tools = tools.into_values().map(|(name, text)| (name, arguments(&text))).collect();
        Ok(facts)
    }

    fn error(&self, text: &str) -> Result<(), String> {
        let body: Value = serde_json::from_str(text).map_err(|error| format!("{error} in {text}"))?;
        let message = body["error"]["message"].as_str().unwrap_or_default();
        if message.is_empty() { Err(format!("no error in {text}")) } else { Ok(()) }
    }

    fn stream_error(&self, text: &str) -> Result<(), String> {
        if text.trim_end().ends_with("[DONE]") {
            return Err("a broken stream ends as if it were whole".to_owned());
        }
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        let body = last.strip_prefix("data: ").unwrap_or(last);
        self.error(body)
    }
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|it| it["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn reasoning_of(message: &Value) -> String {
    ["reasoning_content", "reasoning"].iter().find_map(|it| message[*it].as_str()).unwrap_or_default().to_owned()
}

fn tokens_of(usage: &Value) -> Option<(u64, u64)> {
    Some((usage["prompt_tokens"].as_u64()?, usage["completion_tokens"].as_u64().unwrap_or_default()))
}
