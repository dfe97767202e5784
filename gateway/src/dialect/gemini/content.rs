//! One of Google's parts as a part of a chat's message.

use llm::{Error, Part, Rest};
use serde_json::{Value, json};

pub(super) fn part(value: Value, at: &str) -> Result<Part, Error> {
    let Value::Object(fields) = &value else {
        return Err(Error::invalid(at, format!("`{at}` must be an object like `{{\"text\": \"…\"}}`")));
    };
    if let Some(text) = fields.get("text").and_then(Value::as_str) {
        return Ok(Part { kind: "text".to_owned(), text: Some(text.to_owned()), rest: Rest::new() });
    }
    if let Some(data) = fields.get("inlineData") {
        let (mime, bytes) = (text_of(data, "mimeType"), text_of(data, "data"));
        if bytes.is_empty() {
            return Err(Error::invalid(
                format!("{at}.inlineData.data"),
                format!("`{at}.inlineData.data` is missing; send the bytes in base64"),
            ));
        }
        return Ok(inline(mime, bytes, data.get("displayName").and_then(Value::as_str)));
    }
    if let Some(file) = fields.get("fileData") {
        let (mime, uri) = (text_of(file, "mimeType"), text_of(file, "fileUri"));
        if mime.is_empty() || mime.starts_with("image/") {
            let mut image = json!({"url": uri});
            if !mime.is_empty() {
                image["format"] = mime.into();
            }
            return Ok(of("image_url", image));
        }
        return Ok(of("file", json!({"file_id": uri, "format": mime})));
    }
    // What only Google has: code, server-side tools, media still to come.
    Ok(of("gemini_part", value))
}

/// Bytes as the part that OpenAI has for them.
fn inline(mime: &str, bytes: &str, name: Option<&str>) -> Part {
    if mime.starts_with("image/") {
        return of("image_url", json!({"url": format!("data:{mime};base64,{bytes}")}));
    }
    if let Some(format) = mime.strip_prefix("audio/") {
        let format = if format == "mpeg" { "mp3" } else { format };
        return of("input_audio", json!({"data": bytes, "format": format}));
    }
    let name = name.map_or_else(|| format!("file.{}", mime.rsplit('/').next().unwrap_or("bin")), str::to_owned);
    of("file", json!({"filename": name, "file_data": format!("data:{mime};base64,{bytes}")}))
}

fn of(kind: &str, value: Value) -> Part {
    Part { kind: kind.to_owned(), text: None, rest: Rest::from_iter([(kind.to_owned(), value)]) }
}

fn text_of<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}
