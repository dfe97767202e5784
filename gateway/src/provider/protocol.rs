//! How one vendor's servers are spoken to. No method does I/O, so that a call can be explained without being made.

use bytes::Bytes;
use llm::Error;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::dialect::{Dialect, EventReader};
use crate::endpoint::Kind;
use crate::losses::Losses;
use crate::request::Request;

/// A vendor's protocol.
pub(crate) trait Protocol: Send + Sync {
    /// Whether calls of this dialect and kind go through as they are: the body with the model replaced, the events as
    /// they come.
    fn speaks(&self, _dialect: Dialect, _kind: Kind) -> bool {
        false
    }

    /// Whether this kind is offered at all. Completions are asked as chats where they are not.
    fn offers(&self, kind: Kind) -> bool {
        kind == Kind::Chat
    }

    /// What is sent. Unless this protocol speaks the caller's dialect, the request is OpenAI's.
    fn outgoing(&self, request: &Request, losses: &mut Losses) -> Result<Outgoing, Error>;

    /// What asks for the number of a call's tokens, where it can be asked. The request is in the caller's dialect.
    fn counting(&self, _request: &Request) -> Result<Option<Outgoing>, Error> {
        Ok(None)
    }

    /// The number in the answer to that.
    fn counted(&self, _answer: &Value) -> Option<u64> {
        None
    }

    /// A whole answer as OpenAI's of the request's kind, or as it is where this protocol speaks the caller's dialect.
    /// Some vendors count tokens in the head.
    fn answer(&self, request: &Request, body: Bytes, headers: &HeaderMap) -> Result<Bytes, Error>;

    /// How a streamed answer is cut into events.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    /// What understands the events of a streamed answer.
    fn reader(&self, request: &Request) -> Box<dyn EventReader>;
}

/// One request to a vendor's server.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Where it goes, below the server's base address; it may end in a query.
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    /// Headers of this request alone, over those that the endpoint always sends.
    pub(crate) headers: HeaderMap,
}

/// How a streamed answer is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON object a line.
    Lines,
    /// AWS's binary messages.
    AwsEvents,
}
