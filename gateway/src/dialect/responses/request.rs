//! The body of a Responses call as a chat.

use llm::{Chat, Error, Message, Role};
use serde_json::{Map, Value};

use super::{input, options};
use crate::losses::Losses;

/// Fields for which an earlier answer, or a prompt, must be stored where the model is.
const STORED: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// The chat that a body asks for.
pub(crate) fn chat(body: &[u8], losses: &mut Losses) -> Result<Chat, Error> {
    let mut fields: Map<String, Value> = serde_json::from_slice(body).map_err(|error| Error::Invalid {
        message: format!("the body must be a JSON object, but is not: {error}"),
        param: None,
    })?;
    fields.retain(|_, value| !value.is_null());
    for name in STORED {
        if fields.contains_key(name) {
            let message = format!(
                "`{name}` needs a provider that speaks Responses itself and keeps them; send the whole conversation as \
                 `input`, or ask an endpoint of OpenAI or Azure"
            );
            return Err(Error::invalid(name, message));
        }
    }
    if fields.shift_remove("background") == Some(Value::Bool(true)) {
        let message =
            "`background` needs a provider that speaks Responses itself; leave it out and wait for the answer";
        return Err(Error::invalid("background", message));
    }
    let mut messages = Vec::new();
    if let Some(Value::String(text)) = fields.shift_remove("instructions") {
        messages.push(Message::of(Role::System, text));
    }
    match fields.shift_remove("input") {
        Some(Value::String(text)) => messages.push(Message::of(Role::User, text)),
        Some(Value::Array(items)) => input::add(items, &mut messages, losses)?,
        _ => return Err(Error::invalid("input", "`input` must be a string or a list of items")),
    }
    if messages.is_empty() {
        return Err(Error::invalid("input", "`input` is empty; send at least one message"));
    }
    let mut chat = Chat { messages, ..Chat::default() };
    if let Some(Value::String(model)) = fields.shift_remove("model") {
        chat.model = model;
    }
    chat.temperature = fields.shift_remove("temperature").and_then(|it| it.as_f64());
    chat.top_p = fields.shift_remove("top_p").and_then(|it| it.as_f64());
    let bound = fields.shift_remove("max_output_tokens").and_then(|it| it.as_u64());
    chat.max_completion_tokens = bound.map(|it| u32::try_from(it).unwrap_or(u32::MAX));
    options::tools(&mut fields, &mut chat, losses)?;
    options::form(&mut fields, &mut chat.rest);
    options::told(&mut fields, &mut chat.rest, losses);
    for name in ["stream", "stream_options"] {
        fields.shift_remove(name);
    }
    // What both formats call by the same name, and what is newer than this file.
    chat.rest.extend(fields);
    Ok(chat)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dialect::responses::sealed;

    fn translate(body: &Value) -> Result<(Value, Vec<String>), Error> {
        let mut losses = Losses::default();
        let chat = chat(body.to_string().as_bytes(), &mut losses)?;
        Ok((json!(chat), losses.as_slice().iter().map(|it| it.field.clone()).collect()))
    }

    #[test]
    fn a_conversation_with_tools_and_thoughts() {
        let thoughts = json!([{"type": "thinking", "thinking": "Hm", "signature": "s"}]);
        let body = json!({
            "model": "m", "instructions": "Be brief.", "max_output_tokens": 50, "temperature": 0.5, "store": false,
            "input": [
                {"role": "user", "content": [
                    {"type": "input_text", "text": "Weather?"},
                    {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}]},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}],
                 "encrypted_content": sealed::seal(&thoughts)},
                {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
                 "content": [{"type": "output_text", "text": "Let me look.", "annotations": []}]},
                {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "weather", "arguments": "{}"},
                {"type": "function_call", "call_id": "b", "name": "weather", "arguments": "{\"city\":\"Rome\"}"},
                {"type": "function_call_output", "call_id": "a", "output": "sun"},
                {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "rain"}]},
                {"role": "developer", "content": "Go on."}],
            "tools": [{"type": "function", "name": "weather", "description": "d", "strict": true,
                       "parameters": {"type": "object"}},
                      {"type": "web_search"}],
            "tool_choice": {"type": "function", "name": "weather"}, "parallel_tool_calls": false,
            "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {"$defs": {}}}},
            "reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"],
            "metadata": {"a": "b"}, "user": "u", "future": 1,
        });
        let (chat, lost) = translate(&body).unwrap();
        assert_eq!(
            chat,
            json!({
                "model": "m", "temperature": 0.5, "max_completion_tokens": 50,
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": [
                        {"type": "text", "text": "Weather?"},
                        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
                        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}}]},
                    {"role": "assistant", "content": "Let me look.", "reasoning_content": "Hm",
                     "thinking_blocks": thoughts, "tool_calls": [
                        {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                        {"id": "b", "type": "function",
                         "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}}]},
                    {"role": "tool", "tool_call_id": "a", "content": "sun"},
                    {"role": "tool", "tool_call_id": "b", "content": "rain"},
                    {"role": "developer", "content": "Go on."}],
                "tools": [{"type": "function", "function": {"name": "weather", "description": "d", "strict": true,
                                                            "parameters": {"type": "object"}}}],
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
                "parallel_tool_calls": false, "verbosity": "low", "reasoning_effort": "low",
                "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"$defs": {}}}},
                "metadata": {"a": "b"}, "user": "u", "future": 1,
            })
        );
        assert_eq!(lost, ["tools[1]"]);
    }

    #[test]
    fn what_is_lost_is_named() {
        let check = |extra: Value, expected: &[&str]| {
            let mut body = json!({"input": "hi"});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let (chat, lost) = translate(&body).unwrap();
            assert_eq!(lost, expected);
            for field in expected.iter().filter(|it| !it.contains('[')) {
                assert!(chat.get(field).is_none(), "{field} is in {chat}");
            }
        };
        check(
            json!({"store": true, "truncation": "auto", "max_tool_calls": 3}),
            &["store", "truncation", "max_tool_calls"],
        );
        check(json!({"store": null, "truncation": "disabled", "background": false}), &[]);
        check(json!({"include": ["web_search_call.action.sources"]}), &["include"]);
        check(
            json!({"input": [
                {"role": "user", "content": "hi"},
                {"type": "web_search_call", "id": "ws"},
                {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
                {"role": "assistant", "content": "ok"}]}),
            &["input[1]", "input[2].encrypted_content"],
        );
    }

    #[test]
    fn what_needs_a_store_is_refused() {
        for (name, value) in [
            ("previous_response_id", json!("resp_1")),
            ("conversation", json!({"id": "conv_1"})),
            ("background", json!(true)),
        ] {
            let error = translate(&json!({"input": "hi", name: value})).unwrap_err();
            let Error::Invalid { param, message } = error else { panic!("{error:?}") };
            assert_eq!(param.as_deref(), Some(name));
            assert!(message.contains("speaks Responses itself"), "{message}");
        }
        let error = translate(&json!({"input": [{"type": "item_reference", "id": "msg_1"}]})).unwrap_err();
        assert!(matches!(error, Error::Invalid { param: Some(it), .. } if it == "input[0]"));
    }
}
