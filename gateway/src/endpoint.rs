//! What an endpoint is called, does and stands for.

use std::fmt;

use crate::limits::Limit;

/// What an endpoint answers: MLflow's `endpoint_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `llm/v1/chat`
    Chat,
    /// `llm/v1/completions`
    Completions,
    /// `llm/v1/embeddings`
    Embeddings,
}

impl Kind {
    /// All kinds, in the order in which messages list them.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Completions, Self::Embeddings];

    /// MLflow's name of the type, `llm/v1/chat`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "llm/v1/chat",
            Self::Completions => "llm/v1/completions",
            Self::Embeddings => "llm/v1/embeddings",
        }
    }

    /// The bare word: `chat`, `completions`, `embeddings`.
    pub fn word(self) -> &'static str {
        &self.as_str()["llm/v1/".len()..]
    }

    /// Where OpenAI serves this kind below its base address.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Chat => "chat/completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
        }
    }

    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An endpoint as listings show it.
#[derive(Clone, Debug)]
pub struct EndpointInfo {
    /// The name by which it is called.
    pub name: String,
    /// What it answers.
    pub kind: Kind,
    /// The provider behind it.
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
    /// How many calls it takes.
    pub limit: Option<Limit>,
    /// Whether it answers calls of the other types too, as those of a database do, which have none of their own.
    pub is_untyped: bool,
}

/// A route, which splits its calls among endpoints, as listings show it.
#[derive(Clone, Debug)]
pub struct RouteInfo {
    /// The name by which it is called.
    pub name: String,
    /// What it answers: the type of each of its destinations.
    pub kind: Kind,
    /// How it shares them: `TRAFFIC_SPLIT`, `LEAST_LATENCY` or `STICKY`.
    pub routing_strategy: &'static str,
    /// Endpoints and their shares in percent.
    pub destinations: Vec<(String, u32)>,
    /// Whether it answers calls of the other types too.
    pub is_untyped: bool,
}
