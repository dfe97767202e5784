//! Token counts: Anthropic counts cached input apart, a chat counts it in.

use llm::Usage;
use serde_json::{Map, Value, json};

/// Anthropic's counts as a chat has them; what a chat does not name rides along.
pub(crate) fn usage_of_message(counts: &Map<String, Value>) -> Usage {
    let count = |key: &str| counts.get(key).and_then(Value::as_u64).unwrap_or_default();
    let (read, written) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    let mut usage =
        Usage::of(count("input_tokens").saturating_add(read).saturating_add(written), count("output_tokens"));
    if read > 0 || written > 0 {
        usage
            .rest
            .insert("prompt_tokens_details".to_owned(), json!({"cached_tokens": read, "cache_write_tokens": written}));
    }
    for (key, value) in counts {
        if !matches!(key.as_str(), "input_tokens" | "output_tokens") && !value.is_null() {
            usage.rest.insert(key.clone(), value.clone());
        }
    }
    usage
}

/// A chat's counts as Anthropic has them.
pub(crate) fn usage_of_chat(usage: Option<&Usage>) -> Map<String, Value> {
    let nothing = Usage::default();
    let usage = usage.unwrap_or(&nothing);
    let detail = |key: &str| {
        let details = usage.rest.get("prompt_tokens_details");
        details.and_then(|it| it.get(key)).and_then(Value::as_u64).unwrap_or_default()
    };
    let read = detail("cached_tokens").min(usage.prompt_tokens);
    let written = detail("cache_write_tokens").min(usage.prompt_tokens - read);
    let mut counts = Map::new();
    counts.insert("input_tokens".to_owned(), (usage.prompt_tokens - read - written).into());
    counts.insert("cache_creation_input_tokens".to_owned(), written.into());
    counts.insert("cache_read_input_tokens".to_owned(), read.into());
    counts.insert("output_tokens".to_owned(), usage.completion_tokens.unwrap_or_default().into());
    for (key, value) in &usage.rest {
        if key != "prompt_tokens_details" && !counts.contains_key(key) && !value.is_null() {
            counts.insert(key.clone(), value.clone());
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_the_way_there_and_back() {
        let counts = json!({
            "input_tokens": 5, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 11, "output_tokens": 13,
            "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0},
        });
        let usage = usage_of_message(counts.as_object().unwrap());
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (23, Some(13), 36));
        assert_eq!(Value::from(usage_of_chat(Some(&usage))), counts);
    }

    #[test]
    fn parts_are_never_more_than_the_whole() {
        let usage: Usage = serde_json::from_value(json!({
            "prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11,
            "prompt_tokens_details": {"cached_tokens": 40},
        }))
        .unwrap();
        let counts = usage_of_chat(Some(&usage));
        assert_eq!((&counts["input_tokens"], &counts["cache_read_input_tokens"]), (&json!(0), &json!(10)));
    }
}
