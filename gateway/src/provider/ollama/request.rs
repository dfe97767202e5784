//! Chats, completions and texts to embed as Ollama's bodies.

use std::collections::HashMap;

use llm::{Chat, Completion, Content, Embed, EmbedInput, Error, Message, Prompt, Rest, Role, Stop};
use serde_json::{Map, Value, json};

use crate::losses::Losses;
use crate::provider::leftover::leave_out;
use crate::provider::media::{address, inline};
use crate::provider::tools::{arguments, narrowed};

/// Ollama's own fields beside `options`, which pass as they are.
const OWN: [&str; 9] =
    ["keep_alive", "think", "format", "truncate", "shift", "logprobs", "top_logprobs", "raw", "system"];

/// What Ollama's runner knows beside what OpenAI knows; it goes into `options`.
const RUNNER: [&str; 17] = [
    "num_ctx",
    "num_keep",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "use_mmap",
    "num_predict",
    "min_p",
    "typical_p",
    "repeat_last_n",
    "repeat_penalty",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "presence_penalty",
    "frequency_penalty",
];

const WHO: &str = "Ollama";

pub(super) fn chat(chat: Chat, model: &str, stream: bool, losses: &mut Losses) -> Result<Map<String, Value>, Error> {
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), messages(chat.messages)?);
    // Ollama streams unless it is told not to.
    body.insert("stream".to_owned(), stream.into());
    let mut tools = chat.tools;
    let choice = narrowed(&mut tools, chat.tool_choice);
    if tool_choice(choice.as_ref(), losses) && !tools.is_empty() {
        body.insert("tools".to_owned(), json!(tools));
    }
    let mut rest = chat.rest;
    if rest.remove("parallel_tool_calls") == Some(Value::Bool(false)) && body.contains_key("tools") {
        losses.add("parallel_tool_calls", "is left out: Ollama has no such option");
    }
    if let Some(format) = rest.remove("response_format") {
        match format["type"].as_str() {
            Some("json_object") => drop(body.insert("format".to_owned(), "json".into())),
            Some("json_schema") => {
                let schema = format.pointer("/json_schema/schema").cloned().ok_or_else(|| {
                    Error::invalid(
                        "response_format",
                        "`response_format.json_schema.schema` is missing; send the schema",
                    )
                })?;
                body.insert("format".to_owned(), schema);
            }
            _ => {}
        }
    }
    if let Some(effort) = rest.remove("reasoning_effort").as_ref().and_then(Value::as_str) {
        let think: Value = match effort {
            "none" => false.into(),
            "minimal" => "low".into(),
            "xhigh" => "high".into(),
            other => other.into(),
        };
        body.insert("think".to_owned(), think);
    }
    let sampling = Sampling {
        temperature: chat.temperature,
        top_p: chat.top_p,
        top_k: chat.top_k,
        output_tokens_max: chat.max_completion_tokens.or(chat.max_tokens),
        n: chat.n,
        stop: chat.stop,
        seed: chat.seed,
    };
    options(sampling, rest, &mut body, losses);
    Ok(body)
}

pub(super) fn completion(
    completion: Completion,
    model: &str,
    stream: bool,
    losses: &mut Losses,
) -> Result<Map<String, Value>, Error> {
    let prompt = match completion.prompt {
        Prompt::One(text) => text,
        Prompt::Many(mut texts) if texts.len() == 1 => texts.remove(0),
        _ => return Err(Error::invalid("prompt", "Ollama takes one prompt of text in each call")),
    };
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("prompt".to_owned(), prompt.into());
    body.insert("stream".to_owned(), stream.into());
    let mut rest = completion.rest;
    if let Some(suffix) = rest.remove("suffix") {
        body.insert("suffix".to_owned(), suffix);
    }
    leave_out(&mut rest, &["echo", "best_of"], WHO, losses);
    let sampling = Sampling {
        temperature: completion.temperature,
        top_p: completion.top_p,
        top_k: completion.top_k,
        output_tokens_max: completion.max_tokens,
        n: completion.n,
        stop: completion.stop,
        seed: completion.seed,
    };
    options(sampling, rest, &mut body, losses);
    Ok(body)
}

