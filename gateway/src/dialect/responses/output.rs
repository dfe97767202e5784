//! The answer to a chat as a response.

use llm::{ChatReply, Error, Message, Rest, ToolCall, unix_seconds};
use serde_json::{Value, json};
use uuid::Uuid;

use super::echo::Echo;
use super::sealed;
use super::usage::usage_of_chat;
use crate::dialect::reasoning_of;

/// The response. It has no place for more than one answer, so that the first is all there is.
pub(crate) fn response(reply: ChatReply, request: &[u8]) -> Result<Value, Error> {
    let echo = Echo::of(request);
    let choice = reply.choices.into_iter().next().ok_or_else(|| Error::Upstream {
        status: 502,
        message: "the provider answered with no choice".to_owned(),
        body: None,
    })?;
    let incomplete = incomplete(choice.finish_reason.as_deref());
    let output = items(choice.message, choice.rest.get("logprobs"), status_of(incomplete), echo.wants_sealed);
    let created = if reply.created == 0 { unix_seconds() } else { reply.created };
    let mut response = echo.response(&own_id("resp", &reply.id), &reply.model, created, status_of(incomplete), &output);
    if let Some(reason) = incomplete {
        response["incomplete_details"] = json!({"reason": reason});
    }
    response["usage"] = usage_of_chat(reply.usage.as_ref());
    if let Some(tier) = reply.rest.get("service_tier") {
        response["service_tier"] = tier.clone();
    }
    Ok(response)
}

/// An id of ours that shows the provider's, by which its own records can be found.
pub(super) fn own_id(prefix: &str, id: &str) -> String {
    if id.is_empty() { new_id(prefix) } else { format!("{prefix}_{id}") }
}

pub(super) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}

/// Why an answer is not whole, in the words of Responses.
pub(super) fn incomplete(finish: Option<&str>) -> Option<&'static str> {
    match finish {
        Some("length") => Some("max_output_tokens"),
        Some("content_filter") => Some("content_filter"),
        _ => None,
    }
}

pub(super) fn status_of(incomplete: Option<&str>) -> &'static str {
    if incomplete.is_some() { "incomplete" } else { "completed" }
}

/// What a message says, in the order of Responses: thoughts, text, calls.
fn items(message: Message, logprobs: Option<&Value>, status: &str, wants_sealed: bool) -> Vec<Value> {
    let mut items = Vec::new();
    let thoughts = message.rest.get("thinking_blocks").filter(|_| wants_sealed);
    let reasoning = reasoning_of(&message.rest).unwrap_or_default();
    if !reasoning.is_empty() || thoughts.is_some() {
        items.push(reasoning_item(&new_id("rs"), reasoning, thoughts));
    }
    let mut content = Vec::new();
    let text = message.text();
    if !text.is_empty() {
        content.push(text_part(&text, &annotations(&message.rest), logprobs));
    }
    if let Some(refusal) = message.rest.get("refusal").and_then(Value::as_str).filter(|it| !it.is_empty()) {
        content.push(json!({"type": "refusal", "refusal": refusal}));
    }
    if !content.is_empty() || (message.tool_calls.is_empty() && items.is_empty()) {
        items.push(json!({
            "id": new_id("msg"), "type": "message", "status": status, "role": "assistant", "content": content,
        }));
    }
    items.extend(message.tool_calls.into_iter().map(call_item));
    items
}

pub(super) fn reasoning_item(id: &str, text: &str, thoughts: Option<&Value>) -> Value {
    let summary = if text.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": text}]) };
    let mut item = json!({"id": id, "type": "reasoning", "summary": summary});
    if let Some(thoughts) = thoughts {
        item["encrypted_content"] = sealed::seal(thoughts).into();
    }
    item
}

pub(super) fn text_part(text: &str, annotations: &[Value], logprobs: Option<&Value>) -> Value {
    let logprobs = logprobs.and_then(|it| it.get("content")).filter(|it| it.is_array());
    json!({
        "type": "output_text", "text": text, "annotations": annotations,
        "logprobs": logprobs.cloned().unwrap_or_else(|| json!([])),
    })
}

/// Sources: a chat wraps what a response tells flat.
pub(super) fn annotations(rest: &Rest) -> Vec<Value> {
    let list = rest.get("annotations").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .map(|it| {
            let Some(mut flat) = it.get("url_citation").and_then(Value::as_object).cloned() else { return it.clone() };
            flat.insert("type".to_owned(), "url_citation".into());
            flat.into()
        })
        .collect()
}

fn call_item(call: ToolCall) -> Value {
    let id = if call.id.is_empty() { new_id("call") } else { call.id };
    if let Some(custom) = call.rest.get("custom").filter(|_| call.kind == "custom") {
        return json!({
            "id": new_id("ctc"), "type": "custom_tool_call", "status": "completed", "call_id": id,
            "name": custom["name"], "input": custom["input"],
        });
    }
    json!({
        "id": new_id("fc"), "type": "function_call", "status": "completed", "call_id": id,
        "name": call.function.name, "arguments": call.function.arguments,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_text_and_calls_are_items() {
        let reply: ChatReply = serde_json::from_value(json!({
            "id": "chatcmpl-1", "model": "m", "created": 7,
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": "Look.", "reasoning_content": "Hm",
                "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "s"}],
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}],
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        }))
        .unwrap();
        let request = br#"{"input":"x","include":["reasoning.encrypted_content"],"metadata":{"a":"b"},"top_p":null}"#;
        let response = response(reply, request).unwrap();
        assert_eq!((&response["id"], &response["status"]), (&json!("resp_chatcmpl-1"), &json!("completed")));
        assert_eq!((&response["metadata"], &response["top_p"]), (&json!({"a": "b"}), &json!(1.0)));
        let output = &response["output"];
        assert_eq!(output[0]["summary"], json!([{"type": "summary_text", "text": "Hm"}]));
        let sealed = output[0]["encrypted_content"].as_str().unwrap();
        assert_eq!(sealed::open(sealed).unwrap()[0]["signature"], "s");
        assert_eq!(output[1]["content"][0]["text"], "Look.");
        assert_eq!(output[1]["content"][0]["annotations"], json!([{"url": "u", "title": "t", "type": "url_citation"}]));
        assert_eq!((&output[2]["call_id"], &output[2]["name"]), (&json!("a"), &json!("f")));
        assert_eq!(response["usage"]["total_tokens"], 3);
    }

    #[test]
    fn an_answer_that_was_cut_says_why() {
        let check = |finish: &str, status: &str, details: Value| {
            let reply =
                json!({"choices": [{"finish_reason": finish, "message": {"role": "assistant", "content": "x"}}]});
            let response = response(serde_json::from_value(reply).unwrap(), b"{}").unwrap();
            assert_eq!((&response["status"], &response["incomplete_details"]), (&status.into(), &details), "{finish}");
            assert_eq!(response["output"][0]["status"], status);
        };
        check("stop", "completed", Value::Null);
        check("length", "incomplete", json!({"reason": "max_output_tokens"}));
        check("content_filter", "incomplete", json!({"reason": "content_filter"}));
    }
}
