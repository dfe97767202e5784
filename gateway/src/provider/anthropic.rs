//! Anthropic's Messages API: asked with chats and answering as chats, or with messages that pass unread.

mod reply;
mod request;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use llm::Error;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::openai::{header_value, sensitive};
use super::upstream::bad_gateway;
use super::{Clients, Outgoing, Protocol, Provider, Remote};
use crate::config::{EndpointConfig, Form, Setting};
use crate::dialect::{Dialect, EventReader};
use crate::endpoint::Kind;
use crate::json::quote;
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

pub(super) const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const BASE: &str = "https://api.anthropic.com/v1";
const VERSION: &str = "2023-06-01";
/// Messages need a bound on their output and chats do not: the one that MLflow sends, which all current models take.
const OUTPUT_TOKENS_MAX: u32 = 8192;

pub(super) struct Anthropic {
    model: String,
    output_tokens_max: u32,
    /// The betas that the endpoint always asks for.
    beta: Option<String>,
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
        headers.insert(BETA, header_value("anthropic_beta", beta)?);
    }
    let upstream = clients.upstream(endpoint, BASE, headers)?;
    let protocol = Anthropic {
        beta: settings.text("beta").cloned(),
        ..Anthropic::new(&endpoint.model, settings.count("max_tokens"), upstream.who().to_owned())
    };
    Ok(Arc::new(Remote::new(upstream, Arc::new(protocol), endpoint.on_loss)))
}

impl Anthropic {
    /// A model that lies elsewhere: without betas of the endpoint's own.
    pub(super) fn new(model: &str, output_tokens_max: Option<u32>, who: String) -> Self {
        Self {
            model: model.to_owned(),
            output_tokens_max: output_tokens_max.unwrap_or(OUTPUT_TOKENS_MAX),
            beta: None,
            who,
        }
    }

    /// What of the caller's head concerns Anthropic. The betas are the endpoint's and the caller's.
    fn headers(&self, request: &Request) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in request.caller.forwarded().filter(|(name, _)| *name != "openai-beta") {
            headers.append(name.clone(), value.clone());
        }
        let asked: Vec<&str> = headers.get_all(BETA).iter().filter_map(|it| it.to_str().ok()).collect();
        if !asked.is_empty() {
            let all: Vec<&str> = self.beta.as_deref().into_iter().chain(asked).collect();
            if let Ok(all) = HeaderValue::from_str(&all.join(",")) {
                headers.insert(BETA, all);
            }
        }
        headers
    }
}

impl Protocol for Anthropic {
    fn speaks(&self, dialect: Dialect, kind: Kind) -> bool {
        dialect == Dialect::Messages && kind == Kind::Chat
    }

    fn outgoing(&self, request: &Request, losses: &mut Losses) -> Result<Outgoing, Error> {
        let body = if request.dialect == Dialect::Messages {
            request.body_for(&quote(&self.model), false)?
        } else {
            let mut chat = request.chat()?;
            chat.model.clone_from(&self.model);
            request::body(chat, request.stream, self.output_tokens_max, losses)?
        };
        Ok(Outgoing { path: "messages".to_owned(), body, headers: self.headers(request) })
    }

    fn counting(&self, request: &Request) -> Result<Option<Outgoing>, Error> {
        let body = if request.dialect == Dialect::Messages {
            request.body_for(&quote(&self.model), false)?
        } else {
            // Nobody is told what gets lost: it would have been no part of what is counted.
            let mut lost = Losses::default();
            let mut chat = request.pivot(&mut lost)?.chat()?;
            chat.model.clone_from(&self.model);
            request::counted(&request::body(chat, false, self.output_tokens_max, &mut lost)?)?
        };
        Ok(Some(Outgoing { path: "messages/count_tokens".to_owned(), body, headers: self.headers(request) }))
    }

    fn counted(&self, answer: &Value) -> Option<u64> {
        answer["input_tokens"].as_u64()
    }

    fn answer(&self, request: &Request, body: Bytes, _headers: &HeaderMap) -> Result<Bytes, Error> {
        if request.dialect == Dialect::Messages {
            return Ok(body);
        }
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
