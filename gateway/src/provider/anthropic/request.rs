//! A chat as the body of a Messages call.

mod content;
mod options;
mod tools;

use llm::{Chat, Error, Message, Role};
use serde_json::{Map, Value, json};

use content::{blocks, tool_result, tool_use};
use options::{refuse_inexpressible, translate_rest};
use tools::{tool, tool_choice};

/// The body. Fields that a chat does not know pass through, so that Anthropic's own (`thinking`, `container`…) work,
/// and Anthropic itself refuses what neither knows.
pub(super) fn body(chat: Chat, stream: bool, output_tokens_default: u32) -> Result<Vec<u8>, Error> {
    let mut rest = chat.rest.clone();
    refuse_inexpressible(&chat, &rest)?;
    let mut body = Map::new();
    body.insert("model".to_owned(), chat.model.clone().into());
    body.insert("max_tokens".to_owned(), chat.output_tokens_max().unwrap_or(output_tokens_default).into());
    let (system, messages) = turns(chat.messages)?;
    if let Some(system) = system {
        body.insert("system".to_owned(), system);
    }
    body.insert("messages".to_owned(), messages);
    if let Some(temperature) = chat.temperature {
        // OpenAI's scale ends at 2, Anthropic's at 1; below that they mean the same.
        body.insert("temperature".to_owned(), temperature.min(1.0).into());
    }
    if let Some(top_p) = chat.top_p {
        body.insert("top_p".to_owned(), top_p.into());
    }
    if let Some(top_k) = chat.top_k {
        body.insert("top_k".to_owned(), top_k.into());
    }
    if let Some(stop) = &chat.stop {
        body.insert("stop_sequences".to_owned(), json!(stop.texts()));
    }
    if stream {
        body.insert("stream".to_owned(), true.into());
    }
    if !chat.tools.is_empty() {
        body.insert("tools".to_owned(), chat.tools.into_iter().map(tool).collect::<Result<Value, Error>>()?);
    }
    let is_parallel_off = rest.remove("parallel_tool_calls") == Some(Value::Bool(false));
    if let Some(choice) = tool_choice(chat.tool_choice, is_parallel_off && body.contains_key("tools"))? {
        body.insert("tool_choice".to_owned(), choice);
    }
    translate_rest(&mut rest, &mut body)?;
    for (key, value) in rest {
        body.entry(key).or_insert(value);
    }
    serde_json::to_vec(&body).map_err(|error| Error::Internal(format!("a request could not be written: {error}")))
}

/// The system prompt, and the turns: user and assistant in alternation, the results of tools in the user's.
fn turns(messages: Vec<Message>) -> Result<(Option<Value>, Value), Error> {
    let mut system: Vec<Value> = Vec::new();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for (index, message) in messages.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        let (role, blocks) = match &message.role {
            Role::System | Role::Developer => {
                system.extend(blocks(message.content, &at)?);
                continue;
            }
            Role::User => ("user", blocks(message.content, &at)?),
            Role::Tool => ("user", vec![tool_result(message, &at)?]),
            Role::Assistant => ("assistant", assistant(message, &at)?),
            Role::Other(role) => {
                return Err(Error::invalid(
                    format!("{at}.role"),
                    format!("Anthropic's models know no role `{role}`; use system, user, assistant or tool"),
                ));
            }
        };
        match turns.last_mut() {
            Some((last, known)) if *last == role => known.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    if let Some(("assistant", blocks)) = turns.last_mut() {
        trim_end(blocks);
    }
    let messages = turns
        .into_iter()
        .filter(|(_, blocks)| !blocks.is_empty())
        .map(|(role, blocks)| json!({"role": role, "content": plain_if_one_text(blocks)}))
        .collect();
    let system = (!system.is_empty()).then(|| {
        if system.iter().all(is_plain_text) {
            let texts: Vec<&str> = system.iter().filter_map(|it| it["text"].as_str()).collect();
            texts.join("\n").into()
        } else {
            system.into()
        }
    });
    Ok((system, messages))
}

/// An assistant's turn: what it thought, what it said, then the tools that it called.
fn assistant(message: Message, at: &str) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    if let Some(Value::Array(thoughts)) = message.rest.get("thinking_blocks") {
        all.extend(thoughts.iter().cloned());
    }
    all.extend(blocks(message.content, at)?);
    for (index, call) in message.tool_calls.iter().enumerate() {
        all.push(tool_use(call, &format!("{at}.tool_calls[{index}]"))?);
    }
    Ok(all)
}

/// A last assistant turn is continued, and Anthropic refuses to continue after white space.
fn trim_end(blocks: &mut [Value]) {
    if let Some(Value::String(text)) = blocks.last_mut().and_then(|it| it.get_mut("text")) {
        text.truncate(text.trim_end().len());
    }
}

