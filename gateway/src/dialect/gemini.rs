//! Google's generateContent: what is asked in it as chats, and the answers to chats in its words.
//!
//! What OpenAI's chat has no field for rides along under the names that `provider/gemini.rs` documents; of a request
//! further `safetySettings`, `cachedContent`, `labels`, `toolConfig` and what is left of `generationConfig`, in the
//! chat's `rest` under Google's names.

mod content;
mod options;
mod reply;
mod request;
mod usage;
mod writer;

pub(crate) use reply::answer;
pub(crate) use request::chat;
pub(crate) use usage::{usage_of_chat, usage_of_google};
pub(crate) use writer::Writer;

use llm::Error;
use serde_json::{Value, json};

use crate::http::{details_of, status_of};

/// Whether the caller of a generateContent asks to see the model's thoughts.
pub(crate) fn shows_thoughts(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
    let config = body.get("generationConfig").or_else(|| body.get("generation_config"));
    let thinking = config.and_then(|it| it.get("thinkingConfig").or_else(|| it.get("thinking_config")));
    let shows = thinking.and_then(|it| it.get("includeThoughts").or_else(|| it.get("include_thoughts")));
    shows == Some(&Value::Bool(true))
}

/// An error in Google's shape, with the HTTP status that goes with it.
pub(crate) fn error_json(error: &Error) -> (u16, Value) {
    // An unsupported request will not be supported when clients, who repeat calls at 5xx, ask again.
    let status = if matches!(error, Error::Unsupported(_)) { 400 } else { status_of(error) };
    let own = match error {
        // Google's own words about itself, where the provider is Google.
        Error::Upstream { body: Some(body), .. } => {
            body.get(0).unwrap_or(body).get("error").filter(|it| it["status"].is_string())
        }
        _ => None,
    };
    let mut out = json!({"code": status, "message": details_of(error).message, "status": status_word(status)});
    if let Some(own) = own {
        out["status"] = own["status"].clone();
        if let Some(details) = own.get("details") {
            out["details"] = details.clone();
        }
    }
    if let Error::Limited { retry_after: Some(wait), .. } = error {
        let delay = format!("{}s", wait.as_secs_f64());
        out["details"] = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]);
    }
    (status, json!({"error": out}))
}

/// Google's word for a status.
pub(crate) fn status_word(status: u16) -> &'static str {
    match status {
        400 | 405 | 413 | 415 | 422 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        402 | 403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..=499 => "FAILED_PRECONDITION",
        _ => "INTERNAL",
    }
}
