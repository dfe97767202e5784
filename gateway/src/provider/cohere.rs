//! Cohere's own protocol, version 2: chats and embeddings.
//!
//! Facts: <https://docs.cohere.com/v2/reference/chat> and <https://docs.cohere.com/v2/reference/embed>.

mod answer;
mod request;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use llm::Error;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::openai::bearer;
use super::upstream::bad_gateway;
use super::vectors::{is_base64_wanted, to_base64};
use super::{Clients, Outgoing, Protocol, Provider, Remote};
use crate::config::{EndpointConfig, Form, Setting};
use crate::dialect::EventReader;
use crate::endpoint::Kind;
use crate::losses::Losses;
use crate::request::Request;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::required("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    Setting::optional("headers", Form::Headers),
];

const BASE: &str = "https://api.cohere.com/v2";

struct Cohere {
    model: String,
    who: String,
}

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let upstream = clients.upstream(endpoint, BASE, bearer(endpoint))?;
    let protocol = Cohere { model: endpoint.model.clone(), who: upstream.who().to_owned() };
    Ok(Arc::new(Remote::new(upstream, Arc::new(protocol), endpoint.on_loss)))
}

impl Protocol for Cohere {
    fn offers(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Chat | Kind::Embeddings)
    }

    fn outgoing(&self, request: &Request, losses: &mut Losses) -> Result<Outgoing, Error> {
        let (path, body) = match request.kind {
            Kind::Embeddings => ("embed", request::embed(request.typed()?, &self.model)?),
            _ => ("chat", request::chat(request.chat()?, &self.model, request.stream, losses)?),
        };
        Ok(Outgoing { path: path.to_owned(), body: to_json(&body)?, headers: HeaderMap::new() })
    }

    fn answer(&self, request: &Request, body: Bytes, _headers: &HeaderMap) -> Result<Bytes, Error> {
        let said: Value = serde_json::from_slice(&body)
            .map_err(|error| bad_gateway(format!("{} answered with no JSON: {error}", self.who)))?;
        let json = if request.kind == Kind::Embeddings {
            let mut reply = answer::embed(said, &self.model, &self.who)?;
            if is_base64_wanted(&request.body) {
                to_base64(&mut reply);
            }
            to_json(&reply)
        } else {
            to_json(&answer::chat(said, &self.model, &self.who)?)
        };
        json.map(Bytes::from)
    }

    fn reader(&self, _request: &Request) -> Box<dyn EventReader> {
        Box::new(stream::Translator::new(&self.model, &self.who))
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Internal(format!("a body could not be written as JSON: {error}")))
}
