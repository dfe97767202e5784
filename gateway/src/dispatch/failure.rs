//! What kind of failure an attempt was, and so whether another one may help.

use std::time::Duration;

use llm::Error;

/// What went wrong, as far as it matters for what to try next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Too many calls or tokens, or no money left.
    RateLimit,
    /// The prompt does not fit into the model's context.
    ContextLength,
    /// The provider's own filter let the prompt or the answer not through.
    ContentFilter,
    /// A status of 5xx, 408 or 409, or an answer that makes no sense.
    ServerError,
    /// Nothing came in time.
    Timeout,
    /// No connection, or one that broke.
    Connect,
    /// Anything else: the key was refused, the request is wrong.
    Other,
}

impl Failure {
    /// The kinds that a configuration can name.
    pub(crate) const NAMED: [(&str, Self); 6] = [
        ("rate_limit", Self::RateLimit),
        ("context_length", Self::ContextLength),
        ("content_filter", Self::ContentFilter),
        ("server_error", Self::ServerError),
        ("timeout", Self::Timeout),
        ("connect", Self::Connect),
    ];

    /// What kind of failure an error is.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Limited { .. } => Self::RateLimit,
            Error::TooLong(_) => Self::ContextLength,
            Error::Timeout(_) => Self::Timeout,
            Error::Unavailable(_) => Self::Connect,
            Error::Upstream { status, message, body } => {
                let code = body.as_ref().and_then(code).unwrap_or_default();
                match status {
                    429 => Self::RateLimit,
                    400 | 413 | 422 if is_too_long(code, message) => Self::ContextLength,
                    400 | 403 | 422 if is_filtered(code, message) => Self::ContentFilter,
                    408 | 409 => Self::ServerError,
                    504 => Self::Timeout,
                    500.. => Self::ServerError,
                    _ => Self::Other,
                }
            }
            _ => Self::Other,
        }
    }

    /// Whether it says that the deployment itself is not well, whoever asks for whatever.
    pub(crate) fn is_the_deployments(self, error: &Error) -> bool {
        matches!(self, Self::ServerError | Self::Timeout | Self::Connect)
            || matches!(error, Error::Upstream { status: 401 | 403 | 404, .. } if self == Self::Other)
    }
}

/// The provider's own code of an error: OpenAI's `code`, or the inner one in which Azure tells of its filter.
fn code(body: &serde_json::Value) -> Option<&str> {
    let error = body.get("error")?;
    error.pointer("/innererror/code").or_else(|| error.get("code")).or_else(|| error.get("type"))?.as_str()
}

/// Providers have no common code for this; these are the words of OpenAI, Anthropic, Gemini, Bedrock, Mistral and vLLM.
fn is_too_long(code: &str, message: &str) -> bool {
    const WORDS: [&str; 8] = [
        "maximum context length",
        "context length",
        "context window",
        "prompt is too long",
        "input is too long",
        "too many input tokens",
        "exceeds the maximum number of tokens",
        "too large for model",
    ];
    code == "context_length_exceeded" || contains_any(message, &WORDS)
}

fn is_filtered(code: &str, message: &str) -> bool {
    const CODES: [&str; 4] =
        ["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation", "moderation_blocked"];
    CODES.contains(&code)
        || contains_any(message, &["content filter", "content management policy", "content filtering"])
}

fn contains_any(message: &str, words: &[&str]) -> bool {
    let message = message.to_ascii_lowercase();
    words.iter().any(|it| message.contains(it))
}

/// Some kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failures(u8);

impl Failures {
    /// Every kind.
    pub(crate) const ANY: Self = Self(u8::MAX);
    /// Those that pass by themselves, or that another deployment does not share.
    pub(crate) const PASSING: Self =
        Self::NONE.with(Failure::RateLimit).with(Failure::ServerError).with(Failure::Timeout).with(Failure::Connect);
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn with(self, failure: Failure) -> Self {
        Self(self.0 | 1 << failure as u8)
    }

    pub(crate) fn contains(self, failure: Failure) -> bool {
        self.0 & (1 << failure as u8) != 0
    }
}

/// How soon a caller who found no place may come again: there is no telling when one will be free.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// An attempt that was not answered.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: Error,
    pub(crate) failure: Failure,
    /// Whether a provider was asked at all.
    pub(crate) was_asked: bool,
    /// Whether as many calls run and wait here as may.
    pub(crate) is_full: bool,
}

impl Refused {
    /// A provider's error.
    pub(crate) fn by_provider(error: Error) -> Self {
        Self { was_asked: true, ..Self::here(error) }
    }

    /// An error of this side: a limit, a full queue.
    pub(crate) fn here(error: Error) -> Self {
        Self { failure: Failure::of(&error), was_asked: false, is_full: false, error }
    }

    /// How long its author asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match &self.error {
            Error::Limited { retry_after, .. } => *retry_after,
            _ => self.is_full.then_some(COME_AGAIN),
        }
    }

    /// Whether asking the same deployment again can help at all: an empty purse does not fill by waiting.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self.error, Error::Upstream { status: 429, .. })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_of_failures() {
        let check = |status: u16, message: &str, body: serde_json::Value, expected: Failure| {
            let error = Error::Upstream { status, message: message.to_owned(), body: Some(body) };
            assert_eq!(Failure::of(&error), expected, "{status} {message}");
        };
        let none = || json!({});
        check(500, "oops", none(), Failure::ServerError);
        check(529, "overloaded", none(), Failure::ServerError);
        check(504, "late", none(), Failure::Timeout);
        check(409, "lock", none(), Failure::ServerError);
        check(429, "pay", json!({"error": {"code": "insufficient_quota"}}), Failure::RateLimit);
        check(401, "key", none(), Failure::Other);
        check(400, "bad", none(), Failure::Other);
        check(400, "x", json!({"error": {"code": "context_length_exceeded"}}), Failure::ContextLength);
        check(400, "Prompt is too long: 9 tokens > 8 maximum", none(), Failure::ContextLength);
        check(500, "context length", none(), Failure::ServerError);
        check(400, "x", json!({"error": {"code": "content_filter"}}), Failure::ContentFilter);
        let azure =
            json!({"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}});
        check(400, "x", azure, Failure::ContentFilter);
        assert_eq!(Failure::of(&Error::Timeout(String::new())), Failure::Timeout);
        assert_eq!(Failure::of(&Error::Unavailable(String::new())), Failure::Connect);
        assert_eq!(Failure::of(&Error::TooLong(String::new())), Failure::ContextLength);
    }

    #[test]
    fn sets_of_kinds() {
        for (_, failure) in Failure::NAMED {
            assert!(Failures::ANY.contains(failure));
            assert!(!Failures::NONE.contains(failure));
        }
        assert!(Failures::ANY.contains(Failure::Other));
        assert!(!Failures::PASSING.contains(Failure::Other));
        assert!(!Failures::PASSING.contains(Failure::ContextLength));
        assert!(Failures::PASSING.contains(Failure::Timeout));
    }
}
