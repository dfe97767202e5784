//! Answers on their way to an ingress, looked at and measured as they pass.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::http::HeaderMap;
use bytes::Bytes;
use futures::StreamExt;
use llm::Error;
use llm::sse::Event;

use crate::cost::{COST, Usd};
use crate::dialect::Dialect;
use crate::explain::explain;
use crate::json::Fields;
use crate::losses::Losses;
use crate::metering::Meter;
use crate::metering::facts::{ChunkFacts, WholeFacts};
use crate::provider::{Frame, Frames};
use crate::request::Request;
use crate::served::{Endpoint, Served};

/// An answer on its way to an ingress.
pub(crate) struct Answer {
    /// Who answered; nobody where a call is only explained.
    pub(crate) endpoint: Option<Arc<Endpoint>>,
    /// The format that the body is in: the caller's own where the provider speaks it, else OpenAI's.
    pub(crate) form: Dialect,
    /// What the caller gets in the head: the provider's own words on limits, and ours.
    pub(crate) headers: HeaderMap,
    pub(crate) body: AnswerBody,
}

/// A call that was not answered, with what its caller gets in the head beside the error.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    pub(crate) headers: HeaderMap,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, headers: HeaderMap::new() }
    }
}

pub(crate) enum AnswerBody {
    Whole(Bytes),
    Stream(Box<Chunks>),
}

/// The name of the header that tells what a translation lost.
pub(crate) const WARNINGS: &str = "x-tidegate-warnings";

impl Answer {
    pub(crate) fn new(
        endpoint: &Arc<Endpoint>,
        form: Dialect,
        mut headers: HeaderMap,
        losses: &Losses,
        body: AnswerBody,
    ) -> Self {
        if let Some(value) = losses.header().and_then(|it| it.parse().ok()) {
            headers.insert(WARNINGS, value);
        }
        Self { endpoint: Some(Arc::clone(endpoint)), form, headers, body }
    }
}

impl Answer {
    /// The provider's name.
    pub(crate) fn provider(&self) -> &str {
        self.endpoint.as_ref().map_or("", |it| &it.info.provider)
    }

    /// What would have been done, in the place of an answer: every ingress hands it on as it is.
    pub(crate) fn explained(served: &Served, request: &Request) -> Self {
        Self {
            endpoint: None,
            form: request.dialect,
            headers: HeaderMap::new(),
            body: AnswerBody::Whole(explain(served, request).to_string().into()),
        }
    }
}

/// Looks at a whole answer: it must be an object, and no error in disguise.
pub(crate) fn whole(
    body: Bytes,
    form: Dialect,
    meter: Meter,
    endpoint: &Endpoint,
    headers: &mut HeaderMap,
) -> Result<AnswerBody, Error> {
    let facts: WholeFacts<'_> = match serde_json::from_slice(&body) {
        Ok(facts) => facts,
        Err(error) => return Err(failed(meter, garbage(endpoint, "answered with", &error))),
    };
    if let Some(error) = facts.failure(form, &body, endpoint) {
        return Err(failed(meter, error));
    }
    if let Some(cost) = meter.whole(&body, form, &facts).and_then(|it| it.to_string().parse().ok()) {
        headers.insert(COST, cost);
    }
    Ok(AnswerBody::Whole(body))
}

/// Looks whether a whole answer is one.
pub(crate) fn sound(body: &[u8], form: Dialect, endpoint: &Endpoint) -> Result<(), Error> {
    match serde_json::from_slice::<WholeFacts<'_>>(body) {
        Ok(facts) => facts.failure(form, body, endpoint).map_or(Ok(()), Err),
        Err(error) => Err(garbage(endpoint, "answered with", &error)),
    }
}

/// Looks whether the first chunk of a stream is one.
pub(crate) fn sound_chunk(chunk: &str, endpoint: &Endpoint) -> Result<(), Error> {
    match serde_json::from_str::<ChunkFacts<'_>>(chunk) {
        Ok(facts) if facts.error().is_some() => Err(endpoint.error_in(chunk.as_bytes())),
        Ok(_) => Ok(()),
        // An object in an unknown shape may mean something to the caller.
        Err(_) if serde_json::from_str::<Fields<'_>>(chunk).is_ok() => Ok(()),
        Err(error) => Err(garbage(endpoint, "streamed", &error)),
    }
}

