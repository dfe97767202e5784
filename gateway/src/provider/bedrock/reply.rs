//! Converse's answer as the answer to a chat.

use llm::{ChatChoice, ChatReply, Content, Error, FunctionCall, Message, Rest, Role, ToolCall, Usage, unix_seconds};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::provider::upstream::bad_gateway;

/// Fields of the answer that a chat has no words for and that are told as they came.
pub(super) const OWN: [&str; 5] =
    ["trace", "metrics", "performanceConfig", "serviceTier", "additionalModelResponseFields"];

pub(super) fn chat_reply(answer: &Value, id: Option<&str>, model: &str, who: &str) -> Result<ChatReply, Error> {
    let Some(blocks) = answer.pointer("/output/message/content").and_then(Value::as_array) else {
        return Err(bad_gateway(format!("{who} answered with JSON that holds no message")));
    };
    let message = message(blocks);
    let (finish_reason, choice_rest) = finish(answer["stopReason"].as_str());
    let mut rest = Rest::new();
    own(answer, &mut rest);
    Ok(ChatReply {
        id: id.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned),
        object: "chat.completion".to_owned(),
        created: unix_seconds(),
        model: model.to_owned(),
        choices: vec![ChatChoice { index: 0, message, finish_reason, rest: choice_rest }],
        usage: answer.get("usage").and_then(Value::as_object).map(usage),
        rest,
    })
}

fn message(blocks: &[Value]) -> Message {
    let mut message = Message { role: Role::Assistant, ..Message::default() };
    let (mut text, mut reasoning, mut thoughts) = (None::<String>, String::new(), Vec::new());
    let mut has_own_blocks = false;
    for block in blocks {
        if let Some(words) = block["text"].as_str() {
            text.get_or_insert_default().push_str(words);
        } else if let Some(thought) = block.get("reasoningContent") {
            reasoning.push_str(thought["reasoningText"]["text"].as_str().unwrap_or_default());
            thoughts.push(thinking_block(thought));
        } else if let Some(call) = block.get("toolUse").filter(|it| it["type"] != "server_tool_use") {
            message.tool_calls.push(ToolCall {
                id: call["toolUseId"].as_str().unwrap_or_default().to_owned(),
                kind: "function".to_owned(),
                function: FunctionCall {
                    name: call["name"].as_str().unwrap_or_default().to_owned(),
                    arguments: call["input"].to_string(),
                },
                rest: Rest::new(),
            });
        } else {
            let cited = block.pointer("/citationsContent/content").and_then(Value::as_array);
            for words in cited.into_iter().flatten().filter_map(|it| it["text"].as_str()) {
                text.get_or_insert_default().push_str(words);
            }
            has_own_blocks = true;
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
        // Citations, searches, images: what a chat has no words for comes as Bedrock said it.
        message.rest.insert("content_blocks".to_owned(), blocks.into());
    }
    message
}

/// A thought in the form in which it is sent back, which is Anthropic's.
fn thinking_block(thought: &Value) -> Value {
    if let Some(data) = thought.get("redactedContent") {
        return json!({"type": "redacted_thinking", "data": data});
    }
    let of = &thought["reasoningText"];
    let mut block = json!({"type": "thinking", "thinking": of["text"]});
    if let Some(signature) = of.get("signature") {
        block["signature"] = signature.clone();
    }
    block
}

/// A chat's finish reason, and the word of Bedrock's that it cannot tell.
pub(super) fn finish(reason: Option<&str>) -> (Option<String>, Rest) {
    let mut rest = Rest::new();
    let Some(reason) = reason else { return (None, rest) };
    let finish = match reason {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "guardrail_intervened" | "content_filtered" => "content_filter",
        other => {
            rest.insert("native_finish_reason".to_owned(), other.into());
            "stop"
        }
    };
    (Some(finish.to_owned()), rest)
}

/// Takes over what a chat has no words for.
pub(super) fn own(answer: &Value, rest: &mut Rest) {
    for name in OWN {
        if let Some(value) = answer.get(name).filter(|it| !it.is_null()) {
            rest.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(tier) = answer.pointer("/serviceTier/type") {
        rest.insert("service_tier".to_owned(), tier.clone());
    }
}

/// Counts as a chat has them: Bedrock counts cached input apart, a chat counts it in.
pub(super) fn usage(counts: &Map<String, Value>) -> Usage {
    let count = |key: &str| counts.get(key).and_then(Value::as_u64).unwrap_or_default();
    let (read, written) = (count("cacheReadInputTokens"), count("cacheWriteInputTokens"));
    let mut usage = Usage::of(count("inputTokens").saturating_add(read).saturating_add(written), count("outputTokens"));
    if read > 0 || written > 0 {
        usage
            .rest
            .insert("prompt_tokens_details".to_owned(), json!({"cached_tokens": read, "cache_write_tokens": written}));
    }
    if let Some(Value::Array(details)) = counts.get("cacheDetails") {
        let written = |ttl: &str| -> u64 {
            details.iter().filter(|it| it["ttl"] == ttl).filter_map(|it| it["inputTokens"].as_u64()).sum()
        };
        let split = json!({"ephemeral_5m_input_tokens": written("5m"), "ephemeral_1h_input_tokens": written("1h")});
        usage.rest.insert("cache_creation".to_owned(), split);
    }
    for (key, value) in counts {
        if !matches!(key.as_str(), "inputTokens" | "outputTokens" | "totalTokens") && !value.is_null() {
            usage.rest.insert(key.clone(), value.clone());
        }
    }
    usage
}
