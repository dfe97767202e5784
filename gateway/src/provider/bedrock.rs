//! Amazon Bedrock: chats through Converse, embeddings through `InvokeModel`.
//!
//! Facts: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html> and the service model that
//! botocore ships.

mod content;
mod embeddings;
mod options;
mod reply;
mod request;
mod stream;
mod tools;

use std::sync::Arc;

use bytes::Bytes;
use llm::Error;
use percent_encoding::utf8_percent_encode;
use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::Value;

use super::aws::{self, AwsSigner};
use super::openai::sensitive;
use super::upstream::bad_gateway;
use super::vectors::{is_base64_wanted, to_base64};
use super::{Clients, Framing, Outgoing, Protocol, Provider, Remote, UNRESERVED};
use crate::config::{EndpointConfig, Form, Setting};
use crate::dialect::EventReader;
use crate::endpoint::Kind;
use crate::losses::Losses;
use crate::request::Request;

const AWS: [Setting; 14] = aws::SETTINGS;

pub(super) const SETTINGS: &[Setting] = &[
    // As MLflow has it: `aws_config: {aws_region: …, aws_access_key_id: …}`.
    Setting::optional("config", Form::Group(&AWS)),
    AWS[0],
    AWS[1],
    AWS[2],
    AWS[3],
    AWS[4],
    AWS[5],
    AWS[6],
    AWS[7],
    AWS[8],
    AWS[9],
    AWS[10],
    AWS[11],
    AWS[12],
    AWS[13],
    Setting::optional("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    Setting::optional("headers", Form::Headers),
];

struct Bedrock {
    model: String,
    who: String,
}

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let api_base = settings.address("api_base");
    let region = aws::region(settings);
    let base = match (api_base, &region) {
        (Some(base), _) => base.clone(),
        (None, Some(region)) => Url::parse(&format!("https://bedrock-runtime.{region}.{}", aws::domain(region)))
            .map_err(|_| format!("`{region}` is no AWS region; write `aws_region: us-east-1` under `model.config`"))?,
        (None, None) => {
            return Err(
                "Bedrock needs to know its region; write `aws_region: us-east-1` under `model.config`, or set \
                        the variable AWS_REGION"
                    .to_owned(),
            );
        }
    };
    let mut headers = HeaderMap::new();
    let bearer = aws::bearer(endpoint)?;
    if let Some(key) = &bearer {
        headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", key.reveal())));
    }
    let mut upstream = clients.upstream_at(endpoint, &base, headers)?;
    if bearer.is_none() {
        let region = region.unwrap_or_else(|| aws::REGION_DEFAULT.to_owned());
        upstream = upstream.signed(Arc::new(AwsSigner::new(settings, "bedrock", region)?));
    }
    let protocol = Bedrock { model: endpoint.model.clone(), who: upstream.who().to_owned() };
    Ok(Arc::new(Remote::new(upstream, Arc::new(protocol), endpoint.on_loss)))
}

impl Protocol for Bedrock {
    fn offers(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Chat | Kind::Embeddings)
    }

    fn outgoing(&self, request: &Request, losses: &mut Losses) -> Result<Outgoing, Error> {
        let (body, action) = match request.kind {
            Kind::Embeddings => (embeddings::body(request.typed()?, &self.model, losses)?, "invoke"),
            _ if request.stream => (request::body(request.chat()?, &self.model, losses)?, "converse-stream"),
            _ => (request::body(request.chat()?, &self.model, losses)?, "converse"),
        };
        let mut headers = HeaderMap::new();
        if request.stream {
            headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.amazon.eventstream"));
        }
        let path = format!("model/{}/{action}", utf8_percent_encode(&self.model, UNRESERVED));
        Ok(Outgoing { path, body: to_json(&body)?, headers })
    }

    fn answer(&self, request: &Request, body: Bytes, headers: &HeaderMap) -> Result<Bytes, Error> {
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|error| bad_gateway(format!("{} answered with no JSON: {error}", self.who)))?;
        let json = if request.kind == Kind::Embeddings {
            let mut reply = embeddings::reply(answer, headers, &self.model, &self.who)?;
            if is_base64_wanted(&request.body) {
                to_base64(&mut reply);
            }
            to_json(&reply)
        } else {
            let id = headers.get("x-amzn-requestid").and_then(|it| it.to_str().ok());
            to_json(&reply::chat_reply(&answer, id, &self.model, &self.who)?)
        };
        json.map(Bytes::from)
    }

    fn framing(&self) -> Framing {
        Framing::AwsEvents
    }

    fn reader(&self, _request: &Request) -> Box<dyn EventReader> {
        Box::new(stream::Translator::new(&self.model, &self.who))
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Internal(format!("a body could not be written as JSON: {error}")))
}

/// Whether a model is one of Anthropic's, whose own options Converse passes on.
fn is_claude(model: &str) -> bool {
    model.contains("anthropic")
}

/// Whether a model is one of Amazon's Nova.
fn is_nova(model: &str) -> bool {
    model.contains("amazon.nova")
}
