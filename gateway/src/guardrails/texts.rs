//! Where the texts of requests and answers stand, in OpenAI's words.

use serde_json::{Map, Value};

use crate::endpoint::Kind;

/// Text fields of an answer's message, and of a piece of one.
pub(super) const SAID: [&str; 4] = ["content", "reasoning_content", "reasoning", "refusal"];
/// Fields that hold no words: what a provider has signed or sealed, and addresses of images.
const OPAQUE: [&str; 6] = ["signature", "data", "encrypted_content", "image_url", "input_audio", "thoughtSignature"];
/// Fields of a message that are looked at in a way of their own, or that hold no words.
const APART: [&str; 9] = [
    "role",
    "content",
    "reasoning_content",
    "reasoning",
    "refusal",
    "tool_calls",
    "function_call",
    "name",
    "tool_call_id",
];

/// What is done with a text.
pub(super) type Visit<'v, E> = &'v mut dyn FnMut(&mut String) -> Result<(), E>;

/// The texts of a request that are looked at: those of some roles of a chat, a prompt, or what becomes vectors.
pub(super) fn of_request<E>(
    body: &mut Value,
    kind: Kind,
    roles: &[String],
    tool_calls: bool,
    visit: Visit<'_, E>,
) -> Result<(), E> {
    match kind {
        Kind::Chat => {
            let messages = body.get_mut("messages").and_then(Value::as_array_mut);
            for message in messages.into_iter().flatten().filter_map(Value::as_object_mut) {
                if !message.get("role").and_then(Value::as_str).is_some_and(|role| roles.iter().any(|it| it == role)) {
                    continue;
                }
                if let Some(content) = message.get_mut("content") {
                    leaves(content, visit)?;
                }
                if tool_calls {
                    arguments(message, visit)?;
                }
                // A turn as another format had it.
                if let Some(blocks) = message.get_mut("content_blocks") {
                    leaves(blocks, visit)?;
                }
            }
            Ok(())
        }
        Kind::Completions => body.get_mut("prompt").map_or(Ok(()), |it| leaves(it, visit)),
        Kind::Embeddings => body.get_mut("input").map_or(Ok(()), |it| leaves(it, visit)),
    }
}

/// The texts of an answer's choice, `{message: …}` or `{text: …}`.
pub(super) fn of_choice<E>(choice: &mut Value, tool_calls: bool, visit: Visit<'_, E>) -> Result<(), E> {
    if let Some(Value::String(text)) = choice.get_mut("text") {
        visit(text)?;
    }
    let Some(message) = choice.get_mut("message").and_then(Value::as_object_mut) else { return Ok(()) };
    for key in SAID {
        if let Some(said) = message.get_mut(key) {
            leaves(said, visit)?;
        }
    }
    if tool_calls {
        arguments(message, visit)?;
    }
    Ok(())
}

/// The arguments of a message's tool calls.
fn arguments<E>(message: &mut Map<String, Value>, visit: Visit<'_, E>) -> Result<(), E> {
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::String(text)) = call.pointer_mut("/function/arguments") {
            visit(text)?;
        }
    }
    Ok(())
}

/// The fields of a message, or of a piece of one, that no other rule looks at: thoughts with their signatures,
/// annotations, whatever a vendor adds. Where words of theirs are to be masked, the whole field has to go, since it may
/// be signed.
pub(super) fn others(message: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    message.iter().filter(|(key, _)| !APART.contains(&key.as_str()) && !OPAQUE.contains(&key.as_str()))
}

/// Every string in a value that holds words.
pub(super) fn leaves<E>(value: &mut Value, visit: Visit<'_, E>) -> Result<(), E> {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter_mut().try_for_each(|it| leaves(it, visit)),
        Value::Object(fields) => fields
            .iter_mut()
            .filter(|(key, _)| *key != "type" && !OPAQUE.contains(&key.as_str()))
            .try_for_each(|(_, it)| leaves(it, visit)),
        _ => Ok(()),
    }
}
