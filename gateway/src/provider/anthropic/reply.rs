//! A message of Anthropic's as the answer to a chat.

use llm::{ChatChoice, ChatReply, Content, Error, FunctionCall, Message, Rest, Role, ToolCall, unix_seconds};
use serde_json::Value;

use crate::dialect::messages::usage_of_message;
use crate::provider::upstream::bad_gateway;

pub(super) fn chat_reply(answer: Value, who: &str) -> Result<ChatReply, Error> {
    let Value::Object(mut answer) = answer else {
        return Err(bad_gateway(format!("{who} answered with JSON that is no message")));
    };
    let Some(Value::Array(blocks)) = answer.remove("content") else {
        return Err(bad_gateway(format!("{who} answered with a message that has no content")));
    };
    let mut message = Message { role: Role::Assistant, ..Message::default() };
    let (mut text, mut reasoning, mut thoughts) = (None::<String>, String::new(), Vec::new());
    let mut has_own_blocks = false;
    for block in &blocks {
        match block["type"].as_str().unwrap_or_default() {
            "text" => {
                text.get_or_insert_default().push_str(block["text"].as_str().unwrap_or_default());
                has_own_blocks |= block.get("citations").is_some_and(|it| !it.is_null());
            }
            "thinking" => {
                reasoning.push_str(block["thinking"].as_str().unwrap_or_default());
                thoughts.push(block.clone());
            }
            "redacted_thinking" => thoughts.push(block.clone()),
            "tool_use" => message.tool_calls.push(tool_call(block)),
            _ => has_own_blocks = true,
        }
    }
    // Silence with tool calls is null in a chat; silence alone is an empty text.
    if text.is_none() && message.tool_calls.is_empty() {
        text = Some(String::new());
    }
    message.content = text.map(Content::Text);
    if !reasoning.is_empty() {
        message.rest.insert("reasoning_content".to_owned(), reasoning.into());
    }
    if !thoughts.is_empty() {
        message.rest.insert("thinking_blocks".to_owned(), thoughts.into());
    }
    if has_own_blocks {
        // Citations, searches, code runs: what a chat has no words for comes as Anthropic said it.
        message.rest.insert("content_blocks".to_owned(), blocks.into());
    }
    let (finish_reason, rest) = finish(answer.get("stop_reason"), answer.get("stop_sequence"));
    let usage = answer.get("usage").and_then(Value::as_object).map(usage_of_message);
    let text_of = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(ChatReply {
        id: text_of("id"),
        object: "chat.completion".to_owned(),
        created: unix_seconds(),
        model: text_of("model"),
        choices: vec![ChatChoice { index: 0, message, finish_reason, rest }],
        usage,
        rest: Rest::new(),
    })
}

fn tool_call(block: &Value) -> ToolCall {
    ToolCall {
        id: block["id"].as_str().unwrap_or_default().to_owned(),
        kind: "function".to_owned(),
        function: FunctionCall {
            name: block["name"].as_str().unwrap_or_default().to_owned(),
            arguments: block["input"].to_string(),
        },
        rest: Rest::new(),
    }
}

/// A chat's finish reason, and what of Anthropic's stop reason it cannot tell.
pub(super) fn finish(reason: Option<&Value>, sequence: Option<&Value>) -> (Option<String>, Rest) {
    let mut rest = Rest::new();
    let Some(reason) = reason.and_then(Value::as_str) else { return (None, rest) };
    let finish = match reason {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        other => {
            rest.insert("native_finish_reason".to_owned(), other.into());
            "stop"
        }
    };
    if let Some(sequence) = sequence.filter(|it| it.is_string()) {
        rest.insert("stop_reason".to_owned(), sequence.clone());
    }
    (Some(finish.to_owned()), rest)
}
