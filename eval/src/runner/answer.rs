//! What a model answered, and what the call took.

use llm::{ChatReply, CompletionReply, Usage};
use serde::{Deserialize, Serialize};

use crate::target::Price;

/// One answer, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// Why the model stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) finish_reason: Option<String>,
    /// The model that says it answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Usage>,
    /// Seconds of the call that succeeded, waits and earlier tries left out.
    pub(crate) latency_s: f64,
    /// Not kept: a price may change between runs.
    #[serde(skip)]
    pub(crate) cost_usd: Option<f64>,
}

impl Answer {
    pub(crate) fn of_chat(reply: ChatReply, latency_s: f64) -> Option<Self> {
        let choice = reply.choices.into_iter().next()?;
        Some(Self {
            text: choice.message.text(),
            finish_reason: choice.finish_reason,
            model: reply.model,
            usage: reply.usage,
            latency_s,
            cost_usd: None,
        })
    }

    pub(crate) fn of_completion(reply: CompletionReply, latency_s: f64) -> Option<Self> {
        let choice = reply.choices.into_iter().next()?;
        Some(Self {
            text: choice.text,
            finish_reason: choice.finish_reason,
            model: reply.model,
            usage: reply.usage,
            latency_s,
            cost_usd: None,
        })
    }

    pub(crate) fn priced(mut self, price: Option<Price>) -> Self {
        self.cost_usd = price.zip(self.usage.as_ref()).and_then(|(price, usage)| price.cost_usd(usage));
        self
    }

    /// Input and output tokens together.
    pub(crate) fn tokens(&self) -> Option<u64> {
        let usage = self.usage.as_ref()?;
        let counted = usage.prompt_tokens + usage.completion_tokens.unwrap_or(0);
        Some(if usage.total_tokens > 0 { usage.total_tokens } else { counted })
    }
}
