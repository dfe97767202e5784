//! Google's generateContent, asked with chats and answering as chats; Gemini's API and Vertex AI both speak it.
//!
//! What OpenAI's chat has no field for rides along under these names, so that an answer can be sent back as history and
//! nothing is lost between callers and servers that both know it:
//!
//! - `thought_signature` on a tool call, and on a message for its text (also read from
//!   `extra_content.google.thought_signature`, where Google's own OpenAI-shaped server puts it);
//! - `reasoning_content` on a message: the parts marked as thoughts;
//! - `images` on a message: `[{"type": "image_url", "image_url": {"url": "data:…"}}]`, what image models draw;
//! - `gemini_parts` on a message: other parts that a chat has no words for (code that was run, server-side tools),
//!   each as Google wrote it;
//! - a candidate's and an answer's further fields (`groundingMetadata`, `safetyRatings`, `promptFeedback`…) on the choice
//!   and on the reply, by Google's names.

mod content;
mod counting;
mod embeddings;
mod logprobs;
mod options;
mod reply;
mod request;
mod schema;
mod stream;
mod tools;

use std::sync::Arc;

use bytes::Bytes;
use llm::Error;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use super::openai::sensitive;
use super::upstream::bad_gateway;
use super::{Clients, Outgoing, Protocol, Provider, Remote};
use crate::config::{EndpointConfig, Form, Setting};
use crate::dialect::{Dialect, EventReader};
use crate::endpoint::Kind;
use crate::losses::Losses;
use crate::request::Request;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::required("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    Setting::optional("headers", Form::Headers),
];

const BASE: &str = "https://generativelanguage.googleapis.com/v1beta";

/// A model of Google's.
pub(super) struct Gemini {
    /// Where the model lies below the base address: `models/gemini-3-flash`.
    pub(super) path: String,
    pub(super) model: String,
    pub(super) is_vertex: bool,
    pub(super) who: String,
}

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let mut headers = HeaderMap::new();
    if let Some(key) = endpoint.settings.secret("api_key") {
        headers.insert(HeaderName::from_static("x-goog-api-key"), sensitive(key.reveal()));
    }
    let upstream = clients.upstream(endpoint, BASE, headers)?;
    let model = model_name(&endpoint.model)?;
    // Tuned models lie beside the others: `tunedModels/my-model`.
    let path = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
    let protocol = Gemini { path, model: model.to_owned(), is_vertex: false, who: upstream.who().to_owned() };
    Ok(Arc::new(Remote::new(upstream, Arc::new(protocol), endpoint.on_loss)))
}

/// A model's name as it may stand in an address, without the `models/` that some write in front.
pub(super) fn model_name(name: &str) -> Result<&str, String> {
    let name = name.strip_prefix("models/").unwrap_or(name);
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.' | '@' | '/' | ':');
    let has_holes = name.split('/').any(|it| it.is_empty() || it.chars().all(|it| it == '.'));
    if has_holes || !name.chars().all(is_plain) {
        return Err(format!("`{name}` is no name of a model of Google's; write it like `gemini-3-flash-preview`"));
    }
    Ok(name)
}

impl Protocol for Gemini {
    fn speaks(&self, dialect: Dialect, kind: Kind) -> bool {
        dialect == Dialect::Gemini && kind == Kind::Chat
    }

    fn offers(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Chat | Kind::Embeddings)
    }

    fn outgoing(&self, request: &Request, losses: &mut Losses) -> Result<Outgoing, Error> {
        if request.kind == Kind::Embeddings {
            let (method, body) = if self.is_vertex {
                ("predict", embeddings::vertex_body(&request.typed()?, losses)?)
            } else {
                ("batchEmbedContents", embeddings::body(&request.typed()?, &self.path, losses)?)
            };
            return Ok(self.post(method, body));
        }
        let method = if request.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        if request.dialect == Dialect::Gemini {
            return Ok(self.post(method, request.body.to_vec()));
        }
        let body = request::body(request.chat()?, &self.model, !self.is_vertex, losses)?;
        Ok(self.post(method, body))
    }

    fn counting(&self, request: &Request) -> Result<Option<Outgoing>, Error> {
        let body = if request.dialect == Dialect::Gemini {
            request.body.to_vec()
        } else {
            // Nobody is told what gets lost: it would have been no part of what is counted.
            let mut lost = Losses::default();
            request::body(request.pivot(&mut lost)?.chat()?, &self.model, !self.is_vertex, &mut lost)?
        };
        Ok(Some(self.post("countTokens", counting::body(&body, &self.path, self.is_vertex)?)))
    }

    fn counted(&self, answer: &Value) -> Option<u64> {
        answer["totalTokens"].as_u64()
    }

    fn answer(&self, request: &Request, body: Bytes, _headers: &HeaderMap) -> Result<Bytes, Error> {
        if request.dialect == Dialect::Gemini {
            return Ok(body);
        }
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|error| bad_gateway(format!("{} answered with no JSON: {error}", self.who)))?;
        let reply = if request.kind == Kind::Embeddings {
            serde_json::to_vec(&embeddings::reply(&answer, &request.typed()?, &self.model, &self.who)?)
        } else {
            serde_json::to_vec(&reply::chat_reply(answer, &self.who)?)
        };
        reply
            .map(Bytes::from)
            .map_err(|error| Error::Internal(format!("an answer could not be written as JSON: {error}")))
    }

    fn reader(&self, _request: &Request) -> Box<dyn EventReader> {
        Box::new(stream::Translator::new(self.who.clone()))
    }
}

impl Gemini {
    fn post(&self, method: &str, body: Vec<u8>) -> Outgoing {
        Outgoing { path: format!("{}:{method}", self.path), body, headers: HeaderMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        let check = |name: &str, expected: Option<&str>| assert_eq!(model_name(name).ok(), expected, "{name}");
        check("gemini-3-flash", Some("gemini-3-flash"));
        check("models/gemini-3-flash", Some("gemini-3-flash"));
        check("tunedModels/mine", Some("tunedModels/mine"));
        check("../../secret", None);
        check("a//b", None);
        check("a?key=b", None);
        check("a%2e", None);
        check("", None);
    }
}
