//! Token counts, which Responses names unlike chats.

use llm::Usage;
use serde_json::{Map, Value, json};

const NAMES: [(&str, &str); 2] =
    [("input_tokens_details", "prompt_tokens_details"), ("output_tokens_details", "completion_tokens_details")];

/// A response's counts as a chat has them.
pub(crate) fn usage_of_response(counts: &Map<String, Value>) -> Usage {
    let count = |key: &str| counts.get(key).and_then(Value::as_u64).unwrap_or_default();
    let mut usage = Usage::of(count("input_tokens"), count("output_tokens"));
    if let Some(total) = counts.get("total_tokens").and_then(Value::as_u64) {
        usage.total_tokens = total;
    }
    for (key, value) in counts {
        if !matches!(key.as_str(), "input_tokens" | "output_tokens" | "total_tokens") && !value.is_null() {
            let name = NAMES.iter().find(|(ours, _)| ours == key).map_or(key.as_str(), |(_, theirs)| theirs);
            usage.rest.insert(name.to_owned(), value.clone());
        }
    }
    usage
}

/// A chat's counts as a response has them.
pub(super) fn usage_of_chat(usage: Option<&Usage>) -> Value {
    let Some(usage) = usage else { return Value::Null };
    let mut input = details(usage, "prompt_tokens_details");
    input.entry("cached_tokens").or_insert(0.into());
    let mut output = details(usage, "completion_tokens_details");
    output.entry("reasoning_tokens").or_insert(0.into());
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": input,
        "output_tokens": usage.completion_tokens.unwrap_or_default(),
        "output_tokens_details": output,
        "total_tokens": usage.total_tokens,
    })
}

fn details(usage: &Usage, key: &str) -> Map<String, Value> {
    let mut details = usage.rest.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    details.retain(|_, value| !value.is_null());
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_the_way_there_and_back() {
        let counts = json!({
            "input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 16,
        });
        let usage = usage_of_response(counts.as_object().unwrap());
        assert_eq!(usage.rest["completion_tokens_details"]["reasoning_tokens"], 3);
        assert_eq!(usage_of_chat(Some(&usage)), counts);
    }
}
