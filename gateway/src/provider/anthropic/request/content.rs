//! The content of messages as blocks: text, images, documents, tool calls and their results.

use llm::{Content, Error, Message, Part, ToolCall};
use serde_json::{Map, Value, json};

use crate::losses::Losses;
use crate::provider::media::{address, inline};
use crate::provider::tools::{answered, arguments};

/// A content as blocks. Empty texts are left out, because Anthropic refuses them.
pub(super) fn blocks(content: Option<Content>, at: &str, losses: &mut Losses) -> Result<Vec<Value>, Error> {
    match content {
        None => Ok(Vec::new()),
        Some(Content::Text(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Content::Text(text)) => Ok(vec![json!({"type": "text", "text": text})]),
        Some(Content::Parts(parts)) => parts
            .into_iter()
            .enumerate()
            .filter(|(_, it)| it.kind != "text" || it.text.as_ref().is_some_and(|text| !text.is_empty()))
            .filter_map(|(index, it)| block(it, &format!("{at}.content[{index}]"), losses).transpose())
            .collect(),
    }
}

/// A part as a block; `None` for what Anthropic's models cannot perceive.
fn block(mut part: Part, at: &str, losses: &mut Losses) -> Result<Option<Value>, Error> {
    let cache_control = part.rest.remove("cache_control");
    let mut block = match part.kind.as_str() {
        "text" => json!({"type": "text", "text": part.text.unwrap_or_default()}),
        "refusal" => json!({"type": "text", "text": part.rest.remove("refusal").unwrap_or_default()}),
        "image_url" => json!({"type": "image", "source": source(address(&part, "image_url"), at)?}),
        "file" => file(part.rest.get("file").unwrap_or(&Value::Null), at)?,
        "input_audio" => {
            losses.add(at, "is left out: Anthropic's models take no audio");
            return Ok(None);
        }
        // One of Anthropic's own blocks, written as Anthropic has it.
        _ => {
            let mut own = Map::new();
            own.insert("type".to_owned(), part.kind.into());
            if let Some(text) = part.text {
                own.insert("text".to_owned(), text.into());
            }
            own.extend(part.rest);
            own.into()
        }
    };
    if let Some(cache_control) = cache_control {
        block["cache_control"] = cache_control;
    }
    Ok(Some(block))
}

fn file(file: &Value, at: &str) -> Result<Value, Error> {
    let mut block = match file["file_id"].as_str() {
        Some(id) => json!({"type": "document", "source": {"type": "file", "file_id": id}}),
        None => json!({"type": "document", "source": source(file["file_data"].as_str(), at)?}),
    };
    if let Some(title) = file["filename"].as_str() {
        block["title"] = title.into();
    }
    Ok(block)
}

/// Where an image or a document comes from: a data address becomes bytes, a web address stays one.
fn source(url: Option<&str>, at: &str) -> Result<Value, Error> {
    let wrong = || Error::invalid(at, format!("`{at}` must have an `https://` address or a `data:…;base64,…` one"));
    let url = url.ok_or_else(wrong)?;
    if let Some(bytes) = inline(url) {
        return Ok(json!({"type": "base64", "media_type": bytes.media_type, "data": bytes.base64}));
    }
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(json!({"type": "url", "url": url}));
    }
    Err(wrong())
}

/// A call that the model made, told back to it.
pub(super) fn tool_use(call: &ToolCall, at: &str) -> Result<Value, Error> {
    if let Some(custom) = call.rest.get("custom").filter(|_| call.kind == "custom") {
        // A free-form call, told as a function with one text.
        return Ok(json!({
            "type": "tool_use", "id": call.id, "name": custom["name"], "input": {"input": custom["input"]},
        }));
    }
    let mut block =
        json!({"type": "tool_use", "id": call.id, "name": call.function.name, "input": arguments(call, at)?});
    if let Some(cache_control) = call.rest.get("cache_control") {
        block["cache_control"] = cache_control.clone();
    }
    Ok(block)
}

/// What a tool gave.
pub(super) fn tool_result(message: Message, at: &str, losses: &mut Losses) -> Result<Value, Error> {
    let id = answered(message.tool_call_id, at)?;
    let mut block = json!({"type": "tool_result", "tool_use_id": id});
    match message.content {
        Some(Content::Text(text)) => block["content"] = text.into(),
        content => {
            let blocks = blocks(content, at, losses)?;
            if !blocks.is_empty() {
                block["content"] = blocks.into();
            }
        }
    }
    for name in ["is_error", "cache_control"] {
        if let Some(value) = message.rest.get(name) {
            block[name] = value.clone();
        }
    }
    Ok(block)
}
