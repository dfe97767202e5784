//! Google's generateContent.

use serde_json::{Value, json};

use super::super::facts::Facts;
use super::Caller;

pub(crate) struct Gemini;

impl Caller for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn family(&self) -> &'static str {
        "gemini"
    }

    fn request(&self, recorded: Option<&Value>, endpoint: &str, stream: bool) -> (String, Value) {
        let hello = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
        let mut body = recorded.filter(|it| it.is_object()).cloned().unwrap_or(hello);
        if recorded.is_none() {
            // Thoughts are shown to those who ask for them.
            body["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
        }
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        (format!("/v1beta/models/{endpoint}:{method}"), body)
    }

    fn whole(&self, answer: &Value) -> Facts {
        let mut facts = Facts::default();
        add(&mut facts, answer);
        facts
    }

    fn stream(&self, text: &str) -> Result<Facts, String> {
        let mut facts = Facts::default();
        for event in text.replace("\r\n", "\n").split("\n\n").filter(|it| !it.is_empty()) {
            let data = event.strip_prefix("data: ").ok_or_else(|| format!("no data event: {event}"))?;
            let answer: Value = serde_json::from_str(data).map_err(|error| format!("{error} in {data}"))?;
            if answer.get("error").is_some() {
                return Err(format!("an error: {answer}"));
            }
            add(&mut facts, &answer);
        }
        Ok(facts)
    }

    fn error(&self, text: &str) -> Result<(), String> {
        let body: Value = serde_json::from_str(text).map_err(|error| format!("{error} in {text}"))?;
        let error = &body["error"];
        let is_google = error["code"].is_u64() && error["status"].is_string() && error["message"].as_str() > Some("");
        if is_google { Ok(()) } else { Err(format!("no error of Google's: {text}")) }
    }

    fn stream_error(&self, text: &str) -> Result<(), String> {
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        self.error(last.strip_prefix("data: ").unwrap_or(last))
    }

    fn sayable(&self, facts: Facts) -> Facts {
        // Arguments are an object; what a model wrote that is none stands under a name of its own.
        let tools = facts.tools.into_iter().map(|(name, args)| match args {
            Value::Object(_) => (name, args),
            Value::String(text) => (name, json!({"INVALID_JSON": text})),
            other => (name, json!({"INVALID_JSON": other.to_string()})),
        });
        let tools: Vec<_> = tools.collect();
        // A vendor who calls tools and says that it simply stopped has stopped for the tools.
        let finish = facts.finish.map(|it| match it.as_str() {
            "length" | "content_filter" => it,
            _ if !tools.is_empty() => "tool_calls".to_owned(),
            _ => "stop".to_owned(),
        });
        Facts { tools, finish, ..facts }
    }
}

fn add(facts: &mut Facts, answer: &Value) {
    let candidate = &answer["candidates"][0];
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        if let Some(text) = part["text"].as_str() {
            let is_thought = part["thought"] == true;
            if is_thought { facts.reasoning.push_str(text) } else { facts.text.push_str(text) }
        }
        if let Some(call) = part.get("functionCall") {
            let name = call["name"].as_str().unwrap_or_default().to_owned();
            facts.tools.push((name, call.get("args").cloned().unwrap_or_else(|| json!({}))));
        }
    }
    if let Some(reason) = candidate["finishReason"].as_str() {
        let finish = match reason {
            "MAX_TOKENS" => "length",
            "SAFETY" => "content_filter",
            _ if facts.tools.is_empty() => "stop",
            _ => "tool_calls",
        };
        facts.finish = Some(finish.to_owned());
    }
    let counts = &answer["usageMetadata"];
    let count = |key: &str| counts[key].as_u64().unwrap_or_default();
    if counts.is_object() {
        facts.tokens = Some((
            count("promptTokenCount") + count("toolUsePromptTokenCount"),
            count("candidatesTokenCount") + count("thoughtsTokenCount"),
        ));
    }
}
