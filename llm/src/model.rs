//! The one interface behind which every model stands, remote or local.

use std::pin::Pin;

use async_trait::async_trait;

use crate::{Chat, ChatChunk, ChatReply, Completion, CompletionReply, Embed, EmbedReply, Error, Result};

/// Chunks as they come. Dropping the stream cancels the work behind it.
pub type Stream<T> = Pin<Box<dyn futures::Stream<Item = Result<T>> + Send>>;

/// A model that can be asked. Each method's default says that the model cannot do it.
///
/// Dropping a returned future or stream cancels the call.
#[async_trait]
pub trait LanguageModel: Send + Sync {
    /// Answers a chat at once.
    async fn chat(&self, _request: Chat) -> Result<ChatReply> {
        Err(unsupported("chats"))
    }

    /// Answers a chat in chunks; an error before the first chunk comes as `Err` here, a later one inside the stream.
    async fn chat_stream(&self, _request: Chat) -> Result<Stream<ChatChunk>> {
        Err(unsupported("streamed chats"))
    }

    /// Continues a prompt.
    async fn complete(&self, _request: Completion) -> Result<CompletionReply> {
        Err(unsupported("text completions"))
    }

    /// Continues a prompt in chunks.
    async fn complete_stream(&self, _request: Completion) -> Result<Stream<CompletionReply>> {
        Err(unsupported("streamed text completions"))
    }

    /// Turns texts into vectors.
    async fn embed(&self, _request: Embed) -> Result<EmbedReply> {
        Err(unsupported("embeddings"))
    }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("this model does not offer {what}"))
}