pub(super) fn embed(embed: Embed, model: &str, losses: &mut Losses) -> Result<Map<String, Value>, Error> {
    let input = match embed.input {
        EmbedInput::One(text) => json!(text),
        EmbedInput::Many(texts) => json!(texts),
        EmbedInput::Tokens(_) | EmbedInput::TokenLists(_) => {
            return Err(Error::invalid("input", "Ollama takes texts, no token ids"));
        }
    };
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("input".to_owned(), input);
    let mut rest = embed.rest;
    // The vectors come as numbers, and are written as the caller wants them afterwards.
    rest.remove("encoding_format");
    if let Some(dimensions) = rest.remove("dimensions") {
        body.insert("dimensions".to_owned(), dimensions);
    }
    options(Sampling::default(), rest, &mut body, losses);
    Ok(body)
}

#[derive(Default)]
struct Sampling {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u32>,
    output_tokens_max: Option<u32>,
    n: Option<u32>,
    stop: Option<Stop>,
    seed: Option<i64>,
}

fn options(sampling: Sampling, mut rest: Rest, body: &mut Map<String, Value>, losses: &mut Losses) {
    let mut options = match rest.remove("options") {
        Some(Value::Object(options)) => options,
        _ => Map::new(),
    };
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.insert(name.to_owned(), value);
        }
    };
    set("temperature", sampling.temperature.map(Value::from));
    set("top_p", sampling.top_p.map(Value::from));
    set("top_k", sampling.top_k.map(Value::from));
    set("num_predict", sampling.output_tokens_max.map(Value::from));
    set("seed", sampling.seed.map(Value::from));
    set("stop", sampling.stop.map(|it| json!(it.texts())));
    for name in RUNNER {
        set(name, rest.remove(name).filter(|it| !it.is_null()));
    }
    if sampling.n.is_some_and(|it| it > 1) {
        losses.add("n", "counts as 1: Ollama gives one answer a call");
    }
    for name in OWN {
        if let Some(value) = rest.remove(name).filter(|it| !it.is_null()) {
            body.insert(name.to_owned(), value);
        }
    }
    if !options.is_empty() {
        body.insert("options".to_owned(), options.into());
    }
    rest.remove("stream_options");
    // Ollama skips what it does not know without a word; the caller shall have one.
    let names: Vec<String> = rest.keys().cloned().collect();
    leave_out(&mut rest, &names.iter().map(String::as_str).collect::<Vec<_>>(), WHO, losses);
}

/// Whether tools may be called at all.
fn tool_choice(choice: Option<&Value>, losses: &mut Losses) -> bool {
    match choice {
        None | Some(Value::Null) => {}
        Some(Value::String(word)) if word == "auto" => {}
        Some(Value::String(word)) if word == "none" => return false,
        Some(_) => losses.add("tool_choice", "counts as `auto`: Ollama's models call tools as they see fit"),
    }
    true
}

fn messages(messages: Vec<Message>) -> Result<Value, Error> {
    // Ollama wants to know the name of the tool that answers; a chat only names the call.
    let mut names: HashMap<String, String> = HashMap::new();
    let mut all = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        for call in &message.tool_calls {
            names.insert(call.id.clone(), call.function.name.clone());
        }
        all.push(one(message, &at, &names)?);
    }
    Ok(all.into())
}

