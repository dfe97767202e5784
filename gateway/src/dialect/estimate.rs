//! How many input tokens a call has, guessed where nobody counts them.

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

/// The guess for a body whose conversation is the list `turns`, with what `others` name beside it. It is one: a few parts
/// in ten off is usual.
pub(super) fn estimate(body: &[u8], turns: &str, others: &[&str]) -> Result<u64, Error> {
    let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|error| Error::Invalid {
        message: format!("the body must be a JSON object, but is not: {error}"),
        param: None,
    })?;
    let turn_count = fields.get(turns).and_then(Value::as_array).map_or(0, Vec::len);
    let counted = others.iter().chain([&turns]).filter_map(|it| fields.get(*it)).map(tokens).sum::<usize>();
    Ok(u64::try_from(counted + turn_count * MESSAGE_TOKENS).unwrap_or(u64::MAX))
}

fn tokens(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len().div_ceil(BYTES_PER_TOKEN),
        Value::Array(items) => items.iter().map(tokens).sum(),
        Value::Object(fields) if fields.get("type").is_some_and(|it| it == "image") => IMAGE_TOKENS,
        Value::Object(fields) if fields.get("type").is_some_and(|it| it == "base64") => packed(fields),
        // Google tells pictures from documents by their media type.
        Value::Object(fields) if media_type(fields).is_some_and(|it| it.starts_with("image/")) => IMAGE_TOKENS,
        Value::Object(fields) if media_type(fields).is_some() => packed(fields),
        // Names count as well where they are the model's to read: in arguments and schemas.
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "type" | "role" | "cache_control" | "signature"))
            .map(|(name, value)| match name.as_str() {
                "text" | "content" | "thinking" | "input" | "source" | "parts" | "inlineData" | "inline_data"
                | "fileData" | "file_data" => tokens(value),
                _ => name.len().div_ceil(BYTES_PER_TOKEN) + tokens(value),
            })
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

fn packed(fields: &Map<String, Value>) -> usize {
    fields.get("data").and_then(Value::as_str).map_or(0, |it| it.len().div_ceil(DOCUMENT_BYTES_PER_TOKEN))
}

fn media_type(fields: &Map<String, Value>) -> Option<&str> {
    fields.get("mimeType").or_else(|| fields.get("mime_type"))?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_count_by_their_bytes_and_pictures_as_pictures() {
        let check = |body: Value, expected: u64| {
            assert_eq!(estimate(body.to_string().as_bytes(), "messages", &["system", "tools"]).unwrap(), expected);
        };
        check(json!({"messages": [{"role": "user", "content": "x".repeat(400)}]}), 104);
        check(
            json!({"system": "abcd", "messages": [{"role": "user", "content": [{"type": "text", "text": "abcde"}]}]}),
            7,
        );
        let picture = json!({"type": "image", "source": {"type": "base64", "data": "A".repeat(90_000)}});
        check(json!({"messages": [{"role": "user", "content": [picture]}]}), 1604);
        assert!(estimate(b"[]", "messages", &[]).is_err());
    }

    #[test]
    fn googles_parts_count_alike() {
        let check = |parts: Value, expected: u64| {
            let body = json!({"contents": [{"role": "user", "parts": parts}]}).to_string();
            assert_eq!(estimate(body.as_bytes(), "contents", &["systemInstruction"]).unwrap(), expected);
        };
        check(json!([{"text": "x".repeat(400)}]), 104);
        check(json!([{"inlineData": {"mimeType": "image/png", "data": "A".repeat(90_000)}}]), 1604);
        check(json!([{"inlineData": {"mimeType": "application/pdf", "data": "A".repeat(5000)}}]), 104);
    }
}
