//! The vocabulary every part of Tidegate speaks about language models.
//!
//! The wire form of these types is OpenAI's, because it is the one that every peer can read; fields that a type does
//! not name ride along in its `rest`, so that a vendor's new field passes through untouched.

mod chat;
mod completion;
mod embedding;
mod error;
mod model;
pub mod sse;
mod usage;

pub use chat::{
    Chat, ChatChoice, ChatChunk, ChatReply, ChunkChoice, Content, Delta, FunctionCall, Message, Part, Role, Stop, Tool,
    ToolCall, ToolCallDelta,
};
pub use completion::{Completion, CompletionChoice, CompletionReply, Prompt};
pub use embedding::{Embed, EmbedInput, EmbedReply, Embedding};
pub use error::Error;
pub use model::{LanguageModel, Stream};
pub use usage::Usage;

/// Fields that a type does not name, in the order in which they came.
pub type Rest = serde_json::Map<String, serde_json::Value>;

/// What calls into a language model give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Seconds since the epoch, as the `created` fields of replies carry them.
pub fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |it| it.as_secs())
}
