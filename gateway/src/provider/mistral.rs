//! Mistral, which refuses fields that it does not know and calls some of OpenAI's by other names.
//!
//! Facts: <https://docs.mistral.ai/api/>.

use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::leftover::leave_out;
use super::near::{Near, Rules};
use super::openai::bearer;
use super::{Clients, Provider, Remote};
use crate::config::{EndpointConfig, Form, Setting};
use crate::endpoint::Kind;
use crate::losses::Losses;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::required("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    Setting::optional("headers", Form::Headers),
];

const BASE: &str = "https://api.mistral.ai/v1";

static RULES: Rules = Rules {
    path: |kind| {
        Some(match kind {
            Kind::Chat => "chat/completions",
            // Completions are those of code, between a prompt and a suffix.
            Kind::Completions => "fim/completions",
            Kind::Embeddings => "embeddings",
        })
    },
    request: translate,
    ask_for_usage: false,
};

/// OpenAI's fields that Mistral refuses.
const UNKNOWN: [&str; 15] = [
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "user",
    "safety_identifier",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "modalities",
    "audio",
    "verbosity",
    "web_search_options",
    "top_k",
    "echo",
];

/// Mistral's ids of tool calls have this many letters and digits, no more and no less.
const ID_CHARS: usize = 9;

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let upstream = clients.upstream(endpoint, BASE, bearer(endpoint))?;
    let protocol = Near::new(&endpoint.model, upstream.who(), &RULES);
    Ok(Arc::new(Remote::new(upstream, Arc::new(protocol), endpoint.on_loss)))
}

fn translate(body: &mut Map<String, Value>, kind: Kind, losses: &mut Losses) {
    if kind == Kind::Embeddings {
        if let Some(dimensions) = body.remove("dimensions") {
            body.insert("output_dimension".to_owned(), dimensions);
        }
        leave_out(body, &["user"], "Mistral", losses);
        return;
    }
    body.remove("stream_options");
    for (theirs, ours) in [("random_seed", "seed"), ("max_tokens", "max_completion_tokens")] {
        if let Some(value) = body.remove(ours) {
            body.insert(theirs.to_owned(), value);
        }
    }
    if body.get("tool_choice").is_some_and(|it| it == "required") {
        body.insert("tool_choice".to_owned(), "any".into());
    }
    leave_out(body, &UNKNOWN, "Mistral", losses);
    for message in body.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(message) = message else { continue };
        if message.get("role").is_some_and(|it| it == "developer") {
            message.insert("role".to_owned(), "system".into());
        }
        told_back(message);
        if let Some(Value::String(id)) = message.get_mut("tool_call_id") {
            shorten(id);
        }
        for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(Value::String(id)) = call.get_mut("id") {
                shorten(id);
            }
        }
    }
}

/// What a model thought and what it cannot read when it is told back: Mistral refuses the fields that others have.
fn told_back(message: &mut Map<String, Value>) {
    message.retain(|name, _| {
        matches!(name.as_str(), "role" | "content" | "tool_calls" | "tool_call_id" | "name" | "prefix")
    });
}

/// An id in Mistral's form: its own stays, another becomes the same one each time.
fn shorten(id: &mut String) {
    let is_theirs = id.len() == ID_CHARS && id.bytes().all(|it| it.is_ascii_alphanumeric());
    if !is_theirs {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let digest = Sha256::digest(id.as_bytes());
        *id = digest.iter().take(ID_CHARS).map(|it| char::from(ALPHABET[usize::from(*it) % ALPHABET.len()])).collect();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_chat_in_mistrals_words() {
        let mut body = json!({
            "model": "m", "seed": 1, "max_completion_tokens": 5, "tool_choice": "required", "user": "u", "top_k": 0,
            "safe_prompt": true, "stream_options": {}, "messages": [
                {"role": "developer", "content": "S"},
                {"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": [
                    {"id": "call_0123456789", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "Df1cqWOle", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "call_0123456789", "content": "x"},
                {"role": "assistant", "content": "The", "prefix": true}],
        });
        let mut losses = Losses::default();
        translate(body.as_object_mut().unwrap(), Kind::Chat, &mut losses);
        let short = body["messages"][1]["tool_calls"][0]["id"].as_str().unwrap().to_owned();
        assert!(short.len() == 9 && short.bytes().all(|it| it.is_ascii_alphanumeric()), "{short}");
        assert_eq!(
            body,
            json!({
                "model": "m", "tool_choice": "any", "safe_prompt": true, "random_seed": 1, "max_tokens": 5,
                "messages": [
                    {"role": "system", "content": "S"},
                    {"role": "assistant", "content": "", "tool_calls": [
                        {"id": short, "function": {"name": "f", "arguments": "{}"}},
                        {"id": "Df1cqWOle", "function": {"name": "f", "arguments": "{}"}}]},
                    {"role": "tool", "tool_call_id": short, "content": "x"},
                    {"role": "assistant", "content": "The", "prefix": true}],
            })
        );
        assert_eq!(losses.as_slice().iter().map(|it| it.field.as_str()).collect::<Vec<_>>(), ["user"]);
    }
}
