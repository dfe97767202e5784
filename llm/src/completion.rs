//! Plain text completions: a prompt without turns, as OpenAI's `POST /v1/completions` has it.

use serde::{Deserialize, Serialize};

use crate::{Rest, Stop, Usage};

/// A prompt to be continued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The model's name; empty where the address already says which one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// What is to be continued.
    pub prompt: Prompt,
    /// Sampling temperature, 0 (greedy) to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Sampling among the k likeliest tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Output tokens at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How many answers are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Texts that end the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// Whether the answer shall come in chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Seed for repeatable sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One prompt or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Prompt {
    /// A single text.
    One(String),
    /// Several, each answered by `n` choices.
    Many(Vec<String>),
    /// A single prompt of token ids.
    Tokens(Vec<u32>),
    /// Several prompts of token ids.
    TokenLists(Vec<Vec<u32>>),
}

/// The answer to a [`Completion`]; its streamed chunks have the same shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletionReply {
    /// The answer's id.
    #[serde(default)]
    pub id: String,
    /// `text_completion`, whole or in chunks.
    #[serde(default = "text_completion")]
    pub object: String,
    /// Seconds since the epoch.
    #[serde(default)]
    pub created: u64,
    /// The model that answered.
    #[serde(default)]
    pub model: String,
    /// The answers.
    #[serde(default)]
    pub choices: Vec<CompletionChoice>,
    /// Token counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One of the answers, or its new piece.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CompletionChoice {
    /// Which of the answers.
    #[serde(default)]
    pub index: u32,
    /// The text, or the text to append.
    #[serde(default)]
    pub text: String,
    /// `stop`, `length`…; set in the last chunk of a stream.
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

fn text_completion() -> String {
    "text_completion".to_owned()
}
