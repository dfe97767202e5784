//! Blocks as the parts of a chat's message.

use llm::{Content, Error, Message, Part, Rest, Role};
use serde_json::{Map, Value, json};

use super::request::{object, text};

/// Whether a block of the model's says what no chat can: searches, code runs, citations.
pub(super) fn own(block: &Value) -> bool {
    match block["type"].as_str().unwrap_or_default() {
        "text" => block["citations"].as_array().is_some_and(|it| !it.is_empty()),
        "tool_use" | "thinking" | "redacted_thinking" => false,
        _ => true,
    }
}

/// Instructions: a string, or blocks of text. Blocks that carry nothing but text are joined, as Anthropic reads them.
pub(super) fn texts(value: Value, at: &str) -> Result<Option<Content>, Error> {
    let blocks = match value {
        Value::String(text) => return Ok(Some(Content::Text(text))),
        Value::Array(blocks) => blocks,
        _ => return Err(Error::invalid(at, format!("`{at}` must be a string or a list of text blocks"))),
    };
    let mut parts = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        parts.push(part(object(block, &at)?, &at)?);
    }
    if parts.iter().all(|it| it.kind == "text" && it.rest.is_empty()) {
        let texts: Vec<String> = parts.into_iter().filter_map(|it| it.text).collect();
        return Ok(Some(Content::Text(texts.join("\n\n"))));
    }
    Ok(Some(Content::Parts(parts)))
}

/// Parts as a content: a single text is a plain one, none at all is none.
pub(super) fn plain(mut parts: Vec<Part>) -> Option<Content> {
    match parts.as_mut_slice() {
        [] => None,
        [only] if only.kind == "text" && only.rest.is_empty() => {
            Some(Content::Text(only.text.take().unwrap_or_default()))
        }
        _ => Some(Content::Parts(parts)),
    }
}

/// A block as a part. One that a chat has no words for stays as it is.
pub(super) fn part(mut block: Map<String, Value>, at: &str) -> Result<Part, Error> {
    let kind = text(block.shift_remove("type"));
    match kind.as_str() {
        "text" => {
            let Some(Value::String(text)) = block.shift_remove("text") else {
                return Err(Error::invalid(format!("{at}.text"), format!("`{at}.text` must be a string")));
            };
            Ok(Part { kind, text: Some(text), rest: without_nulls(block) })
        }
        "image" => Ok(image(block)),
        "document" => Ok(document(block)),
        "" => Err(Error::invalid(format!("{at}.type"), format!("`{at}.type` is missing; name the kind of the block"))),
        _ => Ok(Part { kind, text: None, rest: block }),
    }
}

fn image(mut block: Map<String, Value>) -> Part {
    let source = block.get("source").unwrap_or(&Value::Null);
    let url = match source["type"].as_str() {
        Some("base64") => data_address(source),
        Some("url") => source["url"].as_str().map(str::to_owned),
        // A file that was sent to Anthropic before: only Anthropic can see it.
        _ => None,
    };
    let Some(url) = url else { return Part { kind: "image".to_owned(), text: None, rest: block } };
    block.shift_remove("source");
    let mut rest = Rest::from_iter([("image_url".to_owned(), json!({"url": url}))]);
    rest.extend(without_nulls(block));
    Part { kind: "image_url".to_owned(), text: None, rest }
}

fn document(mut block: Map<String, Value>) -> Part {
    let own = |block| Part { kind: "document".to_owned(), text: None, rest: block };
    let source = block.get("source").unwrap_or(&Value::Null);
    let data = match source["type"].as_str() {
        Some("text") => {
            let data = source["data"].as_str().unwrap_or_default().to_owned();
            block.shift_remove("source");
            let title = block.shift_remove("title").and_then(|it| it.as_str().map(str::to_owned));
            let text = title.map_or(data.clone(), |title| format!("{title}\n\n{data}"));
            return Part { kind: "text".to_owned(), text: Some(text), rest: without_nulls(block) };
        }
        Some("base64") => data_address(source),
        Some("url") => source["url"].as_str().map(str::to_owned),
        _ => None,
    };
    let Some(data) = data else { return own(block) };
    block.shift_remove("source");
    let title = block.shift_remove("title").and_then(|it| it.as_str().map(str::to_owned));
    let file = json!({"filename": title.unwrap_or_else(|| "document.pdf".to_owned()), "file_data": data});
    let mut rest = Rest::from_iter([("file".to_owned(), file)]);
    rest.extend(without_nulls(block));
    Part { kind: "file".to_owned(), text: None, rest }
}

fn data_address(source: &Value) -> Option<String> {
    Some(format!("data:{};base64,{}", source["media_type"].as_str()?, source["data"].as_str()?))
}

/// What a tool gave, as the message that answers its call.
pub(super) fn tool_result(mut block: Map<String, Value>, at: &str) -> Result<Message, Error> {
    block.shift_remove("type");
    let Some(Value::String(id)) = block.shift_remove("tool_use_id") else {
        let at = format!("{at}.tool_use_id");
        return Err(Error::invalid(at.clone(), format!("`{at}` must be the id of the call that the result answers")));
    };
    let content = match block.shift_remove("content") {
        None | Some(Value::Null) => Some(Content::Text(String::new())),
        Some(Value::String(text)) => Some(Content::Text(text)),
        Some(Value::Array(blocks)) => {
            let parts = blocks.into_iter().enumerate().map(|(index, block)| {
                let at = format!("{at}.content[{index}]");
                part(object(block, &at)?, &at)
            });
            plain(parts.collect::<Result<_, _>>()?).or(Some(Content::Text(String::new())))
        }
        Some(_) => {
            let at = format!("{at}.content");
            return Err(Error::invalid(at.clone(), format!("`{at}` must be a string or a list of blocks")));
        }
    };
    if block.get("is_error") == Some(&Value::Bool(false)) {
        block.shift_remove("is_error");
    }
    Ok(Message { role: Role::Tool, content, tool_call_id: Some(id), rest: without_nulls(block), ..Message::default() })
}

fn without_nulls(mut rest: Rest) -> Rest {
    rest.retain(|_, value| !value.is_null());
    rest
}
