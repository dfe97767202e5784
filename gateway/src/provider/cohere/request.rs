//! Chats and texts to embed as Cohere's bodies.

use llm::{Chat, Content, Embed, EmbedInput, Error, Message, Role, Tool};
use serde_json::{Map, Value, json};

use crate::losses::Losses;
use crate::provider::leftover::leave_out;
use crate::provider::tools::{bad_choice, narrowed};

/// OpenAI's fields that Cohere refuses.
const UNKNOWN: [&str; 14] = [
    "top_logprobs",
    "logit_bias",
    "user",
    "safety_identifier",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "modalities",
    "audio",
    "prediction",
    "verbosity",
    "web_search_options",
];

const WHO: &str = "Cohere";

/// What a text is embedded for, where the caller does not say: Cohere wants to know.
const INPUT_TYPE: &str = "search_document";

pub(super) fn chat(chat: Chat, model: &str, stream: bool, losses: &mut Losses) -> Result<Map<String, Value>, Error> {
    let output_tokens_max = chat.max_completion_tokens.or(chat.max_tokens);
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    let messages = chat.messages.into_iter().enumerate().map(|(index, it)| message(it, &format!("messages[{index}]")));
    body.insert("messages".to_owned(), messages.collect::<Result<Value, Error>>()?);
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("stream", stream.then_some(true.into()));
    set("max_tokens", output_tokens_max.map(Value::from));
    set("temperature", chat.temperature.map(Value::from));
    set("p", chat.top_p.map(Value::from));
    set("k", chat.top_k.map(Value::from));
    set("seed", chat.seed.map(Value::from));
    set("stop_sequences", chat.stop.map(|it| json!(it.texts())));
    if chat.n.is_some_and(|it| it > 1) {
        losses.add("n", "counts as 1: Cohere gives one answer a call");
    }
    let mut rest = chat.rest;
    let mut offered = chat.tools;
    let choice = narrowed(&mut offered, chat.tool_choice);
    tools(offered, choice, &mut body, losses)?;
    if rest.remove("parallel_tool_calls") == Some(Value::Bool(false)) && body.contains_key("tools") {
        losses.add("parallel_tool_calls", "is left out: Cohere has no such option");
    }
    if let Some(format) = rest.remove("response_format") {
        match format["type"].as_str() {
            Some("json_schema") => {
                let schema = format.pointer("/json_schema/schema").ok_or_else(|| {
                    Error::invalid(
                        "response_format",
                        "`response_format.json_schema.schema` is missing; send the schema",
                    )
                })?;
                let format = json!({"type": "json_object", "json_schema": schema});
                body.insert("response_format".to_owned(), format);
            }
            Some("text") => {}
            _ => drop(body.insert("response_format".to_owned(), format)),
        }
    }
    if let Some(effort) = rest.remove("reasoning_effort") {
        let kind = if effort == "none" { "disabled" } else { "enabled" };
        if !matches!(effort.as_str(), Some("none" | "high")) {
            losses.add("reasoning_effort", "counts as `high`: Cohere's models think, or do not");
        }
        body.entry("thinking").or_insert(json!({"type": kind}));
    }
    rest.remove("stream_options");
    leave_out(&mut rest, &UNKNOWN, WHO, losses);
    // What is left is Cohere's own (`documents`, `citation_options`, `safety_mode`…), or refused by it by name.
    body.extend(rest.into_iter().filter(|(_, value)| !value.is_null()));
    Ok(body)
}

fn message(message: Message, at: &str) -> Result<Value, Error> {
    let mut out = Map::new();
    let role = match &message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Other(role) => {
            return Err(Error::invalid(
                format!("{at}.role"),
                format!("Cohere's models know no role `{role}`; use system, user, assistant or tool"),
            ));
        }
    };
    out.insert("role".to_owned(), role.into());
    let mut content = content(message.content, at)?;
    if let Some(thought) = message.rest.get("reasoning_content").and_then(Value::as_str).filter(|_| role == "assistant")
    {
        let mut parts = vec![json!({"type": "thinking", "thinking": thought})];
        match content {
            Some(Value::Array(more)) => parts.extend(more),
            Some(Value::String(text)) if !text.is_empty() => parts.push(json!({"type": "text", "text": text})),
            _ => {}
        }
        content = Some(parts.into());
    }
    if let Some(content) = content {
        out.insert("content".to_owned(), content);
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|it| {
            let arguments = if it.function.arguments.is_empty() { "{}" } else { &it.function.arguments };
            json!({"id": it.id, "type": "function",
                   "function": {"name": it.function.name, "arguments": arguments}})
        });
        out.insert("tool_calls".to_owned(), calls.collect());
    }
    if let Some(id) = message.tool_call_id {
        out.insert("tool_call_id".to_owned(), id.into());
    }
    for name in ["tool_plan", "citations"] {
        if let Some(value) = message.rest.get(name) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    Ok(out.into())
}

