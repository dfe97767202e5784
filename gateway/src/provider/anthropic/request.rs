//! A chat as the body of a Messages call.

mod content;
mod options;
mod tools;

use llm::{Chat, Error, Message, Role};
use serde_json::{Map, Value, json};

use content::{blocks, tool_result, tool_use};
use options::{translate_rest, typed};

use crate::losses::Losses;
use crate::provider::tools::narrowed;

/// The body. Fields that a chat does not know pass through, so that Anthropic's own (`thinking`, `container`…) work,
/// and Anthropic itself refuses what neither knows.
pub(super) fn body(
    mut chat: Chat,
    stream: bool,
    output_tokens_default: u32,
    losses: &mut Losses,
) -> Result<Vec<u8>, Error> {
    typed(&mut chat, losses)?;
    let mut rest = chat.rest;
    let max_tokens = chat.max_completion_tokens.or(chat.max_tokens).unwrap_or(output_tokens_default);
    let mut body = Map::new();
    body.insert("model".to_owned(), chat.model.into());
    body.insert("max_tokens".to_owned(), max_tokens.into());
    let (system, messages) = turns(chat.messages, losses)?;
    if let Some(system) = system {
        body.insert("system".to_owned(), system);
    }
    body.insert("messages".to_owned(), messages);
    if let Some(temperature) = chat.temperature {
        body.insert("temperature".to_owned(), temperature.into());
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
    let choice = narrowed(&mut chat.tools, chat.tool_choice);
    let tools: Vec<Value> = tools::tools(chat.tools, losses)?;
    let is_parallel_off = rest.shift_remove("parallel_tool_calls") == Some(Value::Bool(false));
    if let Some(choice) = tools::tool_choice(choice, is_parallel_off && !tools.is_empty())? {
        body.insert("tool_choice".to_owned(), choice);
    }
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    translate_rest(&mut rest, &mut body, losses)?;
    for (key, value) in rest {
        body.entry(key).or_insert(value);
    }
    serde_json::to_vec(&body).map_err(|error| Error::Internal(format!("a request could not be written: {error}")))
}

/// What of a body its tokens are counted by: the count takes no bounds, and no wishes how to draw.
pub(super) fn counted(body: &[u8]) -> Result<Vec<u8>, Error> {
    const COUNTED: [&str; 7] = ["model", "system", "messages", "tools", "tool_choice", "thinking", "output_config"];
    let mut body: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| Error::Internal(format!("a request could not be read again: {error}")))?;
    body.retain(|name, _| COUNTED.contains(&name.as_str()));
    serde_json::to_vec(&body).map_err(|error| Error::Internal(format!("a request could not be written: {error}")))
}

