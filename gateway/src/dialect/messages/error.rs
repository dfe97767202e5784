//! Errors as Anthropic tells them.

use llm::Error;
use serde_json::{Value, json};

use crate::http::{details_of, status_of};

/// The types that Anthropic's clients know.
const TYPES: [&str; 10] = [
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];

/// An error as a body: Anthropic's own type where the provider named one, else that of the status.
pub(crate) fn error_json(error: &Error) -> Value {
    let details = details_of(error);
    let kind = TYPES.iter().find(|it| **it == details.kind).copied();
    let kind =
        kind.unwrap_or_else(|| type_of(if matches!(error, Error::Unsupported(_)) { 400 } else { status_of(error) }));
    json!({"type": "error", "error": {"type": kind, "message": details.message}})
}

/// An error in the middle of a stream.
pub(crate) fn error_event(error: &Error, out: &mut Vec<u8>) {
    llm::sse::encode(Some("error"), &error_json(error).to_string(), out);
}

/// The type that stands for an HTTP status.
pub(crate) fn type_of(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_anthropics() {
        let check = |error: Error, kind: &str| assert_eq!(error_json(&error)["error"]["type"], kind, "{error:?}");
        check(Error::invalid("model", "no"), "invalid_request_error");
        check(Error::Unsupported("no".into()), "invalid_request_error");
        check(Error::Limited { message: "slow".into(), retry_after: None }, "rate_limit_error");
        check(Error::Unavailable("gone".into()), "api_error");
        check(Error::NotFound("gone".into()), "not_found_error");
        let said = |status, kind: &str| Error::Upstream {
            status,
            message: "m".into(),
            body: Some(json!({"error": {"type": kind, "message": "m"}})),
        };
        check(said(529, "overloaded_error"), "overloaded_error");
        check(said(400, "requests"), "invalid_request_error");
    }
}
