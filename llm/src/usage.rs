//! Token counts of one call.

use serde::{Deserialize, Serialize};

use crate::Rest;

/// Token counts of one call, as OpenAI names them; details (cached, reasoning, audio) ride in `rest`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the input, cached ones included.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens of the output; absent for embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// Input and output together.
    #[serde(default)]
    pub total_tokens: u64,
    /// Whatever else the provider counted.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Usage {
    /// The counts of a call that read `prompt` tokens and wrote `completion` tokens.
    pub fn of(prompt: u64, completion: u64) -> Self {
        Self {
            prompt_tokens: prompt,
            completion_tokens: Some(completion),
            total_tokens: prompt.saturating_add(completion),
            rest: Rest::new(),
        }
    }
}
