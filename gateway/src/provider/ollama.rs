//! Ollama's own protocol: chats, completions and embeddings, streamed as one JSON object a line.
//!
//! Facts: <https://github.com/ollama/ollama/blob/main/docs/api.md>.

mod answer;
mod request;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use llm::Error;
use reqwest::header::HeaderMap;

use super::compatible;
use super::openai::bearer;
use super::vectors::{is_base64_wanted, to_base64};
use super::{Clients, Framing, Outgoing, Protocol, Provider, Remote};
use crate::config::{EndpointConfig, Form, Setting};
use crate::dialect::EventReader;
use crate::endpoint::Kind;
use crate::losses::Losses;
use crate::request::Request;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::optional("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    Setting::optional("headers", Form::Headers),
];

const BASE: &str = "http://127.0.0.1:11434";

struct Ollama {
    model: String,
    who: String,
}

/// An address that ends in `/v1` is that of Ollama's imitation of OpenAI, and is spoken to as such.
pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let is_imitation =
        endpoint.settings.address("api_base").is_some_and(|it| it.path().trim_end_matches('/').ends_with("/v1"));
    if is_imitation {
        return compatible::build(endpoint, &compatible::OLLAMA, clients);
    }
    let upstream = clients.upstream(endpoint, BASE, bearer(endpoint))?;
    let protocol = Ollama { model: endpoint.model.clone(), who: upstream.who().to_owned() };
    Ok(Arc::new(Remote::new(upstream, Arc::new(protocol), endpoint.on_loss)))
}

impl Protocol for Ollama {
    fn offers(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Chat | Kind::Completions | Kind::Embeddings)
    }

    fn outgoing(&self, request: &Request, losses: &mut Losses) -> Result<Outgoing, Error> {
        let (path, body) = match request.kind {
            Kind::Chat => ("api/chat", request::chat(request.chat()?, &self.model, request.stream, losses)?),
            Kind::Completions => {
                ("api/generate", request::completion(request.typed()?, &self.model, request.stream, losses)?)
            }
            Kind::Embeddings => ("api/embed", request::embed(request.typed()?, &self.model, losses)?),
        };
        Ok(Outgoing { path: path.to_owned(), body: to_json(&body)?, headers: HeaderMap::new() })
    }

    fn answer(&self, request: &Request, body: Bytes, _headers: &HeaderMap) -> Result<Bytes, Error> {
        let said = answer::read(&body, &self.who)?;
        let json = match request.kind {
            Kind::Chat => to_json(&answer::chat(&said, &self.model, &self.who)?),
            Kind::Completions => to_json(&answer::completion(&said, &self.model)),
            Kind::Embeddings => {
                let mut reply = answer::embed(said, &self.model, &self.who)?;
                if is_base64_wanted(&request.body) {
                    to_base64(&mut reply);
                }
                to_json(&reply)
            }
        };
        json.map(Bytes::from)
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn reader(&self, _request: &Request) -> Box<dyn EventReader> {
        Box::new(stream::Translator::new(&self.model, &self.who))
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Internal(format!("a body could not be written as JSON: {error}")))
}
