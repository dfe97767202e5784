//! The answer to a chat in Google's words.

use std::borrow::Cow;

use llm::{ChatChoice, ChatReply, Content, Rest};
use serde_json::{Map, Value, json};

use super::usage_of_chat;

/// The answer. Thoughts are shown to those who asked to see them.
pub(crate) fn answer(reply: ChatReply, shows_thoughts: bool) -> Value {
    let candidates: Vec<Value> = reply.choices.into_iter().map(|it| candidate(it, shows_thoughts)).collect();
    let mut out = json!({"candidates": candidates});
    if let Some(usage) = &reply.usage {
        out["usageMetadata"] = usage_of_chat(usage);
    }
    head(&mut out, &reply.id, &reply.model, reply.rest);
    out
}

/// Names the answer and its model, and what else Google said of it.
pub(super) fn head(out: &mut Value, id: &str, model: &str, rest: Rest) {
    out["modelVersion"] = model.into();
    out["responseId"] = id.into();
    for (name, value) in rest {
        if is_google(&name) {
            out[name] = value;
        }
    }
}

/// Google's field names are in camel case, OpenAI's in snake case; what a chat calls its own does not reach a caller of
/// Google's.
pub(super) fn is_google(name: &str) -> bool {
    name.contains(|it: char| it.is_ascii_uppercase()) && !name.contains('_')
}

fn candidate(choice: ChatChoice, shows_thoughts: bool) -> Value {
    let mut message = choice.message;
    let mut parts = Vec::new();
    if shows_thoughts && let Some(thought) = reasoning(&message.rest) {
        parts.push(json!({"text": thought, "thought": true}));
    }
    if let Some(Value::Array(own)) = message.rest.remove("gemini_parts") {
        parts.extend(own);
    }
    match message.content.take() {
        Some(Content::Text(text)) if !text.is_empty() => parts.push(json!({"text": text})),
        Some(Content::Parts(list)) => {
            parts.extend(list.into_iter().filter_map(|it| it.text).map(|it| json!({"text": it})));
        }
        _ => {}
    }
    if let Some(Value::String(refusal)) = message.rest.remove("refusal") {
        parts.push(json!({"text": refusal}));
    }
    if let Some(Value::Array(images)) = message.rest.remove("images") {
        parts.extend(images.iter().filter_map(image));
    }
    if let Some(signature) = message.rest.remove("thought_signature") {
        if parts.is_empty() {
            parts.push(json!({"text": ""}));
        }
        if let Some(last) = parts.last_mut() {
            last["thoughtSignature"] = signature;
        }
    }
    for call in message.tool_calls {
        parts.push(function_call(&call.id, &call.function.name, &call.function.arguments, &call.rest));
    }
    if parts.is_empty() {
        parts.push(json!({"text": ""}));
    }
    let mut out = Map::new();
    out.insert("content".to_owned(), json!({"parts": parts, "role": "model"}));
    end(&mut out, choice.finish_reason.as_deref(), choice.rest);
    out.insert("index".to_owned(), choice.index.into());
    out.into()
}

/// Why a candidate ended, and what else there is to say of it.
pub(super) fn end(candidate: &mut Map<String, Value>, finish: Option<&str>, mut rest: Rest) {
    if let Some(reason) = finish {
        let native = rest.remove("native_finish_reason").filter(|it| it.as_str().is_some_and(is_finish));
        candidate.insert("finishReason".to_owned(), native.unwrap_or_else(|| finish_reason(reason).into()));
    }
    if let Some(Value::Object(logprobs)) = rest.remove("logprobs") {
        candidate.insert("logprobsResult".to_owned(), logprobs_result(&logprobs));
    }
    candidate.extend(rest.into_iter().filter(|(name, _)| is_google(name)));
}

fn finish_reason(reason: &str) -> &'static str {
    match reason {
        "length" => "MAX_TOKENS",
        "content_filter" => "SAFETY",
        _ => "STOP",
    }
}

/// Whether a reason is one of Google's, which are written in capitals.
fn is_finish(reason: &str) -> bool {
    !reason.is_empty() && reason.chars().all(|it| it.is_ascii_uppercase() || it == '_')
}

/// The model's thoughts, under either of the names that vendors give them.
pub(super) fn reasoning(rest: &Rest) -> Option<&str> {
    ["reasoning_content", "reasoning"].iter().find_map(|it| rest.get(*it)?.as_str()).filter(|it| !it.is_empty())
}

pub(super) fn function_call(id: &str, name: &str, arguments: &str, rest: &Rest) -> Value {
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    // Google's arguments are an object; what a model wrote that is none stands under a name that says so.
    let args = match serde_json::from_str::<Value>(arguments) {
        Ok(args @ Value::Object(_)) => args,
        _ => json!({"INVALID_JSON": arguments}),
    };
    let mut call = json!({"name": name, "args": args});
    if !id.is_empty() {
        call["id"] = id.into();
    }
    let mut part = json!({"functionCall": call});
    if let Some(signature) = rest.get("thought_signature") {
        part["thoughtSignature"] = signature.clone();
    }
    part
}

/// An `image_url` part with its bytes inside as Google has them.
pub(super) fn image(image: &Value) -> Option<Value> {
    let url = image.pointer("/image_url/url")?.as_str()?;
    let Some(data) = url.strip_prefix("data:") else {
        return Some(json!({"fileData": {"fileUri": url, "mimeType": "image/png"}}));
    };
    let (head, data) = data.split_once(',')?;
    Some(json!({"inlineData": {"mimeType": head.strip_suffix(";base64")?, "data": data}}))
}

fn logprobs_result(logprobs: &Map<String, Value>) -> Value {
    let tokens: Cow<'_, [Value]> = match logprobs.get("content") {
        Some(Value::Array(tokens)) => Cow::Borrowed(tokens),
        _ => Cow::Owned(Vec::new()),
    };
    let candidate = |it: &Value| json!({"token": it["token"], "logProbability": it["logprob"]});
    let chosen: Vec<Value> = tokens.iter().map(candidate).collect();
    let top: Vec<Value> = tokens
        .iter()
        .map(|it| {
            let list: Vec<Value> = it["top_logprobs"].as_array().into_iter().flatten().map(candidate).collect();
            json!({"candidates": list})
        })
        .collect();
    json!({"chosenCandidates": chosen, "topCandidates": top})
}
