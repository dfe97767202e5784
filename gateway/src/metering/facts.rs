//! The few facts of an answer that the gateway itself looks at; everything else passes unread.

use llm::{Error, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cost::Tier;
use crate::dialect::{Dialect, responses};
use crate::json::Text;
use crate::request::text_of;
use crate::served::Endpoint;

/// What a unary answer says about itself.
#[derive(Deserialize)]
pub(crate) struct WholeFacts<'a> {
    #[serde(borrow, alias = "usageMetadata")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

impl WholeFacts<'_> {
    pub(crate) fn tier(&self) -> Option<Tier> {
        tier(self.service_tier)
    }

    /// The token counts, of an answer in this format.
    pub(crate) fn usage(&self, form: Dialect) -> Option<Usage> {
        form.usage(self.usage?.get())
    }

    pub(crate) fn error(&self) -> Option<&str> {
        self.error.map(RawValue::get)
    }

    /// The failure that an answer is although it came as if all were well. A response tells its own in its status, and
    /// may have an error's field besides.
    pub(crate) fn failure(&self, form: Dialect, body: &[u8], endpoint: &Endpoint) -> Option<Error> {
        if form != Dialect::Responses {
            return self.error.map(|_| endpoint.error_in(body));
        }
        if self.status.and_then(|it| text_of(it.get())).as_deref() != Some("failed") {
            return None;
        }
        let response: Value = serde_json::from_slice(body).ok()?;
        Some(responses::failure(
            &format!("provider `{}`", endpoint.info.provider),
            &response["error"],
            response.clone(),
        ))
    }
}

/// What a chunk of a stream says.
#[derive(Default, Deserialize)]
pub(crate) struct ChunkFacts<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) model: Option<Text<'a>>,
    #[serde(default)]
    pub(super) created: Option<u64>,
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<ChoiceFacts<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    x_groq: Option<GroqFacts<'a>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Where Groq puts the counts that nobody asked for.
#[derive(Deserialize)]
struct GroqFacts<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct ChoiceFacts<'a> {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(borrow, default)]
    pub(super) delta: Option<DeltaFacts<'a>>,
    #[serde(borrow, default)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct DeltaFacts<'a> {
    /// Text, or with some vendors a list of parts.
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<ToolCallFacts<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct ToolCallFacts<'a> {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) function: Option<FunctionFacts<'a>>,
}

#[derive(Deserialize)]
pub(super) struct FunctionFacts<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<Text<'a>>,
}

impl<'a> ChunkFacts<'a> {
    pub(crate) fn usage(&self) -> Option<Usage> {
        usage(self.usage.or_else(|| self.x_groq.as_ref()?.usage))
    }

    pub(crate) fn tier(&self) -> Option<Tier> {
        tier(self.service_tier)
    }

    pub(crate) fn error(&self) -> Option<&'a str> {
        self.error.map(RawValue::get)
    }

    /// Whether this is the extra chunk that only carries the token counts.
    pub(crate) fn is_usage_only(&self) -> bool {
        self.usage.is_some() && self.choices.as_ref().is_none_or(Vec::is_empty)
    }
}

impl DeltaFacts<'_> {
    pub(super) fn content_text(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct PartFacts {
            text: Option<String>,
        }
        let content = self.content?.get();
        text_of(content).or_else(|| {
            let parts: Vec<PartFacts> = serde_json::from_str(content).ok()?;
            Some(parts.into_iter().filter_map(|it| it.text).collect())
        })
    }

    pub(super) fn reasoning_text(&self) -> Option<String> {
        self.reasoning_content.or(self.reasoning).and_then(|it| text_of(it.get()))
    }
}

fn tier(raw: Option<&RawValue>) -> Option<Tier> {
    text_of(raw?.get()).map(|it| Tier::named(&it))
}

/// Counts in a shape that nobody knows count nothing.
fn usage(raw: Option<&RawValue>) -> Option<Usage> {
    raw.and_then(|it| serde_json::from_str(it.get()).ok())
}
