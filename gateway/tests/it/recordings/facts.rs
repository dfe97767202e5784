//! What an answer says, in words that are the same for every format.

use serde_json::{Value, json};

use super::families::Host;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) text: String,
    pub(super) reasoning: String,
    /// Names and arguments of the tools that are called, in order.
    pub(super) tools: Vec<(String, Value)>,
    /// Why the answer ended, in OpenAI's words; `None` where the provider does not say.
    pub(super) finish: Option<String>,
    /// Tokens of the input, cached ones included, and of the output, reasoning included.
    pub(super) tokens: Option<(u64, u64)>,
}

impl Facts {
    /// Where these differ from what they must be.
    pub(super) fn complaints(&self, expected: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut same = |what: &str, got: String, expected: String| {
            if got != expected {
                wrong.push(format!("{what} is {got}, not {expected}"));
            }
        };
        same("text", format!("{:?}", self.text), format!("{:?}", expected.text));
        same("reasoning", format!("{:?}", self.reasoning), format!("{:?}", expected.reasoning));
        same("tools", shown(&self.tools), shown(&expected.tools));
        same("finish", format!("{:?}", self.finish), format!("{:?}", expected.finish));
        same("tokens", format!("{:?}", self.tokens), format!("{:?}", expected.tokens));
        wrong
    }
}

/// The order of an object's keys says nothing.
fn shown(tools: &[(String, Value)]) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                entries.sort_by(|left, right| left.0.cmp(&right.0));
                Value::Object(entries.into_iter().collect())
            }
            Value::Array(list) => list.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    tools.iter().map(|(name, arguments)| format!("{name}{}", sorted(arguments))).collect::<Vec<_>>().join(" ")
}

/// A tool's arguments: none means an empty object, what is no JSON stands for itself.
pub(super) fn arguments(text: &str) -> Value {
    if text.is_empty() { json!({}) } else { serde_json::from_str(text).unwrap_or_else(|_| text.into()) }
}

/// Whether the provider itself ended the recorded answer with an error.
pub(super) fn ends_in_error(recording: &Value, body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    recording["status"] == 200
        && recording["stream"] == true
        && match recording["family"].as_str() {
            Some("openai") => text.contains("event: error\n") || text.contains("\"error\":{"),
            Some("anthropic") => text.contains("event: error\n"),
            _ => false,
        }
}

/// What a recording says.
pub(super) fn expected(recording: &Value, host: &Host) -> Facts {
    let facts = &recording["facts"];
    let tools = facts["tools"].as_array().into_iter().flatten();
    let tools: Vec<_> = tools
        .map(|it| {
            let arguments =
                it["args"].as_str().map_or_else(|| it.get("args_json").cloned().unwrap_or_default(), arguments);
            (it["name"].as_str().unwrap_or_default().to_owned(), arguments)
        })
        .collect();
    Facts {
        text: facts["text"].as_str().unwrap_or_default().to_owned(),
        reasoning: facts["reasoning"].as_str().unwrap_or_default().to_owned(),
        finish: facts["finish"].as_str().map(|it| (host.finish)(it, !tools.is_empty()).to_owned()),
        tools,
        tokens: facts.get("usage").filter(|it| it.is_object()).map(host.tokens),
    }
}
