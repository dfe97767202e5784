//! A chat as the body of Converse.

use llm::{Chat, Error, Message, Role};
use serde_json::{Map, Value, json};

use super::content::{Names, blocks, cache_point, tool_result, tool_use};
use super::options::{self, Options};
use super::tools::tool_config;
use crate::losses::Losses;
use crate::provider::tools::narrowed;

pub(super) fn body(chat: Chat, model: &str, losses: &mut Losses) -> Result<Map<String, Value>, Error> {
    let Chat { messages, temperature, top_p, top_k, n, stop, mut tools, tool_choice, mut rest, .. } = chat;
    let tool_choice = narrowed(&mut tools, tool_choice);
    let output_tokens_max = chat.max_completion_tokens.or(chat.max_tokens);
    let mut body = Map::new();
    let (system, turns) = turns(messages)?;
    let has_calls = turns.iter().flat_map(|it| &it.1).any(|it| it.get("toolUse").is_some());
    if !system.is_empty() {
        body.insert("system".to_owned(), system.into());
    }
    let turns: Vec<Value> = turns.into_iter().map(|(role, blocks)| json!({"role": role, "content": blocks})).collect();
    body.insert("messages".to_owned(), turns.into());

    let mut inference = Map::new();
    if let Some(count) = output_tokens_max {
        inference.insert("maxTokens".to_owned(), count.into());
    }
    if let Some(temperature) = temperature {
        // OpenAI's scale ends at 2, Converse's at 1; below that they mean the same.
        if temperature > 1.0 {
            losses.add("temperature", "is lowered to 1, where Bedrock's scale ends");
        }
        inference.insert("temperature".to_owned(), temperature.min(1.0).into());
    }
    if let Some(top_p) = top_p {
        inference.insert("topP".to_owned(), top_p.into());
    }
    if let Some(stop) = &stop {
        inference.insert("stopSequences".to_owned(), json!(stop.texts()));
    }
    if !inference.is_empty() {
        body.insert("inferenceConfig".to_owned(), inference.into());
    }
    if n.is_some_and(|it| it > 1) {
        losses.add("n", "counts as 1: Bedrock gives one answer a call");
    }
    if chat.seed.is_some() {
        losses.add("seed", "is left out: Bedrock has no such option");
    }
    let is_parallel_off = rest.remove("parallel_tool_calls") == Some(Value::Bool(false)) && !tools.is_empty();
    if let Some(config) = tool_config(tools, tool_choice, has_calls, losses)? {
        body.insert("toolConfig".to_owned(), config);
    }
    options::translate(rest, &Options { model, top_k, is_parallel_off }, &mut body, losses)?;
    Ok(body)
}

