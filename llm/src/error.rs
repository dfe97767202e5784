//! What can go wrong in a call, by what the caller can do about it.

use std::time::Duration;

use serde_json::Value;

/// Why a language model did not answer. Each message is written for the person who made the call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The request is wrong; the same request will fail again.
    #[error("{message}")]
    Invalid {
        /// What is wrong, with the value, and what to do.
        message: String,
        /// The field at fault, where one is.
        param: Option<String>,
    },
    /// The prompt does not fit into the model's context: shorten it, or ask a model with a larger one.
    #[error("{0}")]
    TooLong(String),
    /// No such model or endpoint.
    #[error("{0}")]
    NotFound(String),
    /// The provider refused our credentials, or the caller's were refused.
    #[error("{0}")]
    Denied(String),
    /// The caller is known, and may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// Too many calls or tokens; worth another try after a while.
    #[error("{message}")]
    Limited {
        /// Which limit, and how much of it.
        message: String,
        /// When to try again, where it is known.
        retry_after: Option<Duration>,
    },
    /// The model cannot do what is asked (no embeddings, no streaming, …).
    #[error("{0}")]
    Unsupported(String),
    /// A rule about what may be said does not let this through; the same request will fail again.
    #[error("{0}")]
    Blocked(String),
    /// The provider answered with an error that fits none of the others.
    #[error("{message}")]
    Upstream {
        /// The provider's HTTP status.
        status: u16,
        /// The provider's words.
        message: String,
        /// The provider's body, where it was JSON.
        body: Option<Value>,
    },
    /// Nothing came in time.
    #[error("{0}")]
    Timeout(String),
    /// No answer: refused connection, overload, a stream cut short.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// An invalid request, with the field at fault.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), param: Some(param.into()) }
    }
}
