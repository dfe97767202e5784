//! Embeddings: texts in, vectors out, as OpenAI's `POST /v1/embeddings` has it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Rest, Usage};

/// Texts to be turned into vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embed {
    /// The model's name; empty where the address already says which one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// The texts.
    pub input: EmbedInput,
    /// Every other field: `dimensions`, `encoding_format`…
    #[serde(flatten)]
    pub rest: Rest,
}

/// One text or several, as text or as token ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EmbedInput {
    /// A single text.
    One(String),
    /// Several texts.
    Many(Vec<String>),
    /// A single text as token ids.
    Tokens(Vec<u32>),
    /// Several texts as token ids.
    TokenLists(Vec<Vec<u32>>),
}

/// The answer to an [`Embed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbedReply {
    /// `list`.
    #[serde(default = "list")]
    pub object: String,
    /// One vector a text, in the order of the texts.
    pub data: Vec<Embedding>,
    /// The model that answered.
    #[serde(default)]
    pub model: String,
    /// Token counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// `embedding`.
    #[serde(default = "embedding")]
    pub object: String,
    /// Which of the texts.
    #[serde(default)]
    pub index: u32,
    /// A list of numbers, or base64 of little-endian f32s where the caller asked for that.
    pub embedding: Value,
}

fn list() -> String {
    "list".to_owned()
}

fn embedding() -> String {
    "embedding".to_owned()
}