fn is_plain_text(block: &Value) -> bool {
    block["type"] == "text" && block.as_object().is_some_and(|it| it.len() == 2)
}

fn plain_if_one_text(mut blocks: Vec<Value>) -> Value {
    if let [block] = blocks.as_mut_slice()
        && is_plain_text(block)
    {
        return block["text"].take();
    }
    blocks.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(chat: Value) -> Result<Value, Error> {
        let chat: Chat = serde_json::from_value(chat).unwrap();
        body(chat, false, 100).map(|it| serde_json::from_slice(&it).unwrap())
    }

    #[test]
    fn a_conversation_with_tools() {
        let chat = json!({
            "model": "claude", "temperature": 1.5, "stop": "END", "user": "u1", "parallel_tool_calls": false,
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": "Be kind."},
                {"role": "user", "content": "Weather in Paris and Rome?"},
                {"role": "assistant", "content": "Let me look.", "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}},
                    {"id": "b", "type": "function", "function": {"name": "weather", "arguments": ""}}]},
                {"role": "tool", "tool_call_id": "a", "content": "sun"},
                {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "rain"}]},
                {"role": "user", "content": "And?"},
            ],
            "tools": [{"type": "function", "function": {"name": "weather", "description": "d"}},
                      {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
            "tool_choice": "required",
        });
        assert_eq!(
            translate(chat).unwrap(),
            json!({
                "model": "claude", "max_tokens": 100, "system": "Be brief.\nBe kind.",
                "messages": [
                    {"role": "user", "content": "Weather in Paris and Rome?"},
                    {"role": "assistant", "content": [
                        {"type": "text", "text": "Let me look."},
                        {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Paris"}},
                        {"type": "tool_use", "id": "b", "name": "weather", "input": {}}]},
                    {"role": "user", "content": [
                        {"type": "tool_result", "tool_use_id": "a", "content": "sun"},
                        {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "rain"}]},
                        {"type": "text", "text": "And?"}]},
                ],
                "temperature": 1.0, "stop_sequences": ["END"], "metadata": {"user_id": "u1"},
                "tools": [
                    {"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {}}},
                    {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
                "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
            })
        );
    }

    #[test]
    fn images_files_and_cache_marks() {
        let chat = json!({"model": "m", "messages": [
            {"role": "system", "content": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]},
            {"role": "user", "content": [
                {"type": "text", "text": ""},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}, "cache_control": {"type": "ephemeral"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"}}]}]});
        let body = translate(chat).unwrap();
        assert_eq!(body["system"], json!([{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]));
        assert_eq!(
            body["messages"][0]["content"],
            json!([
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "https://x/y.png"},
                 "cache_control": {"type": "ephemeral"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"},
                 "title": "a.pdf"}])
        );
    }

    #[test]
    fn what_messages_cannot_say_is_refused_by_name() {
        let check = |extra: Value, param: &str| {
            let mut chat = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
            chat.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let error = translate(chat).unwrap_err();
            let Error::Invalid { param: Some(got), .. } = &error else { panic!("{error:?}") };
            assert_eq!(got, param);
        };
        check(json!({"n": 2}), "n");
        check(json!({"logprobs": true}), "logprobs");
        check(json!({"presence_penalty": 0.5}), "presence_penalty");
        check(json!({"response_format": {"type": "json_object"}}), "response_format");
        check(json!({"tool_choice": "maybe"}), "tool_choice");
        check(json!({"messages": [{"role": "critic", "content": "no"}]}), "messages[0].role");
        check(
            json!({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}),
            "messages[0].content[0]",
        );
        check(
            json!({"messages": [{"role": "assistant", "tool_calls": [
                {"id": "a", "function": {"name": "f", "arguments": "{oops"}}]}]}),
            "messages[0].tool_calls[0].function.arguments",
        );
    }

    #[test]
    fn a_schema_closes_its_objects_and_own_fields_pass() {
        let body = translate(json!({
            "model": "m", "messages": [{"role": "user", "content": "hi"}], "presence_penalty": 0, "store": false,
            "thinking": {"type": "enabled", "budget_tokens": 1024}, "reasoning_effort": "xhigh",
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema":
                {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}}},
        }))
        .unwrap();
        assert_eq!(
            body,
            json!({
                "model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}],
                "output_config": {"effort": "max", "format": {"type": "json_schema", "schema":
                    {"type": "object", "additionalProperties": false, "properties":
                        {"a": {"type": "object", "properties": {}, "additionalProperties": false}}}}},
                "thinking": {"type": "enabled", "budget_tokens": 1024},
            })
        );
    }
}