fn content(content: Option<Content>, at: &str) -> Result<Option<Value>, Error> {
    let parts = match content {
        None => return Ok(None),
        Some(Content::Text(text)) => return Ok(Some(text.into())),
        Some(Content::Parts(parts)) => parts,
    };
    let mut all = Vec::with_capacity(parts.len());
    for (index, part) in parts.into_iter().enumerate() {
        all.push(match part.kind.as_str() {
            "text" => json!({"type": "text", "text": part.text.unwrap_or_default()}),
            "refusal" => json!({"type": "text", "text": part.rest.get("refusal")}),
            // An image has the form that OpenAI gave it; documents and thoughts are Cohere's own.
            "image_url" | "document" | "thinking" => {
                let mut own = part.rest;
                own.remove("cache_control");
                own.insert("type".to_owned(), part.kind.into());
                own.into()
            }
            kind => {
                return Err(Error::invalid(
                    format!("{at}.content[{index}].type"),
                    format!("Cohere takes no parts of the type `{kind}`; send text, images or documents"),
                ));
            }
        });
    }
    Ok(Some(all.into()))
}

fn tools(
    tools: Vec<Tool>,
    choice: Option<Value>,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let mut all = Vec::with_capacity(tools.len());
    let mut is_strict = false;
    for (index, tool) in tools.into_iter().enumerate() {
        let at = format!("tools[{index}]");
        let Some(Value::Object(function)) = tool.rest.get("function") else {
            losses.add(at, format!("is left out: Cohere takes no tools of the type `{}`", tool.kind));
            continue;
        };
        let mut function = function.clone();
        is_strict |= function.remove("strict") == Some(Value::Bool(true));
        function.entry("parameters").or_insert(json!({"type": "object", "properties": {}}));
        all.push(json!({"type": "function", "function": function}));
    }
    match choice {
        None | Some(Value::Null) => {}
        Some(Value::String(word)) => match word.as_str() {
            "auto" => {}
            "none" => drop(body.insert("tool_choice".to_owned(), "NONE".into())),
            "required" | "any" => drop(body.insert("tool_choice".to_owned(), "REQUIRED".into())),
            _ => return Err(bad_choice(&word)),
        },
        Some(choice) => {
            // Cohere cannot name the tool to be called; one that is alone and required is that tool.
            let name = choice.pointer("/function/name").ok_or_else(|| bad_choice(&choice.to_string()))?;
            all.retain(|it| it.pointer("/function/name") == Some(name));
            if all.is_empty() {
                return Err(bad_choice(&choice.to_string()));
            }
            body.insert("tool_choice".to_owned(), "REQUIRED".into());
        }
    }
    if all.is_empty() {
        body.remove("tool_choice");
        return Ok(());
    }
    body.insert("tools".to_owned(), all.into());
    if is_strict {
        body.insert("strict_tools".to_owned(), true.into());
    }
    Ok(())
}

pub(super) fn embed(embed: Embed, model: &str) -> Result<Map<String, Value>, Error> {
    let texts = match embed.input {
        EmbedInput::One(text) => vec![text],
        EmbedInput::Many(texts) => texts,
        EmbedInput::Tokens(_) | EmbedInput::TokenLists(_) => {
            return Err(Error::invalid("input", "Cohere's models take texts, no token ids"));
        }
    };
    let mut rest = embed.rest;
    // The vectors come as numbers, and are written as the caller wants them afterwards.
    rest.remove("encoding_format");
    rest.remove("user");
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("texts".to_owned(), texts.into());
    body.insert("input_type".to_owned(), rest.remove("input_type").unwrap_or(INPUT_TYPE.into()));
    body.insert("embedding_types".to_owned(), json!(["float"]));
    if let Some(dimensions) = rest.remove("dimensions") {
        body.insert("output_dimension".to_owned(), dimensions);
    }
    body.extend(rest);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_in_coheres_words() {
        let request: Chat = serde_json::from_value(json!({
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
                {"role": "assistant", "content": "", "tool_plan": "I will look.", "reasoning_content": "hm",
                 "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": ""}}]},
                {"role": "tool", "tool_call_id": "c", "content": "a cat"}],
            "tools": [{"type": "function", "function": {"name": "look", "strict": true}},
                      {"type": "function", "function": {"name": "jump"}}],
            "tool_choice": {"type": "function", "function": {"name": "look"}},
            "top_p": 0.9, "top_k": 3, "max_completion_tokens": 9, "stop": "END", "user": "u", "n": 1,
            "safety_mode": "OFF", "stream_options": {"include_usage": true},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        }))
        .unwrap();
        let mut losses = Losses::default();
        let body = chat(request, "command-a", true, &mut losses).unwrap();
        assert_eq!(
            Value::from(body),
            json!({
                "model": "command-a",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}],
                     "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
                     "tool_plan": "I will look."},
                    {"role": "tool", "content": "a cat", "tool_call_id": "c"}],
                "stream": true, "max_tokens": 9, "p": 0.9, "k": 3, "stop_sequences": ["END"],
                "tool_choice": "REQUIRED", "strict_tools": true,
                "tools": [{"type": "function", "function":
                    {"name": "look", "parameters": {"type": "object", "properties": {}}}}],
                "response_format": {"type": "json_object", "json_schema": {"type": "object"}},
                "safety_mode": "OFF",
            })
        );
        assert_eq!(losses.as_slice().iter().map(|it| it.field.as_str()).collect::<Vec<_>>(), ["user"]);
    }
}
