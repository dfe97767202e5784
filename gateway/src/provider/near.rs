//! Vendors who nearly speak OpenAI's protocol: bodies are OpenAI's but for some fields, answers but for contents in lists.

mod lists;

use std::borrow::Cow;

use bytes::Bytes;
use llm::sse::Event;
use llm::{ChatChunk, Error};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use super::openai::{Taker, fit};
use super::upstream::{bad_gateway, in_ok_answer};
use super::{Outgoing, Protocol};
use crate::dialect::EventReader;
use crate::endpoint::Kind;
use crate::json::quote;
use crate::losses::Losses;
use crate::request::Request;

/// How one such vendor differs.
#[derive(Debug)]
pub(super) struct Rules {
    /// Where calls of a kind go below the base address; `None` where it is not offered.
    pub(super) path: fn(Kind) -> Option<&'static str>,
    /// Says a body in the vendor's words.
    pub(super) request: fn(&mut Map<String, Value>, Kind, &mut Losses),
    /// Whether it must be asked for the token counts of a stream.
    pub(super) ask_for_usage: bool,
}

/// A model behind such a protocol.
pub(super) struct Near {
    model_json: String,
    who: String,
    rules: &'static Rules,
}

impl Near {
    pub(super) fn new(model: &str, who: &str, rules: &'static Rules) -> Self {
        Self { model_json: quote(model), who: who.to_owned(), rules }
    }
}

impl Protocol for Near {
    fn offers(&self, kind: Kind) -> bool {
        (self.rules.path)(kind).is_some()
    }

    fn outgoing(&self, request: &Request, losses: &mut Losses) -> Result<Outgoing, Error> {
        let asks = self.rules.ask_for_usage && request.kind != Kind::Embeddings;
        let mut request = Cow::Borrowed(request);
        if request.is_translated && request.kind == Kind::Chat {
            let chat = fit(request.chat()?, Taker::Compatible, losses);
            request = Cow::Owned(request.with_chat(chat)?);
        }
        let body = request.body_for(&self.model_json, asks)?;
        let mut body: Map<String, Value> = serde_json::from_slice(&body)
            .map_err(|error| Error::Internal(format!("a checked body is no object: {error}")))?;
        (self.rules.request)(&mut body, request.kind, losses);
        let body = serde_json::to_vec(&body)
            .map_err(|error| Error::Internal(format!("a body could not be written as JSON: {error}")))?;
        let path = (self.rules.path)(request.kind).unwrap_or_default().to_owned();
        Ok(Outgoing { path, body, headers: HeaderMap::new() })
    }

    fn answer(&self, request: &Request, body: Bytes, _headers: &HeaderMap) -> Result<Bytes, Error> {
        // Nearly all answers are OpenAI's to the letter, and pass as they came.
        if request.kind != Kind::Chat || !may_hold_lists(&body) {
            return Ok(body);
        }
        let mut answer: Value = serde_json::from_slice(&body)
            .map_err(|error| bad_gateway(format!("{} answered with no JSON: {error}", self.who)))?;
        for choice in answer["choices"].as_array_mut().into_iter().flatten() {
            lists::to_text(&mut choice["message"]);
        }
        serde_json::to_vec(&answer)
            .map(Bytes::from)
            .map_err(|error| Error::Internal(format!("an answer could not be written as JSON: {error}")))
    }

    fn reader(&self, _request: &Request) -> Box<dyn EventReader> {
        Box::new(Reader::new(&self.who))
    }
}

/// Whether a body holds parts of a content. Texts that quote such are looked at in vain.
fn may_hold_lists(body: &[u8]) -> bool {
    body.windows(6).any(|it| it == b"\"type\"")
}

/// Reads OpenAI's chunks, whose contents may be lists.
pub(super) struct Reader {
    who: String,
    is_done: bool,
}

impl Reader {
    pub(super) fn new(who: &str) -> Self {
        Self { who: who.to_owned(), is_done: false }
    }
}

impl EventReader for Reader {
    fn read(&mut self, event: &Event, out: &mut Vec<ChatChunk>) -> Result<(), Error> {
        let data: Cow<'_, str> = event.data.trim().into();
        if data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let garbage = |error| bad_gateway(format!("{} streamed something that is no chunk: {error}", self.who));
        let mut chunk: Value = serde_json::from_str(&data).map_err(garbage)?;
        if let Some(error) = in_ok_answer(&self.who, data.as_bytes()) {
            return Err(error);
        }
        for choice in chunk["choices"].as_array_mut().into_iter().flatten() {
            lists::to_text(&mut choice["delta"]);
        }
        out.push(serde_json::from_value(chunk).map_err(garbage)?);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}