fn one(message: Message, at: &str, names: &HashMap<String, String>) -> Result<Value, Error> {
    let role = match message.role {
        Role::System | Role::Developer => "system".to_owned(),
        Role::User => "user".to_owned(),
        Role::Assistant => "assistant".to_owned(),
        Role::Tool => "tool".to_owned(),
        Role::Other(role) => role,
    };
    let mut out = Map::new();
    out.insert("role".to_owned(), role.into());
    let (text, images) = content(message.content, at)?;
    out.insert("content".to_owned(), text.into());
    if !images.is_empty() {
        out.insert("images".to_owned(), images.into());
    }
    if let Some(thinking) = message.rest.get("reasoning_content").filter(|it| it.is_string()) {
        out.insert("thinking".to_owned(), thinking.clone());
    }
    if let Some(id) = message.tool_call_id {
        if let Some(name) = message.name.or_else(|| names.get(&id).cloned()) {
            out.insert("tool_name".to_owned(), name.into());
        }
        out.insert("tool_call_id".to_owned(), id.into());
    }
    let mut calls = Vec::with_capacity(message.tool_calls.len());
    for (index, call) in message.tool_calls.iter().enumerate() {
        let arguments = arguments(call, &format!("{at}.tool_calls[{index}]"))?;
        calls.push(json!({"id": call.id, "function": {"name": call.function.name, "arguments": arguments}}));
    }
    if !calls.is_empty() {
        out.insert("tool_calls".to_owned(), calls.into());
    }
    Ok(out.into())
}

/// The text, and the images in base64, of a content.
fn content(content: Option<Content>, at: &str) -> Result<(String, Vec<Value>), Error> {
    let parts = match content {
        None => return Ok((String::new(), Vec::new())),
        Some(Content::Text(text)) => return Ok((text, Vec::new())),
        Some(Content::Parts(parts)) => parts,
    };
    let (mut text, mut images) = (String::new(), Vec::new());
    for (index, part) in parts.into_iter().enumerate() {
        match part.kind.as_str() {
            "text" => text.push_str(&part.text.unwrap_or_default()),
            "refusal" => text.push_str(part.rest.get("refusal").and_then(Value::as_str).unwrap_or_default()),
            "image_url" => {
                let bytes = address(&part, "image_url").and_then(inline).ok_or_else(|| {
                    let field = format!("{at}.content[{index}]");
                    let message = format!("`{field}` must have a `data:…;base64,…` address: Ollama fetches no images");
                    Error::invalid(field, message)
                })?;
                images.push(bytes.base64.into());
            }
            kind => {
                return Err(Error::invalid(
                    format!("{at}.content[{index}].type"),
                    format!("Ollama takes no parts of the type `{kind}`; send text and images"),
                ));
            }
        }
    }
    Ok((text, images))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_with_tools_images_and_options() {
        let request: Chat = serde_json::from_value(json!({
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
                {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "a cat"}],
            "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
            "temperature": 0.5, "max_tokens": 9, "stop": "END", "seed": 7, "num_ctx": 4096, "keep_alive": "5m",
            "reasoning_effort": "xhigh", "tool_choice": "required", "n": 2, "user": "u", "logit_bias": {},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            "stream_options": {"include_usage": true},
        }))
        .unwrap();
        let mut losses = Losses::default();
        let body = chat(request, "llama3", true, &mut losses).unwrap();
        assert_eq!(
            Value::from(body),
            json!({
                "model": "llama3",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "What is this?", "images": ["AAAA"]},
                    {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                        {"id": "c1", "function": {"name": "look", "arguments": {"at": 1}}}]},
                    {"role": "tool", "content": "a cat", "tool_name": "look", "tool_call_id": "c1"}],
                "stream": true,
                "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
                "format": {"type": "object"},
                "think": "high",
                "keep_alive": "5m",
                "options": {"temperature": 0.5, "num_predict": 9, "seed": 7, "stop": ["END"], "num_ctx": 4096},
            })
        );
        let fields: Vec<&str> = losses.as_slice().iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["tool_choice", "n", "user"]);
    }

    #[test]
    fn images_elsewhere_are_refused() {
        let request = json!({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]});
        let Err(Error::Invalid { param, .. }) =
            chat(serde_json::from_value(request).unwrap(), "m", false, &mut Losses::default())
        else {
            panic!("let through");
        };
        assert_eq!(param.as_deref(), Some("messages[0].content[0]"));
    }
}
