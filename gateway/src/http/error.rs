//! The vocabulary's errors as HTTP has them: a status, and the words that each protocol wraps its own way.

use llm::Error;
use serde_json::Value;
use uuid::Uuid;

/// The status that tells of an error.
pub(crate) fn status_of(error: &Error) -> u16 {
    match error {
        Error::Invalid { .. } | Error::TooLong(_) | Error::Blocked(_) => 400,
        Error::Denied(_) => 401,
        Error::Forbidden(_) => 403,
        Error::NotFound(_) => 404,
        Error::Limited { .. } => 429,
        Error::Unsupported(_) => 501,
        Error::Upstream { status, .. } if (400..=599).contains(status) => *status,
        Error::Upstream { .. } => 502,
        Error::Unavailable(_) => 503,
        Error::Timeout(_) => 504,
        Error::Internal(_) => 500,
    }
}

/// An error's parts as OpenAI names them.
pub(crate) struct Details {
    pub(crate) message: String,
    pub(crate) kind: String,
    pub(crate) param: Value,
    pub(crate) code: Value,
}

/// The parts of an error. The provider's own type, parameter and code are kept where it named them.
pub(crate) fn details_of(error: &Error) -> Details {
    let status = status_of(error);
    let body = match error {
        Error::Upstream { body: Some(body), .. } => body.get("error"),
        _ => None,
    };
    let said = |key: &str| body.and_then(|it| it.get(key)).filter(|it| !it.is_null()).cloned();
    let kind = said("type").and_then(|it| it.as_str().map(str::to_owned));
    let code = match error {
        Error::Limited { .. } => Some("rate_limit_exceeded".into()),
        Error::TooLong(_) => Some("context_length_exceeded".into()),
        Error::Blocked(_) => Some("content_filter".into()),
        Error::NotFound(_) => Some("model_not_found".into()),
        Error::Unsupported(_) => Some("unsupported".into()),
        _ => said("code"),
    };
    let param = match error {
        Error::Invalid { param: Some(param), .. } => Some(param.clone().into()),
        _ => said("param"),
    };
    Details {
        message: match error {
            Error::Internal(words) => internal_id(words),
            _ => error.to_string(),
        },
        kind: kind.unwrap_or_else(|| kind_of(status).to_owned()),
        param: param.unwrap_or_default(),
        code: code.unwrap_or_default(),
    }
}

/// Logs a fault of ours and gives the words for it, which name only the log's entry.
fn internal_id(words: &str) -> String {
    let id = Uuid::new_v4();
    tracing::error!(%id, words, "a call met a fault of the gateway");
    format!("the gateway met a fault of its own; its log tells more under the id {id}")
}

fn kind_of(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        501 => "unsupported_error",
        502 | 529 => "upstream_error",
        503 | 504 => "upstream_unavailable",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}
