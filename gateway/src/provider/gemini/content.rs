//! The content of messages as parts: text, images, files, audio, calls of functions and their results.

use llm::{Content, Error, Message, Part, Rest, ToolCall};
use serde_json::{Value, json};

use crate::losses::Losses;
use crate::provider::media::inline;
use crate::provider::tools::arguments;

/// A content as parts.
pub(super) fn parts(content: Option<Content>, at: &str, losses: &mut Losses) -> Result<Vec<Value>, Error> {
    match content {
        None => Ok(Vec::new()),
        Some(Content::Text(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Content::Text(text)) => Ok(vec![json!({"text": text})]),
        Some(Content::Parts(parts)) => {
            let mut all = Vec::with_capacity(parts.len());
            for (index, it) in parts.into_iter().enumerate() {
                all.extend(part(it, &format!("{at}.content[{index}]"), losses)?);
            }
            Ok(all)
        }
    }
}

fn part(mut part: Part, at: &str, losses: &mut Losses) -> Result<Option<Value>, Error> {
    if part.rest.remove("cache_control").is_some_and(|it| !it.is_null()) {
        losses.add(format!("{at}.cache_control"), "is left out, because Gemini caches prompts by itself");
    }
    Ok(Some(match part.kind.as_str() {
        "text" | "input_text" | "output_text" => json!({"text": part.text.unwrap_or_default()}),
        "refusal" => json!({"text": part.rest.remove("refusal").unwrap_or_default()}),
        "image_url" | "video_url" => {
            let object = part.rest.remove(&part.kind).unwrap_or_default();
            if let Some(detail) = object.get("detail").and_then(Value::as_str).filter(|it| *it != "auto") {
                losses.add(
                    format!("{at}.image_url.detail"),
                    format!("(`{detail}`) is left out; `generationConfig.mediaResolution` sets it for the whole call"),
                );
            }
            let url = object.as_str().or_else(|| object.get("url").and_then(Value::as_str));
            let named = object.get("mime_type").or_else(|| object.get("format")).and_then(Value::as_str);
            let assumed = if part.kind == "image_url" { "image/jpeg" } else { "video/mp4" };
            source(url, named, assumed, at)?
        }
        "input_audio" => {
            let audio = &part.rest.get("input_audio").cloned().unwrap_or_default();
            let data = audio["data"].as_str().ok_or_else(|| {
                Error::invalid(
                    format!("{at}.input_audio.data"),
                    format!("`{at}.input_audio.data` is missing; send the audio in base64"),
                )
            })?;
            let format = audio["format"].as_str().unwrap_or("wav");
            let mime = if format.contains('/') { format.to_owned() } else { format!("audio/{format}") };
            json!({"inlineData": {"mimeType": mime, "data": data}})
        }
        "file" => {
            let file = part.rest.remove("file").unwrap_or_default();
            let named = file.get("format").or_else(|| file.get("mime_type")).and_then(Value::as_str);
            let address = ["file_data", "file_id", "file_url"].iter().find_map(|it| file.get(*it)?.as_str());
            let by_name = file.get("filename").and_then(Value::as_str).and_then(media_type_of);
            source(address, named.or(by_name), "application/pdf", at)?
        }
        // A part that came in Google's own words.
        "gemini_part" => part.rest.remove("gemini_part").unwrap_or_default(),
        other => {
            losses.add(at, format!("(a part of the type `{other}`) is left out, because Gemini has no such part"));
            return Ok(None);
        }
    }))
}

/// Where an image or a file comes from: a data address becomes bytes, any other stays an address that Google fetches.
fn source(address: Option<&str>, named: Option<&str>, assumed: &str, at: &str) -> Result<Value, Error> {
    let wrong = || {
        Error::invalid(
            at,
            format!("`{at}` must have an address, `https://…`, `gs://…`, or `data:…;base64,…`, that Gemini can read"),
        )
    };
    let address = address.ok_or_else(wrong)?;
    if let Some(bytes) = inline(address) {
        let mime = Some(bytes.media_type).filter(|it| !it.is_empty()).unwrap_or(assumed);
        return Ok(json!({"inlineData": {"mimeType": mime, "data": bytes.base64}}));
    }
    if !["https://", "http://", "gs://"].iter().any(|it| address.starts_with(it)) {
        return Err(wrong());
    }
    let mime = named.or_else(|| media_type_of(address)).unwrap_or(assumed);
    Ok(json!({"fileData": {"mimeType": mime, "fileUri": address}}))
}

/// What a name's ending says of the content.
fn media_type_of(name: &str) -> Option<&'static str> {
    const TYPES: [(&str, &str); 22] = [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("gif", "image/gif"),
        ("heic", "image/heic"),
        ("heif", "image/heif"),
        ("pdf", "application/pdf"),
        ("txt", "text/plain"),
        ("md", "text/markdown"),
        ("csv", "text/csv"),
        ("html", "text/html"),
        ("json", "application/json"),
        ("mp3", "audio/mp3"),
        ("wav", "audio/wav"),
        ("ogg", "audio/ogg"),
        ("flac", "audio/flac"),
        ("m4a", "audio/mp4"),
        ("mp4", "video/mp4"),
        ("webm", "video/webm"),
        ("mov", "video/quicktime"),
        ("mpeg", "video/mpeg"),
    ];
    let path = name.split(['?', '#']).next()?;
    let ending = path.rsplit_once('.')?.1.to_ascii_lowercase();
    TYPES.iter().find(|(it, _)| *it == ending).map(|(_, mime)| *mime)
}

/// Google's signature of a thought, in our place for it or in that of Google's own OpenAI-shaped server.
pub(super) fn signature(rest: &Rest) -> Option<Value> {
    rest.get("thought_signature")
        .or_else(|| rest.get("extra_content")?.pointer("/google/thought_signature"))
        .filter(|it| it.is_string())
        .cloned()
}

/// A call that the model made, told back to it.
pub(super) fn tool_call(call: &ToolCall, at: &str, losses: &mut Losses) -> Result<Value, Error> {
    if call.rest.contains_key("cache_control") {
        losses.add(format!("{at}.cache_control"), "is left out, because Gemini caches prompts by itself");
    }
    let mut function = json!({"name": call.function.name, "args": arguments(call, at)?});
    if !call.id.is_empty() {
        function["id"] = call.id.clone().into();
    }
    let mut part = json!({"functionCall": function});
    if let Some(signature) = signature(&call.rest) {
        part["thoughtSignature"] = signature;
    }
    Ok(part)
}

/// What a tool gave: its words as the function's response, and what it shows, which follows in a turn of its own.
/// Google wants an object: words that are one stand as they are, others under the key that Google documents.
pub(super) fn tool_response(
    message: Message,
    name: &str,
    at: &str,
    losses: &mut Losses,
) -> Result<(Value, Vec<Value>), Error> {
    let text = message.text();
    let is_error = message.rest.get("is_error").and_then(Value::as_bool).unwrap_or_default();
    let response = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(object)) if !is_error => object.into(),
        Ok(value @ Value::Array(_)) if !is_error => json!({"output": value}),
        _ => json!({if is_error { "error" } else { "output" }: text}),
    };
    let mut function = json!({"name": name, "response": response});
    if let Some(id) = message.tool_call_id {
        function["id"] = id.into();
    }
    let shown = match message.content {
        Some(Content::Parts(parts)) => parts.into_iter().filter(|it| it.text.is_none()).collect(),
        _ => Vec::new(),
    };
    let shown = parts(Some(Content::Parts(shown)), at, losses)?;
    Ok((json!({"functionResponse": function}), shown))
}
