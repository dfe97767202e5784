//! The body of a Messages call as a chat.

use llm::{Chat, Content, Error, FunctionCall, Message, Part, Rest, Role, Stop, ToolCall};
use serde_json::{Map, Value};

use super::content::{self, own, part};
use super::options;
use crate::losses::Losses;

/// The chat that a body asks for. All that OpenAI's chat cannot say rides along, so that nothing is lost here.
pub(crate) fn chat(body: &[u8], losses: &mut Losses) -> Result<Chat, Error> {
    let mut fields: Map<String, Value> = serde_json::from_slice(body).map_err(|error| Error::Invalid {
        message: format!("the body must be a JSON object, but is not: {error}"),
        param: None,
    })?;
    let mut messages = Vec::new();
    if let Some(system) = fields.shift_remove("system").filter(|it| !it.is_null()) {
        messages.push(Message { role: Role::System, content: content::texts(system, "system")?, ..Message::default() });
    }
    let Some(Value::Array(turns)) = fields.shift_remove("messages") else {
        return Err(Error::invalid("messages", "`messages` must be a list of messages"));
    };
    for (index, turn) in turns.into_iter().enumerate() {
        add_turn(turn, &format!("messages[{index}]"), &mut messages)?;
    }
    let mut chat = Chat { messages, ..Chat::default() };
    chat.model = text(fields.shift_remove("model"));
    chat.max_tokens = options::count(&mut fields, "max_tokens")?;
    chat.temperature = options::number(&mut fields, "temperature")?;
    chat.top_p = options::number(&mut fields, "top_p")?;
    chat.top_k = options::count(&mut fields, "top_k")?;
    chat.stop = options::stop_sequences(&mut fields)?.map(Stop::Many);
    fields.shift_remove("stream");
    options::tools(&mut fields, &mut chat)?;
    options::reasoning_and_output(&mut fields, &mut chat.rest, losses);
    options::who_and_how(&mut fields, &mut chat.rest);
    chat.rest.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    Ok(chat)
}

/// One turn as messages: the results of tools each get their own, before what the person says.
fn add_turn(turn: Value, at: &str, messages: &mut Vec<Message>) -> Result<(), Error> {
    let Value::Object(mut turn) = turn else {
        return Err(Error::invalid(at, format!("`{at}` must be an object with `role` and `content`")));
    };
    let role = text(turn.shift_remove("role"));
    let blocks = match turn.shift_remove("content") {
        Some(Value::String(text)) => {
            let role = match role.as_str() {
                "assistant" => Role::Assistant,
                "system" => Role::System,
                _ => Role::User,
            };
            messages.push(Message { content: Some(Content::Text(text)), role, rest: turn, ..Message::default() });
            return Ok(());
        }
        Some(Value::Array(blocks)) => blocks,
        _ => {
            let at = format!("{at}.content");
            return Err(Error::invalid(at.clone(), format!("`{at}` must be a string or a list of blocks")));
        }
    };
    if role == "system" {
        let content = content::texts(blocks.into(), &format!("{at}.content"))?;
        messages.push(Message { role: Role::System, content, rest: turn, ..Message::default() });
    } else if role == "assistant" {
        messages.push(assistant(blocks, turn, at)?);
    } else {
        user(blocks, turn, at, messages)?;
    }
    Ok(())
}

fn user(blocks: Vec<Value>, rest: Rest, at: &str, messages: &mut Vec<Message>) -> Result<(), Error> {
    let mut parts = Vec::new();
    for (index, block) in blocks.into_iter().enumerate() {
        let at = format!("{at}.content[{index}]");
        let block = object(block, &at)?;
        if block.get("type").is_some_and(|it| it == "tool_result") {
            messages.push(content::tool_result(block, &at)?);
        } else {
            parts.push(part(block, &at)?);
        }
    }
    if !parts.is_empty() {
        messages.push(Message { role: Role::User, content: content::plain(parts), rest, ..Message::default() });
    }
    Ok(())
}

/// What the model said, thought and called. A turn with blocks that no chat can say is kept whole beside it.
fn assistant(blocks: Vec<Value>, rest: Rest, at: &str) -> Result<Message, Error> {
    let mut message = Message { role: Role::Assistant, rest, ..Message::default() };
    let (mut parts, mut thoughts, mut reasoning): (Vec<Part>, Vec<Value>, String) = Default::default();
    let has_own = blocks.iter().any(own);
    if has_own {
        message.rest.insert("content_blocks".to_owned(), blocks.clone().into());
    }
    for (index, block) in blocks.into_iter().enumerate() {
        let at = format!("{at}.content[{index}]");
        let block = object(block, &at)?;
        match block.get("type").and_then(Value::as_str).unwrap_or_default() {
            "text" => parts.push(part(block, &at)?),
            "tool_use" => message.tool_calls.push(tool_call(block)),
            "thinking" => {
                reasoning.push_str(block.get("thinking").and_then(Value::as_str).unwrap_or_default());
                // Thoughts without a signature are another vendor's, and no vendor takes them for its own.
                if block.get("signature").and_then(Value::as_str).is_some_and(|it| !it.is_empty()) {
                    thoughts.push(block.into());
                }
            }
            "redacted_thinking" => thoughts.push(block.into()),
            _ => {}
        }
    }
    message.content = content::plain(parts);
    if !reasoning.is_empty() {
        message.rest.insert("reasoning_content".to_owned(), reasoning.into());
    }
    if !thoughts.is_empty() {
        message.rest.insert("thinking_blocks".to_owned(), thoughts.into());
    }
    Ok(message)
}

fn tool_call(mut block: Map<String, Value>) -> ToolCall {
    block.shift_remove("type");
    let arguments = block.shift_remove("input").filter(Value::is_object).map_or("{}".to_owned(), |it| it.to_string());
    ToolCall {
        id: text(block.shift_remove("id")),
        kind: "function".to_owned(),
        function: FunctionCall { name: text(block.shift_remove("name")), arguments },
        rest: block,
    }
}

pub(super) fn object(block: Value, at: &str) -> Result<Map<String, Value>, Error> {
    match block {
        Value::Object(block) => Ok(block),
        Value::String(text) => {
            Ok(Map::from_iter([("type".to_owned(), "text".into()), ("text".to_owned(), text.into())]))
        }
        _ => Err(Error::invalid(at, format!("`{at}` must be a block, `{{\"type\": \"text\", \"text\": \"…\"}}`"))),
    }
}

pub(super) fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}
