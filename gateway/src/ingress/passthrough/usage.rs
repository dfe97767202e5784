//! What answers of several kinds say of their tokens.

use llm::Usage;
use serde_json::{Map, Value, json};

use crate::dialect::gemini::usage_of_google;
use crate::dialect::messages::usage_of_message;

/// The counts of a whole answer, JSON; `None` where it tells none.
pub(super) fn of(body: &[u8]) -> Option<Usage> {
    match serde_json::from_slice(body).ok()? {
        // Google streams lists to those who do not ask for events; the last counts are those of the whole.
        Value::Array(list) => list.iter().rev().find_map(of_value),
        answer => of_value(&answer),
    }
}

/// The counts of a stream, as its events tell them.
#[derive(Default)]
pub(super) struct Counts {
    /// What Anthropic tells at the beginning and corrects at the end.
    message: Map<String, Value>,
    /// The counts that came last, of any other kind.
    last: Option<Usage>,
    /// Whether they were counted before.
    is_settled: bool,
}

impl Counts {
    /// Of an answer that was paid for when it was made.
    pub(super) fn nothing() -> Self {
        Self { last: Some(Usage::default()), is_settled: true, ..Self::default() }
    }

    pub(super) fn see(&mut self, data: &str) {
        // Most events count nothing; the word stands in quotes that no text has within an event.
        if self.is_settled || !data.contains("\"usage") {
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else { return };
        let counts = match event["type"].as_str() {
            Some("message_start") => event.pointer("/message/usage"),
            Some("message_delta") => event.get("usage"),
            _ => {
                let answer = event.get("response").filter(|it| it.is_object()).unwrap_or(&event);
                self.last = of_value(answer).or(self.last.take());
                return;
            }
        };
        if let Some(counts) = counts.and_then(Value::as_object) {
            let told = counts.iter().filter(|(_, value)| !value.is_null());
            self.message.extend(told.map(|(name, value)| (name.clone(), value.clone())));
        }
    }

    pub(super) fn usage(self) -> Option<Usage> {
        if self.message.is_empty() { self.last } else { Some(usage_of_message(&self.message)) }
    }
}

/// The counts that an answer or an event tells.
pub(in crate::ingress) fn of_value(answer: &Value) -> Option<Usage> {
    if let Some(counts) = answer.get("usageMetadata").and_then(Value::as_object) {
        return Some(usage_of_google(counts));
    }
    if let Some(units) = answer.pointer("/meta/billed_units").filter(|it| it.is_object()) {
        let mut usage = Usage::default();
        usage.rest.insert("billed_units".to_owned(), units.clone());
        return Some(usage);
    }
    let counts = answer.get("usage").filter(|it| it.is_object())?;
    if answer["type"] == "message" {
        return counts.as_object().map(usage_of_message);
    }
    if counts.get("prompt_tokens").is_some()
        || counts.get("total_tokens").is_some() && counts.get("input_tokens").is_none()
    {
        return serde_json::from_value(counts.clone()).ok();
    }
    // Images, transcriptions and responses count input and output.
    let count = |key: &str| counts[key].as_u64();
    let (input, output) = (count("input_tokens")?, count("output_tokens").unwrap_or_default());
    let mut usage = Usage::of(input, output);
    for (ours, theirs) in [
        ("prompt_tokens_details", ["input_tokens_details", "input_token_details"]),
        ("completion_tokens_details", ["output_tokens_details", "output_token_details"]),
    ] {
        if let Some(details) = theirs.iter().find_map(|it| counts.get(*it)).filter(|it| it.is_object()) {
            usage.rest.insert(ours.to_owned(), json!(details));
        }
    }
    Some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_several_kinds() {
        let check = |answer: Value, expected: Option<(u64, Option<u64>)>| {
            let usage = of(answer.to_string().as_bytes());
            assert_eq!(usage.map(|it| (it.prompt_tokens, it.completion_tokens)), expected, "{answer}");
        };
        check(json!({"usage": {"input_tokens": 5, "output_tokens": 7}}), Some((5, Some(7))));
        check(json!({"usage": {"prompt_tokens": 5, "total_tokens": 5}}), Some((5, None)));
        check(json!({"usage": {"type": "duration", "seconds": 3}}), None);
        check(json!({"usageMetadata": {"promptTokenCount": 2}}), Some((2, Some(0))));
        check(json!({"results": []}), None);
        let reranked = of(json!({"meta": {"billed_units": {"search_units": 1}}}).to_string().as_bytes()).unwrap();
        assert_eq!(reranked.rest["billed_units"], json!({"search_units": 1}));
    }
    #[test]
    fn the_last_counts_of_a_stream_are_those_of_the_whole() {
        let check = |events: &[Value], expected: Option<(u64, Option<u64>)>| {
            let mut counts = Counts::default();
            for event in events {
                counts.see(&event.to_string());
            }
            assert_eq!(counts.usage().map(|it| (it.prompt_tokens, it.completion_tokens)), expected, "{events:?}");
        };
        check(
            &[
                json!({"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}}),
                json!({"type": "content_block_delta", "delta": {"text": "hi"}}),
                json!({"type": "message_delta", "usage": {"input_tokens": null, "output_tokens": 9}}),
            ],
            Some((5, Some(9))),
        );
        check(
            &[
                json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}),
                json!({"choices": [], "usage": null}),
            ],
            Some((3, Some(1))),
        );
        let usage = json!({"input_tokens": 3, "output_tokens": 4, "total_tokens": 7});
        check(&[json!({"type": "response.completed", "response": {"usage": usage}})], Some((3, Some(4))));
        check(&[json!({"type": "image_generation.completed", "usage": usage})], Some((3, Some(4))));
        check(&[json!({"type": "transcript.text.done", "text": "a"})], None);
        check(&[json!({"usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 3}})], Some((2, Some(3))));
    }
}