type Turn = (&'static str, Vec<Value>);

/// The system prompt, and the turns: user and assistant in alternation, the results of tools in the user's.
fn turns(messages: Vec<Message>) -> Result<(Vec<Value>, Vec<Turn>), Error> {
    let (mut system, mut turns, mut names) = (Vec::new(), Vec::<Turn>::new(), Names::default());
    for (index, message) in messages.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        let (role, blocks) = match &message.role {
            Role::System | Role::Developer => {
                let cached = cache_point(&message.rest);
                system.extend(blocks(message.content, &at, &mut names)?);
                system.extend(cached);
                continue;
            }
            Role::User => {
                let cached = cache_point(&message.rest);
                let mut all = blocks(message.content, &at, &mut names)?;
                all.extend(cached);
                ("user", all)
            }
            Role::Tool => ("user", tool_result(message, &at, &mut names)?),
            Role::Assistant => ("assistant", assistant(message, &at, &mut names)?),
            Role::Other(role) => {
                return Err(Error::invalid(
                    format!("{at}.role"),
                    format!("Bedrock's models know no role `{role}`; use system, user, assistant or tool"),
                ));
            }
        };
        match turns.last_mut() {
            Some((last, known)) if *last == role => known.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    turns.retain(|(_, blocks)| !blocks.is_empty());
    Ok((system, turns))
}

/// An assistant's turn: what it thought, what it said, then the tools that it called.
fn assistant(message: Message, at: &str, names: &mut Names) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    if let Some(Value::Array(thoughts)) = message.rest.get("thinking_blocks") {
        all.extend(thoughts.iter().filter_map(thought));
    }
    let cached = cache_point(&message.rest);
    all.extend(blocks(message.content, at, names)?);
    for (index, call) in message.tool_calls.iter().enumerate() {
        all.push(tool_use(call, &format!("{at}.tool_calls[{index}]"))?);
        all.extend(cache_point(&call.rest));
    }
    all.extend(cached);
    Ok(all)
}

/// A thought told back to the model. One without a signature is somebody else's, and would be refused.
fn thought(block: &Value) -> Option<Value> {
    let text = |key: &str| block.get(key).and_then(Value::as_str).filter(|it| !it.is_empty());
    match block["type"].as_str()? {
        "thinking" => {
            let (words, signature) = (block["thinking"].as_str().unwrap_or_default(), text("signature")?);
            Some(json!({"reasoningContent": {"reasoningText": {"text": words, "signature": signature}}}))
        }
        "redacted_thinking" => Some(json!({"reasoningContent": {"redactedContent": text("data")?}})),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(chat: Value) -> (Value, Losses) {
        let mut losses = Losses::default();
        let chat: Chat = serde_json::from_value(chat).unwrap();
        let body = body(chat, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", &mut losses).unwrap();
        (body.into(), losses)
    }

    #[test]
    fn a_conversation_with_tools_and_thoughts() {
        let (body, losses) = translate(json!({
            "temperature": 0.5, "stop": "END", "max_tokens": 9,
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Weather in Paris and Rome?", "cache_control": {"type": "ephemeral"}},
                {"role": "assistant", "content": "Let me look.",
                 "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"},
                                     {"type": "thinking", "thinking": "unsigned"},
                                     {"type": "redacted_thinking", "data": "AAAA"}],
                 "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}},
                    {"id": "b", "type": "function", "function": {"name": "weather", "arguments": ""}}]},
                {"role": "tool", "tool_call_id": "a", "content": "sun"},
                {"role": "tool", "tool_call_id": "b", "content": "down", "is_error": true},
                {"role": "user", "content": [{"type": "text", "text": "And?"}, {"type": "text", "text": " "}]},
            ],
            "tools": [{"type": "function", "function": {"name": "weather", "description": "d", "strict": true,
                       "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
                       "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
        }));
        assert!(losses.as_slice().is_empty(), "{losses:?}");
        assert_eq!(
            body,
            json!({
                "system": [{"text": "Be brief."}],
                "messages": [
                    {"role": "user", "content": [
                        {"text": "Weather in Paris and Rome?"}, {"cachePoint": {"type": "default"}}]},
                    {"role": "assistant", "content": [
                        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
                        {"reasoningContent": {"redactedContent": "AAAA"}},
                        {"text": "Let me look."},
                        {"toolUse": {"toolUseId": "a", "name": "weather", "input": {"city": "Paris"}}},
                        {"toolUse": {"toolUseId": "b", "name": "weather", "input": {}}}]},
                    {"role": "user", "content": [
                        {"toolResult": {"toolUseId": "a", "content": [{"text": "sun"}]}},
                        {"toolResult": {"toolUseId": "b", "content": [{"text": "down"}], "status": "error"}},
                        {"text": "And?"}]},
                ],
                "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "stopSequences": ["END"]},
                "toolConfig": {
                    "tools": [
                        {"toolSpec": {"name": "weather", "description": "d", "strict": true, "inputSchema": {"json":
                            {"type": "object", "properties": {"city": {"type": "string"}}}}}},
                        {"cachePoint": {"type": "default", "ttl": "1h"}}],
                    "toolChoice": {"tool": {"name": "weather"}}},
            })
        );
    }

    #[test]
    fn what_converse_cannot_say_is_named() {
        let (body, losses) = translate(json!({
            "messages": [{"role": "user", "content": "hi"}], "n": 2, "seed": 1, "temperature": 1.5,
            "logprobs": true, "user": "u", "response_format": {"type": "json_object"}, "presence_penalty": 0,
            "stream_options": {"include_usage": true}, "service_tier": "flex", "top_k": 5,
            "thinking": {"type": "adaptive"}, "guardrailConfig": {"guardrailIdentifier": "g"},
        }));
        let fields: Vec<&str> = losses.as_slice().iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["temperature", "n", "seed", "response_format", "logprobs", "user"]);
        assert_eq!(
            body,
            json!({
                "messages": [{"role": "user", "content": [{"text": "hi"}]}],
                "inferenceConfig": {"temperature": 1.0},
                "serviceTier": {"type": "flex"},
                "guardrailConfig": {"guardrailIdentifier": "g"},
                "additionalModelRequestFields": {"top_k": 5, "thinking": {"type": "adaptive"}},
            })
        );
    }

    #[test]
    fn a_history_of_calls_needs_tools() {
        let history = json!([
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": ""}]);
        let (body, _) = translate(json!({"messages": history}));
        assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "unavailable");
        assert_eq!(body["messages"][1]["content"][0]["toolResult"]["content"], json!([]));
    }

    #[test]
    fn a_choice_among_some_tools_offers_those_alone() {
        let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
        let (body, _) = translate(json!({
            "messages": [{"role": "user", "content": "hi"}], "tools": [tool("a"), tool("b")],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool("b")]}},
        }));
        let config = &body["toolConfig"];
        assert_eq!(config["toolChoice"], json!({"any": {}}));
        assert_eq!(config["tools"].as_array().unwrap().len(), 1);
        assert_eq!(config["tools"][0]["toolSpec"]["name"], "b");
    }

    #[test]
    fn a_schema_travels_as_text() {
        let schema = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {}}});
        let (body, losses) = translate(json!({
            "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "low",
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema.clone()}},
        }));
        assert!(losses.as_slice().is_empty(), "{losses:?}");
        let format = &body["outputConfig"]["textFormat"];
        assert_eq!(format["structure"]["jsonSchema"]["name"], "n");
        let text = format["structure"]["jsonSchema"]["schema"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap()["$defs"], schema["$defs"]);
        assert_eq!(body["additionalModelRequestFields"], json!({"output_config": {"effort": "low"}}));
    }
}
