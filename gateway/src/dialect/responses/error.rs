//! Errors in the midst of a streamed response.

use llm::Error;
use serde_json::{Value, json};

use crate::http::details_of;

/// The event that tells of an error.
pub(super) fn event(error: &Error, sequence_number: u64) -> Value {
    let details = details_of(error);
    let code = if details.code.is_null() { details.kind.into() } else { details.code };
    json!({
        "type": "error", "code": code, "message": details.message, "param": details.param,
        "sequence_number": sequence_number,
    })
}

/// The error that a failed response names.
pub(super) fn of_response(error: &Error) -> Value {
    let details = details_of(error);
    let code = match error {
        Error::Limited { .. } => "rate_limit_exceeded",
        Error::Invalid { .. } | Error::TooLong(_) | Error::Unsupported(_) => "invalid_prompt",
        _ => "server_error",
    };
    json!({"code": code, "message": details.message})
}

/// The error that a provider's failed response is. `said` is what it says of that; `body`, the response or the event that
/// shows it, reaches the caller as it came.
pub(crate) fn failure(who: &str, said: &Value, body: Value) -> Error {
    let words = said["message"].as_str().unwrap_or("the response failed without words");
    let status = match said["code"].as_str() {
        Some("rate_limit_exceeded") => 429,
        Some("invalid_prompt") => 400,
        _ => 502,
    };
    Error::Upstream { status, message: format!("{who} answered with an error: {words}"), body: Some(body) }
}

/// The response that failed, where a provider's own is what an error tells of.
pub(crate) fn failed_whole(error: &Error) -> Option<&Value> {
    match error {
        Error::Upstream { body: Some(body), .. } if body["object"] == "response" => Some(body),
        _ => None,
    }
}

/// The provider's own event of a failed response, where it was what ended the stream.
pub(super) fn failed_response(error: &Error) -> Option<&Value> {
    match error {
        Error::Upstream { body: Some(body), .. } if body["type"] == "response.failed" => Some(body),
        _ => None,
    }
}