/// A stream that ended before its end.
pub(crate) fn cut_short(endpoint: &Endpoint) -> Error {
    Error::Unavailable(format!("provider `{}` cut its stream short", endpoint.info.provider))
}

fn failed(meter: Meter, error: Error) -> Error {
    meter.fail(&error);
    error
}

fn garbage(endpoint: &Endpoint, how: &str, error: &serde_json::Error) -> Error {
    Error::Upstream {
        status: 502,
        message: format!("provider `{}` {how} something that is no JSON object: {error}", endpoint.info.provider),
        body: None,
    }
}

/// One piece of a streamed answer.
#[derive(Debug)]
pub(crate) enum Piece {
    /// A chunk of OpenAI's, JSON.
    Chunk(String),
    /// An event of the caller's own format, as the provider sent it.
    Event(Event),
}

/// The pieces of a streamed answer, measured as they pass. Dropping them ends the provider's work.
pub(crate) struct Chunks {
    frames: Frames,
    /// `None` once the stream has ended, well or badly.
    meter: Option<Meter>,
    /// What came before the answer's head was sent.
    first: VecDeque<Piece>,
    include_usage: bool,
    endpoint: Arc<Endpoint>,
    /// What the call cost, once it has ended well and where anybody knows.
    cost: Option<Usd>,
}

impl Chunks {
    /// Waits for the first piece, so that an error in its place is still an answer of its own.
    pub(crate) async fn open(
        frames: Frames,
        meter: Meter,
        include_usage: bool,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Self, Error> {
        let mut chunks = Self {
            frames,
            meter: Some(meter),
            first: VecDeque::new(),
            include_usage,
            endpoint: Arc::clone(endpoint),
            cost: None,
        };
        let first = chunks.next().await?;
        chunks.first.extend(first);
        Ok(chunks)
    }

    /// The next piece; `None` at the end of a stream to which nothing is missing.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, Error> {
        if let Some(first) = self.first.pop_front() {
            return Ok(Some(first));
        }
        loop {
            let Some(meter) = &mut self.meter else { return Ok(None) };
            let chunk = match self.frames.next().await {
                Some(Ok(Frame::Chunk(chunk))) => chunk,
                Some(Ok(Frame::Native(event, facts))) => {
                    for chunk in &facts {
                        meter.typed(chunk);
                    }
                    return Ok(Some(Piece::Event(event)));
                }
                Some(Err(error)) => return Err(self.fail(error)),
                Some(Ok(Frame::Done)) => return Ok(self.done()),
                None if meter.is_finished() => return Ok(self.done()),
                None => {
                    let error = cut_short(&self.endpoint);
                    return Err(self.fail(error));
                }
            };
            let facts: ChunkFacts<'_> = match serde_json::from_str(&chunk) {
                Ok(facts) => facts,
                // An object in an unknown shape may mean something to the caller.
                Err(_) if serde_json::from_str::<Fields<'_>>(&chunk).is_ok() => return Ok(Some(Piece::Chunk(chunk))),
                Err(error) => {
                    let error = garbage(&self.endpoint, "streamed", &error);
                    return Err(self.fail(error));
                }
            };
            if facts.error().is_some() {
                let error = self.endpoint.error_in(chunk.as_bytes());
                return Err(self.fail(error));
            }
            meter.chunk(&facts);
            if facts.is_usage_only() && !self.include_usage {
                continue;
            }
            return Ok(Some(Piece::Chunk(chunk)));
        }
    }

    /// What the call cost, once the stream has come to its end.
    pub(crate) fn cost(&self) -> Option<Usd> {
        self.cost
    }

    fn done(&mut self) -> Option<Piece> {
        if let Some(meter) = self.meter.take() {
            self.cost = meter.done();
        }
        None
    }

    fn fail(&mut self, error: Error) -> Error {
        if let Some(meter) = self.meter.take() {
            meter.fail(&error);
        }
        error
    }
}
