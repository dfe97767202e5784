//! The items of an input as a chat's messages.

use llm::{Content, Error, FunctionCall, Message, Part, Rest, Role, ToolCall};
use serde_json::{Map, Value, json};

use super::sealed;
use crate::losses::Losses;

/// Adds what the items say. What the model thought, said and called in a row is one turn.
pub(super) fn add(items: Vec<Value>, messages: &mut Vec<Message>, losses: &mut Losses) -> Result<(), Error> {
    let mut thoughts = Thoughts::default();
    for (index, item) in items.into_iter().enumerate() {
        let at = format!("input[{index}]");
        let Value::Object(item) = item else {
            return Err(Error::invalid(
                at.clone(),
                format!("`{at}` must be an object with `type`, or `role` and `content`"),
            ));
        };
        let kind = item.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
        match kind.as_str() {
            "message" => {
                let message = message(item, &at, losses)?;
                let is_assistant = message.role == Role::Assistant;
                if is_assistant && thoughts.is_empty() && can_take_text(messages.last()) {
                    // The text of a turn whose thoughts came first.
                    if let Some(last) = messages.last_mut() {
                        last.content = message.content;
                    }
                    continue;
                }
                messages.push(message);
                if is_assistant {
                    thoughts.give(messages.last_mut());
                }
            }
            "function_call" | "custom_tool_call" => {
                if !thoughts.is_empty() || !messages.last().is_some_and(|it| it.role == Role::Assistant) {
                    messages.push(Message { role: Role::Assistant, ..Message::default() });
                    thoughts.give(messages.last_mut());
                }
                if let Some(last) = messages.last_mut() {
                    last.tool_calls.push(call(&item, &kind));
                }
            }
            "function_call_output" | "custom_tool_call_output" => messages.push(output(item, &at, losses)?),
            "reasoning" => thoughts.take(&item, &at, losses),
            "item_reference" => {
                let message = format!("`{at}` refers to an item that the provider does not keep; send the item itself");
                return Err(Error::invalid(at, message));
            }
            kind => losses.add(at, format!("is left out: chats have no `{kind}`")),
        }
    }
    Ok(())
}

fn can_take_text(last: Option<&Message>) -> bool {
    last.is_some_and(|it| it.role == Role::Assistant && it.content.is_none() && it.tool_calls.is_empty())
}

/// What the model thought before its next message.
#[derive(Default)]
struct Thoughts {
    text: String,
    signed: Vec<Value>,
}

impl Thoughts {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.signed.is_empty()
    }

    fn take(&mut self, item: &Map<String, Value>, at: &str, losses: &mut Losses) {
        for key in ["content", "summary"] {
            let parts = item.get(key).and_then(Value::as_array).into_iter().flatten();
            let text: Vec<&str> = parts.filter_map(|it| it["text"].as_str()).collect();
            if !text.is_empty() {
                self.text.push_str(&text.join("\n\n"));
                break;
            }
        }
        if let Some(text) = item.get("encrypted_content").and_then(Value::as_str) {
            match sealed::open(text) {
                Some(signed) => self.signed.extend(signed),
                None => losses.add(
                    format!("{at}.encrypted_content"),
                    "is left out: only the vendor who encrypted it can read it",
                ),
            }
        }
    }

    fn give(&mut self, message: Option<&mut Message>) {
        let Some(message) = message else { return };
        let Self { text, signed } = std::mem::take(self);
        if !text.is_empty() {
            message.rest.insert("reasoning_content".to_owned(), text.into());
        }
        if !signed.is_empty() {
            message.rest.insert("thinking_blocks".to_owned(), signed.into());
        }
    }
}

