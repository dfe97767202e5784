//! The protocols in which callers speak to the gateway.

pub(crate) mod gemini;
pub(crate) mod messages;
pub(crate) mod mlflow;
pub(crate) mod openai;
pub(crate) mod passthrough;
pub(crate) mod realtime;
pub(crate) mod responses;
mod sse;

use bytes::Bytes;
use llm::Error;

use crate::request::Request;

/// A chat's whole answer in the words of the request's format.
fn translated(body: &[u8], request: &Request) -> Result<Bytes, Error> {
    let reply = serde_json::from_slice(body).map_err(|error| Error::Upstream {
        status: 502,
        message: format!("the provider answered with something that is no chat's answer: {error}"),
        body: None,
    })?;
    request.dialect.reply(reply, request)
}
