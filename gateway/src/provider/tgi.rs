//! Hugging Face's Text Generation Inference: chats in OpenAI's protocol, completions in its own.
//!
//! Facts: <https://huggingface.github.io/text-generation-inference/> and MLflow 3.17.2, whose scaling of the temperature
//! by 50 is not followed: a temperature means here what it means everywhere.

mod generate;

use std::sync::Arc;

use bytes::Bytes;
use llm::Error;
use reqwest::header::HeaderMap;

use super::near::{Near, Rules};
use super::openai::bearer;
use super::{Clients, Outgoing, Protocol, Provider, Remote};
use crate::config::{EndpointConfig, Form, Setting};
use crate::dialect::EventReader;
use crate::endpoint::Kind;
use crate::losses::Losses;
use crate::request::Request;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::optional("server_url", Form::Address),
    Setting::optional("api_base", Form::Address),
    Setting::optional("api_key", Form::Secret),
    Setting::optional("headers", Form::Headers),
];

static CHATS: Rules = Rules {
    path: |kind| (kind == Kind::Chat).then_some("v1/chat/completions"),
    request: |_, _, _| {},
    ask_for_usage: true,
};

struct Tgi {
    chats: Near,
    model: String,
    who: String,
}

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let base = settings.address("server_url").or_else(|| settings.address("api_base")).ok_or(
        "a server of Text Generation Inference needs `hf_server_url`; write its address, `http://127.0.0.1:8080`, under \
         `model.config`",
    )?;
    let upstream = clients.upstream_at(endpoint, base, bearer(endpoint))?;
    let who = upstream.who().to_owned();
    let chats = Near::new(&endpoint.model, &who, &CHATS);
    let protocol = Tgi { chats, model: endpoint.model.clone(), who };
    Ok(Arc::new(Remote::new(upstream, Arc::new(protocol), endpoint.on_loss)))
}

impl Protocol for Tgi {
    fn offers(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Chat | Kind::Completions)
    }

    fn outgoing(&self, request: &Request, losses: &mut Losses) -> Result<Outgoing, Error> {
        if request.kind == Kind::Chat {
            return self.chats.outgoing(request, losses);
        }
        let body = generate::body(request.typed()?, request.stream, losses)?;
        let path = if request.stream { "generate_stream" } else { "generate" };
        Ok(Outgoing { path: path.to_owned(), body: body.to_string().into_bytes(), headers: HeaderMap::new() })
    }

    fn answer(&self, request: &Request, body: Bytes, headers: &HeaderMap) -> Result<Bytes, Error> {
        if request.kind == Kind::Chat {
            return self.chats.answer(request, body, headers);
        }
        generate::reply(&body, &self.model, &self.who)
    }

    fn reader(&self, request: &Request) -> Box<dyn EventReader> {
        if request.kind == Kind::Chat {
            return self.chats.reader(request);
        }
        Box::new(generate::Reader::new(&self.model, &self.who))
    }
}
