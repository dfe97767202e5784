//! Any [`Protocol`] over HTTP: bodies are translated, sent, and their answers translated back.

mod completions;
pub(super) mod events;

use std::sync::Arc;

use async_trait::async_trait;
use llm::Error;

use super::upstream::{Upstream, bad_gateway};
use super::{Count, Outgoing, Protocol, Provider, Raw, RawReply, Reply, ReplyBody};
use crate::dialect::Dialect;
use crate::endpoint::Kind;
use crate::explain::Explained;
use crate::losses::{Losses, OnLoss};
use crate::request::Request;
use crate::secrets::Secret;

/// Puts what the provider wants to see of a key into a request: a signature, a token that expires.
#[async_trait]
pub(crate) trait Sign: Send + Sync {
    /// Signs a request that is complete but for this.
    async fn sign(&self, request: &mut reqwest::Request) -> Result<(), Error>;

    /// What was used to sign of late, the longer ones first: servers like to quote what they got, and it must not be seen.
    fn secrets(&self) -> Vec<Secret>;
}

/// A vendor's server, asked in its own protocol.
pub(crate) struct Remote {
    upstream: Upstream,
    protocol: Arc<dyn Protocol>,
    on_loss: OnLoss,
}

impl Remote {
    pub(super) fn new(upstream: Upstream, protocol: Arc<dyn Protocol>, on_loss: OnLoss) -> Self {
        Self { upstream, protocol, on_loss }
    }
}

/// A request in the words that the protocol takes, and how its answer must be changed.
struct Prepared<'a> {
    request: std::borrow::Cow<'a, Request>,
    outgoing: Outgoing,
    losses: Losses,
    is_native: bool,
    /// A completion that is asked as a chat.
    is_completion: bool,
}

impl Remote {
    fn prepare<'a>(&self, request: &'a Request) -> Result<Prepared<'a>, Error> {
        let mut losses = Losses::default();
        let is_native = self.protocol.speaks(request.dialect, request.kind);
        let request = if is_native { request } else { request.pivot(&mut losses)? };
        let is_completion = request.kind == Kind::Completions && !self.protocol.offers(Kind::Completions);
        let request = if is_completion {
            std::borrow::Cow::Owned(completions::as_chat(request)?)
        } else if self.protocol.offers(request.kind) {
            std::borrow::Cow::Borrowed(request)
        } else {
            return Err(Error::Unsupported(format!("{} offers no {}", self.upstream.who(), request.kind.word())));
        };
        let outgoing = self.protocol.outgoing(&request, &mut losses)?;
        losses.judge(self.on_loss)?;
        Ok(Prepared { request, outgoing, losses, is_native, is_completion })
    }
}

#[async_trait]
impl Provider for Remote {
    async fn call(&self, request: &Request) -> llm::Result<Reply> {
        let Prepared { request, outgoing, losses, is_native, is_completion } = self.prepare(request)?;
        let form = if is_native { request.dialect } else { Dialect::OpenAi };
        if !request.stream {
            let (body, headers) = self.upstream.whole(outgoing).await?;
            let body = self.protocol.answer(&request, body, &headers).map_err(|error| self.scrubbed(error))?;
            let body = if is_completion { completions::reply(&body)? } else { body };
            return Ok(Reply { form, headers: super::told(&headers), losses, body: ReplyBody::Whole(body) });
        }
        let body = self.upstream.stream(outgoing).await?;
        let headers = super::told(body.headers());
        let reader = self.protocol.reader(&request);
        let frames = if is_native {
            events::native(body, self.protocol.framing(), reader)
        } else {
            // Readers give chats' chunks, whatever was asked.
            let of_completion = is_completion || request.kind == Kind::Completions;
            events::chunks(body, self.protocol.framing(), reader, of_completion)
        };
        Ok(Reply { form, headers, losses, body: ReplyBody::Stream(frames) })
    }

    fn explain(&self, request: &Request) -> llm::Result<Explained> {
        let Prepared { request, outgoing, losses, is_native, .. } = self.prepare(request)?;
        self.upstream.explain(outgoing, request.stream, losses, is_native)
    }

    fn scrubbed(&self, error: Error) -> Error {
        self.upstream.scrub().error(error)
    }

    async fn count(&self, request: &Request) -> llm::Result<Option<Count>> {
        let Some(outgoing) = self.protocol.counting(request)? else { return Ok(None) };
        let (body, _) = self.upstream.whole(outgoing).await?;
        if self.protocol.speaks(request.dialect, request.kind) {
            return Ok(Some(Count::Native(body)));
        }
        let count = serde_json::from_slice(&body).ok().and_then(|it| self.protocol.counted(&it));
        let count =
            count.ok_or_else(|| bad_gateway(format!("{} counted tokens without a count", self.upstream.who())))?;
        Ok(Some(Count::Tokens(count)))
    }

    async fn pass(&self, raw: Raw) -> llm::Result<RawReply> {
        self.upstream.pass(raw, "").await
    }
}
