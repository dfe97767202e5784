//! Token counts between Google's words and OpenAI's.

use llm::Usage;
use serde_json::{Map, Value, json};

/// Counts as a chat has them: Google counts thoughts and the results of its own tools apart, a chat counts them in.
pub(crate) fn usage_of_google(counts: &Map<String, Value>) -> Usage {
    let count = |key: &str| counts.get(key).and_then(Value::as_u64).unwrap_or_default();
    let thoughts = count("thoughtsTokenCount");
    let mut usage = Usage::of(
        count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount")),
        count("candidatesTokenCount").saturating_add(thoughts),
    );
    let cached = count("cachedContentTokenCount");
    let prompt = details(cached, "cached_tokens", counts.get("promptTokensDetails"));
    let completion = details(thoughts, "reasoning_tokens", counts.get("candidatesTokensDetails"));
    for (name, details) in [("prompt_tokens_details", prompt), ("completion_tokens_details", completion)] {
        if !details.is_empty() {
            usage.rest.insert(name.to_owned(), details.into());
        }
    }
    for (key, value) in counts {
        match key.as_str() {
            "promptTokenCount"
            | "candidatesTokenCount"
            | "totalTokenCount"
            | "thoughtsTokenCount"
            | "cachedContentTokenCount" => {}
            "serviceTier" => {
                usage.rest.insert("service_tier".to_owned(), value.clone());
            }
            _ => {
                usage.rest.insert(key.clone(), value.clone());
            }
        }
    }
    usage
}

/// Counts as Google has them, which are those that the provider told where it was Google.
pub(crate) fn usage_of_chat(usage: &Usage) -> Value {
    let detail = |of: &str, name: &str| usage.rest.get(of).and_then(|it| it[name].as_u64()).unwrap_or_default();
    let thoughts = detail("completion_tokens_details", "reasoning_tokens");
    let tools = usage.rest.get("toolUsePromptTokenCount").and_then(Value::as_u64).unwrap_or_default();
    let mut out = Map::new();
    out.insert("promptTokenCount".to_owned(), usage.prompt_tokens.saturating_sub(tools).into());
    if let Some(completion) = usage.completion_tokens {
        out.insert("candidatesTokenCount".to_owned(), completion.saturating_sub(thoughts).into());
    }
    for (name, count) in [
        ("thoughtsTokenCount", thoughts),
        ("cachedContentTokenCount", detail("prompt_tokens_details", "cached_tokens")),
    ] {
        if count > 0 {
            out.insert(name.to_owned(), count.into());
        }
    }
    out.insert("totalTokenCount".to_owned(), usage.total_tokens.into());
    for (name, value) in &usage.rest {
        if name.contains(|it: char| it.is_ascii_uppercase()) && !name.contains('_') {
            out.insert(name.clone(), value.clone());
        }
    }
    out.into()
}

/// A count, and those of Google's modalities that a chat tells apart.
fn details(count: u64, name: &str, modalities: Option<&Value>) -> Map<String, Value> {
    let mut details = Map::new();
    if count > 0 {
        details.insert(name.to_owned(), count.into());
    }
    for it in modalities.and_then(Value::as_array).into_iter().flatten() {
        let name = match it["modality"].as_str() {
            Some("AUDIO") => "audio_tokens",
            Some("IMAGE") => "image_tokens",
            _ => continue,
        };
        details.insert(name.to_owned(), json!(it["tokenCount"].as_u64().unwrap_or_default()));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_counts_are_counted_in() {
        let google = json!({
            "promptTokenCount": 100, "cachedContentTokenCount": 40, "toolUsePromptTokenCount": 5,
            "candidatesTokenCount": 20, "thoughtsTokenCount": 7, "totalTokenCount": 132, "trafficType": "ON_DEMAND",
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 12}, {"modality": "TEXT", "tokenCount": 8}],
        });
        let usage = usage_of_google(google.as_object().unwrap());
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (105, Some(27), 132));
        assert_eq!(usage.rest["prompt_tokens_details"], json!({"cached_tokens": 40}));
        assert_eq!(usage.rest["completion_tokens_details"], json!({"reasoning_tokens": 7, "image_tokens": 12}));
        assert_eq!(usage.rest["trafficType"], "ON_DEMAND");
        assert_eq!(usage.rest["toolUsePromptTokenCount"], 5);
        assert_eq!(usage_of_chat(&usage), google);
    }
}
