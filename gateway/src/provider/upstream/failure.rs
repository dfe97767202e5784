//! What providers say when they refuse, in the vocabulary's terms and in the provider's words.

use std::time::Duration;

use llm::Error;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::bad_gateway;
use crate::provider::scrub::Scrub;

/// Characters of an answer in no known shape that are shown.
const EXCERPT_CHARS_MAX: usize = 300;

/// An answer with an error status.
pub(super) fn failure(who: &str, status: u16, headers: &HeaderMap, body: &[u8], scrub: &Scrub) -> Error {
    // Before anything is cut out of it, so that no part of a key is left at an end.
    let text = scrub.text(String::from_utf8_lossy(body).into_owned());
    let body: Option<Value> = serde_json::from_str(&text).ok();
    let words = body.as_ref().and_then(words).unwrap_or_else(|| excerpt(&text));
    let message = match status {
        401 | 403 => format!("{who} refused the key of this endpoint (HTTP {status}): {words}"),
        300..=399 => format!("{who} redirects elsewhere (HTTP {status}); correct `api_base`: {words}"),
        _ => format!("{who} answered HTTP {status}: {words}"),
    };
    let is_out_of_quota =
        body.as_ref().and_then(|it| it.pointer("/error/code")).is_some_and(|it| it == "insufficient_quota");
    scrub.error(match status {
        // An empty purse does not fill by waiting.
        429 if !is_out_of_quota => {
            let retry_after = retry_after(headers).or_else(|| body.as_ref().and_then(googles_delay));
            Error::Limited { message, retry_after }
        }
        400..=599 => Error::Upstream { status, message, body },
        _ => bad_gateway(message),
    })
}

/// An error in an answer that came with status 200, as some servers send it. Its words are as they came.
pub(in crate::provider) fn in_ok_answer(who: &str, body: &[u8]) -> Option<Error> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error").filter(|it| !it.is_null())?;
    Some(from_error_object(who, error, &body))
}

/// An error event in the middle of a stream.
pub(super) fn in_event(who: &str, data: &str, scrub: &Scrub) -> Error {
    let text = scrub.text(data.to_owned());
    scrub.error(match serde_json::from_str::<Value>(&text) {
        Ok(body) => from_error_object(who, body.get("error").unwrap_or(&body), &body),
        Err(_) => bad_gateway(format!("{who} ended the stream with an error: {}", excerpt(&text))),
    })
}

fn from_error_object(who: &str, error: &Value, body: &Value) -> Error {
    let said = words(body).or_else(|| words(error)).unwrap_or_else(|| excerpt(&body.to_string()));
    let message = format!("{who} answered with an error: {said}");
    let status = error
        .get("code")
        .and_then(Value::as_u64)
        .and_then(|it| u16::try_from(it).ok())
        .filter(|it| (400..=599).contains(it))
        .or_else(|| error.get("type").and_then(Value::as_str).and_then(status_of_kind))
        .unwrap_or(502);
    if status == 429 {
        return Error::Limited { message, retry_after: None };
    }
    Error::Upstream { status, message, body: Some(body.clone()) }
}

/// The HTTP status that stands for an error type of OpenAI's or Anthropic's.
fn status_of_kind(kind: &str) -> Option<u16> {
    Some(match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" => 429,
        "api_error" | "server_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        // Bedrock's exceptions in a stream.
        "validationException" => 400,
        "throttlingException" => 429,
        "internalServerException" => 500,
        "modelStreamErrorException" => 502,
        "serviceUnavailableException" => 503,
        "modelTimeoutException" => 504,
        _ => return None,
    })
}

/// The message in an error body, wherever the vendor put it.
fn words(body: &Value) -> Option<String> {
    let body = body.get(0).unwrap_or(body);
    let found = match body.get("error") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(error)) => match error.get("message")? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
        _ => match body.get("message").or_else(|| body.get("Message")).or_else(|| body.get("detail"))? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    };
    (!found.is_empty()).then_some(found)
}

fn excerpt(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "(no words)".to_owned();
    }
    text.chars().take(EXCERPT_CHARS_MAX).collect()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|it| it / 1000.0).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// How long Google asks to wait: `{"retryDelay": "34.07s"}` among the details of its error.
fn googles_delay(body: &Value) -> Option<Duration> {
    let details = body.get(0).unwrap_or(body).pointer("/error/details")?.as_array()?;
    let delay = details.iter().find_map(|it| it.get("retryDelay")?.as_str())?;
    Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_every_vendors_shape() {
        let check = |body: &str, expected: &str| {
            let error = failure("provider `x`", 422, &HeaderMap::new(), body.as_bytes(), &Scrub::of(&["sk-1"]));
            assert_eq!(error.to_string(), format!("provider `x` answered HTTP 422: {expected}"));
        };
        check(r#"{"error":{"message":"bad","type":"t"}}"#, "bad");
        check(r#"{"error":"bad"}"#, "bad");
        check(r#"{"message":"bad key sk-1!"}"#, "bad key [key]!");
        check(r#"{"object":"error","message":{"detail":[1]}}"#, r#"{"detail":[1]}"#);
        check(r#"{"detail":"bad"}"#, "bad");
        check(r#"[{"error":{"code":400,"message":"bad"}}]"#, "bad");
        check("<html>oops</html>", "<html>oops</html>");
        check("", "(no words)");
    }

    #[test]
    fn waiting_helps_against_a_rate_limit_but_not_against_an_empty_purse() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after-ms", "1500".parse().unwrap());
        let error = failure("p", 429, &headers, br#"{"error":{"message":"slow down"}}"#, &Scrub::of(&[]));
        assert!(matches!(error, Error::Limited { retry_after: Some(wait), .. } if wait == Duration::from_millis(1500)));
        let error =
            failure("p", 429, &headers, br#"{"error":{"message":"pay","code":"insufficient_quota"}}"#, &Scrub::of(&[]));
        assert!(matches!(error, Error::Upstream { status: 429, body: Some(_), .. }), "{error:?}");
    }
}