/// The system prompt, and the turns: user and assistant in alternation, the results of tools in the user's.
fn turns(messages: Vec<Message>, losses: &mut Losses) -> Result<(Option<Value>, Value), Error> {
    let mut system: Vec<Value> = Vec::new();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for (index, message) in messages.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        if message.name.is_some() {
            losses.add(format!("{at}.name"), "is left out: Anthropic's turns have no names");
        }
        let (role, blocks) = match &message.role {
            Role::System | Role::Developer => {
                system.extend(blocks(message.content, &at, losses)?);
                continue;
            }
            Role::User => ("user", blocks(message.content, &at, losses)?),
            Role::Tool => ("user", vec![tool_result(message, &at, losses)?]),
            Role::Assistant => ("assistant", assistant(message, &at, losses)?),
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
fn assistant(mut message: Message, at: &str, losses: &mut Losses) -> Result<Vec<Value>, Error> {
    // A whole turn as Anthropic said it: searches, code runs, citations.
    if let Some(Value::Array(own)) = message.rest.get_mut("content_blocks") {
        return Ok(std::mem::take(own));
    }
    let mut all = Vec::new();
    if let Some(Value::Array(thoughts)) = message.rest.get("thinking_blocks") {
        all.extend(thoughts.iter().cloned());
    } else if message.rest.contains_key("reasoning_content") {
        let field = format!("{at}.reasoning_content");
        losses.add(field, "is left out: Anthropic's models take back only thoughts that they signed");
    }
    all.extend(blocks(message.content, at, losses)?);
    if let Some(Value::String(refusal)) = message.rest.get("refusal").filter(|it| *it != "") {
        all.push(json!({"type": "text", "text": refusal}));
    }
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
        lossy(chat).map(|it| it.0)
    }

    /// The body, and the fields that it lacks.
    fn lossy(chat: Value) -> Result<(Value, Vec<String>), Error> {
        let chat: Chat = serde_json::from_value(chat).unwrap();
        let mut losses = Losses::default();
        let body = body(chat, false, 100, &mut losses)?;
        let lost = losses.as_slice().iter().map(|it| it.field.clone()).collect();
        Ok((serde_json::from_slice(&body).unwrap(), lost))
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
        check(json!({"response_format": {"type": "grammar"}}), "response_format");
        check(json!({"tool_choice": "maybe"}), "tool_choice");
        check(json!({"messages": [{"role": "critic", "content": "no"}]}), "messages[0].role");
        check(
            json!({"messages": [{"role": "assistant", "tool_calls": [
                {"id": "a", "function": {"name": "f", "arguments": "{oops"}}]}]}),
            "messages[0].tool_calls[0].function.arguments",
        );
    }

    #[test]
    fn what_messages_have_no_field_for_is_named() {
        let check = |extra: Value, lost: &[&str]| {
            let mut chat = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
            chat.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let (body, got) = lossy(chat).unwrap();
            assert_eq!(got, lost);
            for field in lost.iter().filter(|it| **it != "temperature" && !it.contains('[')) {
                assert!(body.get(field).is_none(), "{field} is in {body}");
            }
        };
        check(json!({"seed": 1, "temperature": 1.5}), &["seed", "temperature"]);
        check(json!({"logprobs": true, "top_logprobs": 0, "presence_penalty": 0.5}), &["logprobs", "presence_penalty"]);
        check(json!({"response_format": {"type": "json_object"}}), &["response_format"]);
        check(json!({"store": false, "modalities": ["text"], "stream_options": {}, "user": "u"}), &[]);
        check(json!({"metadata": {"a": "b"}, "service_tier": "flex"}), &["service_tier", "metadata"]);
        check(
            json!({"messages": [{"role": "user", "name": "Ann", "content": [
                {"type": "text", "text": "hear"}, {"type": "input_audio", "input_audio": {}}]}]}),
            &["messages[0].name", "messages[0].content[1]"],
        );
        check(json!({"tools": [{"type": "custom", "custom": {"name": "c"}}]}), &["tools[0]"]);
    }

    #[test]
    fn only_the_allowed_tools_are_offered() {
        let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
        let choice = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool("b")]}});
        let body = translate(json!({
            "model": "m", "messages": [{"role": "user", "content": "hi"}],
            "tools": [tool("a"), tool("b")], "tool_choice": choice,
        }))
        .unwrap();
        assert_eq!(body["tool_choice"], json!({"type": "any"}));
        assert_eq!(body["tools"].as_array().unwrap().len(), 1);
        assert_eq!(body["tools"][0]["name"], "b");
    }

    #[test]
    fn a_turn_of_anthropics_own_comes_back_as_it_was() {
        let blocks = json!([
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
            {"type": "text", "text": "x", "citations": [{"type": "web_search_result_location"}]}]);
        let body = translate(json!({"model": "m", "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "x", "content_blocks": blocks}, {"role": "user", "content": "more"}]}))
        .unwrap();
        assert_eq!(body["messages"][1]["content"], blocks);
    }

    #[test]
    fn a_schema_closes_its_objects_and_own_fields_pass() {
        let body = translate(json!({
            "model": "m", "messages": [{"role": "user", "content": "hi"}], "presence_penalty": 0, "store": false,
            "thinking": {"type": "enabled", "budget_tokens": 1024}, "reasoning_effort": "xhigh",
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema":
                {"type": "object", "properties": {"a": {"type": ["object", "null"], "properties": {}},
                    "b": {"enum": [{"type": "object"}]}}}}},
        }))
        .unwrap();
        assert_eq!(
            body,
            json!({
                "model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}],
                "output_config": {"effort": "max", "format": {"type": "json_schema", "schema":
                    {"type": "object", "additionalProperties": false, "properties":
                        {"a": {"type": ["object", "null"], "properties": {}, "additionalProperties": false},
                         "b": {"enum": [{"type": "object"}]}}}}},
                "thinking": {"type": "enabled", "budget_tokens": 1024},
            })
        );
    }
}
