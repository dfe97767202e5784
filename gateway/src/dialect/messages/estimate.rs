//! How many input tokens a Messages call has, guessed where nobody counts them.

use llm::Error;
use serde_json::{Map, Value};

/// Bytes of text to a token: what English and code come to with the tokenizers of today.
const BYTES_PER_TOKEN: usize = 4;
/// Tokens of an image: what Anthropic counts for one of the largest size that it does not scale down.
const IMAGE_TOKENS: usize = 1600;
/// Bytes of a packed document, in base64, to a token: a page of some 75 KB has about 1,500.
const DOCUMENT_BYTES_PER_TOKEN: usize = 50;
/// What each message costs besides its content.
const MESSAGE_TOKENS: usize = 4;

/// The guess. It is one: a few parts in ten off is usual.
pub(crate) fn estimate(body: &[u8]) -> Result<u64, Error> {
    let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|error| Error::Invalid {
        message: format!("the body must be a JSON object, but is not: {error}"),
        param: None,
    })?;
    let messages = fields.get("messages").and_then(Value::as_array).map_or(0, Vec::len);
    let counted = ["system", "messages", "tools"].iter().filter_map(|it| fields.get(*it)).map(tokens).sum::<usize>();
    Ok(u64::try_from(counted + messages * MESSAGE_TOKENS).unwrap_or(u64::MAX))
}

fn tokens(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len().div_ceil(BYTES_PER_TOKEN),
        Value::Array(items) => items.iter().map(tokens).sum(),
        Value::Object(fields) if fields.get("type").is_some_and(|it| it == "image") => IMAGE_TOKENS,
        Value::Object(fields) if fields.get("type").is_some_and(|it| it == "base64") => {
            fields.get("data").and_then(Value::as_str).map_or(0, |it| it.len().div_ceil(DOCUMENT_BYTES_PER_TOKEN))
        }
        // Names count as well where they are the model's to read: in arguments and schemas.
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "type" | "role" | "cache_control" | "signature"))
            .map(|(name, value)| match name.as_str() {
                "text" | "content" | "thinking" | "input" | "source" => tokens(value),
                _ => name.len().div_ceil(BYTES_PER_TOKEN) + tokens(value),
            })
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_count_by_their_bytes_and_pictures_as_pictures() {
        let check = |body: Value, expected: u64| assert_eq!(estimate(body.to_string().as_bytes()).unwrap(), expected);
        check(json!({"messages": [{"role": "user", "content": "x".repeat(400)}]}), 104);
        check(
            json!({"system": "abcd", "messages": [{"role": "user", "content": [{"type": "text", "text": "abcde"}]}]}),
            7,
        );
        let picture = json!({"type": "image", "source": {"type": "base64", "data": "A".repeat(90_000)}});
        check(json!({"messages": [{"role": "user", "content": [picture]}]}), 1604);
        assert!(estimate(b"[]").is_err());
    }
}
