//! The answer to a chat as a message of Anthropic's.

use llm::{ChatReply, Error, Message, Rest, ToolCall};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::usage_of_chat;
use crate::dialect::reasoning_of;

/// The message. A chat has no place for more than one answer, so that the first is all there is.
pub(crate) fn message(reply: ChatReply) -> Result<Value, Error> {
    let choice = reply.choices.into_iter().next().ok_or_else(|| Error::Upstream {
        status: 502,
        message: "the provider answered with no choice".to_owned(),
        body: None,
    })?;
    let calls_tools = !choice.message.tool_calls.is_empty();
    let is_refusal = choice.message.rest.get("refusal").and_then(Value::as_str).is_some_and(|it| !it.is_empty());
    let (stop_reason, stop_sequence) = stop(choice.finish_reason.as_deref(), &choice.rest, calls_tools, is_refusal);
    Ok(json!({
        "id": id_or_own(reply.id),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": blocks(choice.message),
        "stop_reason": stop_reason,
        "stop_sequence": stop_sequence,
        "usage": usage_of_chat(reply.usage.as_ref()),
    }))
}

pub(super) fn id_or_own(id: String) -> String {
    if id.is_empty() { format!("msg_{}", Uuid::new_v4().simple()) } else { id }
}

/// What a message says, in Anthropic's order: thoughts, text, calls.
fn blocks(mut message: Message) -> Vec<Value> {
    if let Some(Value::Array(own)) = message.rest.get_mut("content_blocks") {
        return std::mem::take(own);
    }
    let mut blocks = match message.rest.shift_remove("thinking_blocks") {
        Some(Value::Array(thoughts)) => thoughts,
        _ => thought(&message.rest).into_iter().collect(),
    };
    let mut text = message.text();
    if let Some(Value::String(refusal)) = message.rest.get("refusal") {
        text.push_str(refusal);
    }
    if !text.is_empty() {
        let mut block = json!({"type": "text", "text": text});
        // Sources in another vendor's form; clients of Anthropic's pass over fields that they do not know.
        if let Some(annotations) = message.rest.shift_remove("annotations").filter(|it| it != &json!([])) {
            block["annotations"] = annotations;
        }
        blocks.push(block);
    }
    blocks.extend(message.tool_calls.into_iter().map(tool_use));
    blocks
}

/// Reasoning of a vendor that signs nothing, as a thought with an empty signature.
fn thought(rest: &Rest) -> Option<Value> {
    let reasoning = reasoning_of(rest)?;
    Some(json!({"type": "thinking", "thinking": reasoning, "signature": ""}))
}

fn tool_use(call: ToolCall) -> Value {
    let mut block = json!({
        "type": "tool_use", "id": call_id(call.id), "name": call.function.name, "input": input(&call.function.arguments),
    });
    if let Some(block) = block.as_object_mut() {
        block.extend(call.rest);
    }
    block
}

/// The id of a call, by which its result is sent back: some vendors give none.
pub(super) fn call_id(id: String) -> String {
    if id.is_empty() { format!("toolu_{}", Uuid::new_v4().simple()) } else { id }
}

/// Arguments as an object. Text that is none is wrapped, in the manner that Anthropic's documents advise.
fn input(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return Map::new().into();
    }
    match serde_json::from_str(arguments) {
        Ok(Value::Object(input)) => input.into(),
        _ => json!({"INVALID_JSON": arguments}),
    }
}

/// Anthropic's stop reason and sequence for a chat's finish reason.
pub(super) fn stop(
    finish: Option<&str>,
    rest: &Rest,
    calls_tools: bool,
    is_refusal: bool,
) -> (Option<String>, Option<String>) {
    if let Some(native) = rest.get("native_finish_reason").and_then(Value::as_str) {
        // `pause_turn` is Anthropic's own, and comes back to whoever knows it.
        if native == "pause_turn" {
            return (Some(native.to_owned()), None);
        }
    }
    let sequence = rest.get("stop_reason").and_then(Value::as_str).map(str::to_owned);
    let reason = match finish {
        None => return (None, None),
        _ if is_refusal => "refusal",
        Some("length") => "max_tokens",
        Some("content_filter") => "refusal",
        Some("tool_calls") => "tool_use",
        Some(_) if calls_tools => "tool_use",
        Some(_) if sequence.is_some() => return (Some("stop_sequence".to_owned()), sequence),
        Some(_) => "end_turn",
    };
    (Some(reason.to_owned()), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(reply: Value) -> Value {
        message(serde_json::from_value(reply).unwrap()).unwrap()
    }

    #[test]
    fn thoughts_text_and_calls_in_anthropics_order() {
        let reply = translate(json!({
            "id": "chatcmpl-1", "model": "m",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": "Let me look.", "reasoning_content": "Hm.",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
                    {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
                    {"id": "c", "type": "function", "function": {"name": "h", "arguments": "{oops"}}]}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
                      "prompt_tokens_details": {"cached_tokens": 2}},
        }));
        assert_eq!(
            reply,
            json!({
                "id": "chatcmpl-1", "type": "message", "role": "assistant", "model": "m",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": ""},
                    {"type": "text", "text": "Let me look."},
                    {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                    {"type": "tool_use", "id": "b", "name": "g", "input": {}},
                    {"type": "tool_use", "id": "c", "name": "h", "input": {"INVALID_JSON": "{oops"}}],
                "stop_reason": "tool_use", "stop_sequence": null,
                "usage": {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2,
                          "output_tokens": 4},
            })
        );
    }

    #[test]
    fn each_finish_has_its_stop_reason() {
        let check = |finish: &str, extra: Value, reason: &str, sequence: Value| {
            let mut choice = json!({"finish_reason": finish, "message": {"role": "assistant", "content": "x"}});
            choice.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let reply = translate(json!({"choices": [choice]}));
            assert_eq!((&reply["stop_reason"], &reply["stop_sequence"]), (&reason.into(), &sequence), "{finish}");
        };
        check("stop", json!({}), "end_turn", Value::Null);
        check("stop", json!({"stop_reason": "END"}), "stop_sequence", "END".into());
        check("length", json!({}), "max_tokens", Value::Null);
        check("content_filter", json!({}), "refusal", Value::Null);
        check("stop", json!({"native_finish_reason": "pause_turn"}), "pause_turn", Value::Null);
        check("eos", json!({"native_finish_reason": "eos"}), "end_turn", Value::Null);
    }

    #[test]
    fn an_answer_without_choices_is_an_error() {
        let empty: ChatReply = serde_json::from_value(json!({"choices": []})).unwrap();
        assert!(matches!(message(empty), Err(Error::Upstream { status: 502, .. })));
    }
}
