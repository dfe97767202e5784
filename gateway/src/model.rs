//! An endpoint as a [`LanguageModel`] for callers in the same process.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream;
use llm::{Chat, ChatChunk, ChatReply, Completion, CompletionReply, Embed, EmbedReply, Error, LanguageModel, Stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::Gateway;
use crate::answer::{AnswerBody, Chunks, Piece};
use crate::caller::Caller;
use crate::endpoint::Kind;
use crate::request::Request;

pub(crate) struct EndpointModel {
    gateway: Gateway,
    name: String,
    caller: Arc<Caller>,
}

impl EndpointModel {
    pub(crate) fn new(gateway: Gateway, name: String) -> Self {
        Self { gateway, name, caller: Arc::default() }
    }

    /// The same for a guardrail, past all others.
    pub(crate) fn unguarded(self) -> Self {
        Self { caller: Arc::new(Caller::guardrail()), ..self }
    }

    async fn call(&self, kind: Kind, request: &impl Serialize) -> llm::Result<AnswerBody> {
        // Looked up each time: another configuration may have come.
        let served = self
            .gateway
            .served(&self.name)
            .ok_or_else(|| Error::NotFound(format!("no endpoint or route is named `{}` any more", self.name)))?;
        if !served.answers(kind) {
            return Err(Error::Invalid {
                message: format!(
                    "endpoint `{}` is of type {}, not {kind}; name an endpoint of that type",
                    self.name,
                    served.kind()
                ),
                param: Some("model".to_owned()),
            });
        }
        let body = serde_json::to_vec(request)
            .map_err(|error| Error::Internal(format!("a request could not be written as JSON: {error}")))?;
        let mut request = Request::parse(kind, body.into())?;
        request.caller = Arc::clone(&self.caller);
        let answer = self.gateway.call(Uuid::new_v4().to_string(), &served, request).await;
        answer.map(|it| it.body).map_err(|it| it.error)
    }

    async fn whole<T: DeserializeOwned>(&self, kind: Kind, request: &impl Serialize) -> llm::Result<T> {
        match self.call(kind, request).await? {
            AnswerBody::Whole(body) => serde_json::from_slice(&body).map_err(|error| unreadable(&error)),
            AnswerBody::Stream(_) => Err(Error::Internal("a unary call was answered by a stream".to_owned())),
        }
    }

    async fn stream<T: DeserializeOwned + Send + 'static>(
        &self,
        kind: Kind,
        request: &impl Serialize,
    ) -> llm::Result<Stream<T>> {
        match self.call(kind, request).await? {
            AnswerBody::Stream(chunks) => Ok(Box::pin(stream::try_unfold(chunks, next_typed))),
            AnswerBody::Whole(_) => Err(Error::Internal("a streaming call was answered at once".to_owned())),
        }
    }
}

async fn next_typed<T: DeserializeOwned>(mut chunks: Box<Chunks>) -> llm::Result<Option<(T, Box<Chunks>)>> {
    let Some(piece) = chunks.next().await? else { return Ok(None) };
    let Piece::Chunk(chunk) = piece else {
        return Err(Error::Internal("a chat was answered in another format".to_owned()));
    };
    let chunk = serde_json::from_str(&chunk).map_err(|error| unreadable(&error))?;
    Ok(Some((chunk, chunks)))
}

fn unreadable(error: &serde_json::Error) -> Error {
    let message = format!("the provider's answer has an unknown shape: {error}");
    Error::Upstream { status: 502, message, body: None }
}

#[async_trait]
impl LanguageModel for EndpointModel {
    async fn chat(&self, mut request: Chat) -> llm::Result<ChatReply> {
        request.stream = None;
        self.whole(Kind::Chat, &request).await
    }

    async fn chat_stream(&self, mut request: Chat) -> llm::Result<Stream<ChatChunk>> {
        request.stream = Some(true);
        self.stream(Kind::Chat, &request).await
    }

    async fn complete(&self, mut request: Completion) -> llm::Result<CompletionReply> {
        request.stream = None;
        self.whole(Kind::Completions, &request).await
    }

    async fn complete_stream(&self, mut request: Completion) -> llm::Result<Stream<CompletionReply>> {
        request.stream = Some(true);
        self.stream(Kind::Completions, &request).await
    }

    async fn embed(&self, request: Embed) -> llm::Result<EmbedReply> {
        self.whole(Kind::Embeddings, &request).await
    }
}
