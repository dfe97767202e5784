//! Anthropic's Messages API, asked with chats and answering as chats.

mod reply;
mod request;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use llm::Error;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use super::openai::{header_value, sensitive};
use super::upstream::bad_gateway;
use super::{Clients, Outgoing, Protocol, Provider, Remote};
use crate::config::{EndpointConfig, Form, Setting};
use crate::dialect::EventReader;
use crate::losses::Losses;
use crate::request::Request;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::required("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    Setting::optional("version", Form::Text),
    Setting::optional("beta", Form::Text),
    Setting::optional("max_tokens", Form::Count),
    Setting::optional("headers", Form::Headers),
];

const BASE: &str = "https://api.anthropic.com/v1";
const VERSION: &str = "2023-06-01";
/// Messages need a bound on their output and chats do not: the one that MLflow sends, which all current models take.
const OUTPUT_TOKENS_MAX: u32 = 8192;

struct Anthropic {
    model: String,
    output_tokens_max: u32,
    who: String,
}

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let mut headers = HeaderMap::new();
    if let Some(key) = settings.secret("api_key") {
        headers.insert(HeaderName::from_static("x-api-key"), sensitive(key.reveal()));
    }
    let version = settings.text("version").map_or(VERSION, String::as_str);
    headers.insert(HeaderName::from_static("anthropic-version"), header_value("anthropic_version", version)?);
    if let Some(beta) = settings.text("beta") {
        headers.insert(HeaderName::from_static("anthropic-beta"), header_value("anthropic_beta", beta)?);
    }
    let upstream = clients.upstream(endpoint, BASE, headers)?;
    let protocol = Anthropic {
        model: endpoint.model.clone(),
        output_tokens_max: settings.count("max_tokens").unwrap_or(OUTPUT_TOKENS_MAX),
        who: upstream.who().to_owned(),
    };
    Ok(Arc::new(Remote::new(upstream, Arc::new(protocol), endpoint.on_loss)))
}

impl Protocol for Anthropic {
    fn outgoing(&self, request: &Request, _losses: &mut Losses) -> Result<Outgoing, Error> {
        let mut chat = request.chat()?;
        chat.model.clone_from(&self.model);
        let body = request::body(chat, request.stream, self.output_tokens_max)?;
        Ok(Outgoing { path: "messages".to_owned(), body, headers: HeaderMap::new() })
    }

    fn answer(&self, _request: &Request, body: Bytes, _headers: &HeaderMap) -> Result<Bytes, Error> {
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|error| bad_gateway(format!("{} answered with no JSON: {error}", self.who)))?;
        let reply = reply::chat_reply(answer, &self.who)?;
        serde_json::to_vec(&reply)
            .map(Bytes::from)
            .map_err(|error| Error::Internal(format!("an answer could not be written as JSON: {error}")))
    }

    fn reader(&self, _request: &Request) -> Box<dyn EventReader> {
        Box::new(stream::Translator::new(self.who.clone()))
    }
}