fn message(mut item: Map<String, Value>, at: &str, losses: &mut Losses) -> Result<Message, Error> {
    let role = match item.get("role").and_then(Value::as_str) {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        other => {
            let at = format!("{at}.role");
            let other = other.unwrap_or("missing");
            let message =
                format!("`{at}` must be \"user\", \"assistant\", \"system\" or \"developer\", but is {other}");
            return Err(Error::invalid(at, message));
        }
    };
    let content = content(item.shift_remove("content"), &format!("{at}.content"), losses)?;
    Ok(Message { role, content, ..Message::default() })
}

fn output(mut item: Map<String, Value>, at: &str, losses: &mut Losses) -> Result<Message, Error> {
    let Some(Value::String(id)) = item.shift_remove("call_id") else {
        let at = format!("{at}.call_id");
        return Err(Error::invalid(at.clone(), format!("`{at}` must be the id of the call that this answers")));
    };
    let content = content(item.shift_remove("output"), &format!("{at}.output"), losses)?;
    let content = content.or(Some(Content::Text(String::new())));
    Ok(Message { role: Role::Tool, content, tool_call_id: Some(id), ..Message::default() })
}

fn call(item: &Map<String, Value>, kind: &str) -> ToolCall {
    let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "custom_tool_call" {
        let custom = json!({"name": text("name"), "input": text("input")});
        let rest = Rest::from_iter([("custom".to_owned(), custom)]);
        return ToolCall { id: text("call_id"), kind: "custom".to_owned(), function: FunctionCall::default(), rest };
    }
    let function = FunctionCall { name: text("name"), arguments: text("arguments") };
    ToolCall { id: text("call_id"), kind: "function".to_owned(), function, rest: Rest::new() }
}

/// A content: a string, or parts of it.
fn content(value: Option<Value>, at: &str, losses: &mut Losses) -> Result<Option<Content>, Error> {
    let items = match value {
        None => return Ok(None),
        Some(Value::String(text)) => return Ok(Some(Content::Text(text))),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Error::invalid(at, format!("`{at}` must be a string or a list of parts"))),
    };
    let mut parts = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let Value::Object(item) = item else {
            return Err(Error::invalid(at.clone(), format!("`{at}` must be an object with `type`")));
        };
        parts.extend(part(item, &at, losses));
    }
    if let [Part { kind, text: Some(text), rest }] = parts.as_slice()
        && kind == "text"
        && rest.is_empty()
    {
        return Ok(Some(Content::Text(text.clone())));
    }
    Ok((!parts.is_empty()).then_some(Content::Parts(parts)))
}

fn part(mut item: Map<String, Value>, at: &str, losses: &mut Losses) -> Option<Part> {
    let kind = item.shift_remove("type").and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default();
    let own = |kind: &str, value: Value| {
        Some(Part { kind: kind.to_owned(), text: None, rest: Rest::from_iter([(kind.to_owned(), value)]) })
    };
    match kind.as_str() {
        "input_text" | "output_text" | "text" => {
            let text = item.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
            Some(Part { kind: "text".to_owned(), text: Some(text), rest: Rest::new() })
        }
        "refusal" => own("refusal", item.shift_remove("refusal").unwrap_or_default()),
        "input_image" if item.get("image_url").is_some_and(Value::is_string) => {
            let mut image = Map::from_iter([("url".to_owned(), item.shift_remove("image_url").unwrap_or_default())]);
            image.extend(item.shift_remove("detail").filter(|it| !it.is_null()).map(|it| ("detail".to_owned(), it)));
            own("image_url", image.into())
        }
        "input_file" => {
            let mut file = Map::new();
            for (from, to) in [
                ("filename", "filename"),
                ("file_id", "file_id"),
                ("file_data", "file_data"),
                ("file_url", "file_data"),
            ] {
                if let Some(value) = item.shift_remove(from).filter(|it| !it.is_null()) {
                    file.insert(to.to_owned(), value);
                }
            }
            own("file", file.into())
        }
        "input_audio" => own("input_audio", item.shift_remove("input_audio").unwrap_or_else(|| item.into())),
        kind => {
            losses.add(at, format!("is left out: chats have no such `{kind}`"));
            None
        }
    }
}
