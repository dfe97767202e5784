//! The tokens that lead from one page of a list to the next, as MLflow's client hands them around.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::python::{repr_bytes, repr_value};
use crate::{Error, Result};

/// The token for the page that starts at `offset`.
pub fn token(offset: usize) -> String {
    STANDARD.encode(format!("{{\"offset\": {offset}}}"))
}

/// Where the page that a token asks for starts; no token, or an empty one, asks for the first page.
pub fn offset(token: Option<&str>) -> Result<usize> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(0) };
    let decoded = STANDARD.decode(token).map_err(|_| Error::invalid("Invalid page token, could not base64-decode"))?;
    let parsed: Value = serde_json::from_slice(&decoded)
        .map_err(|_| Error::invalid(format!("Invalid page token, decoded value={}", repr_bytes(&decoded))))?;
    let offset = match parsed.get("offset") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => match text.parse() {
            Ok(offset) => Some(offset),
            Err(_) => return Err(Error::invalid(format!("Invalid page token, not stringable {text}"))),
        },
        _ => None,
    };
    offset
        .and_then(|offset| usize::try_from(offset).ok())
        // Databases count rows in 63 bits.
        .filter(|offset| i64::try_from(*offset).is_ok())
        .ok_or_else(|| Error::invalid(format!("Invalid page token, parsed value={}", repr_value(&parsed))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_mlflow() {
        assert_eq!(token(1), "eyJvZmZzZXQiOiAxfQ==");
        assert_eq!(offset(Some("eyJvZmZzZXQiOiAxfQ==")).unwrap(), 1);
        assert_eq!(offset(None).unwrap(), 0);
    }

    #[test]
    fn broken_tokens_say_what_is_broken() {
        let check = |token: &str, expect: &str| assert_eq!(offset(Some(token)).unwrap_err().to_string(), expect);
        check("zzz", "Invalid page token, could not base64-decode");
        check(&STANDARD.encode("nope"), "Invalid page token, decoded value=b'nope'");
        check(&STANDARD.encode(r#"{"offset":-1}"#), "Invalid page token, parsed value={'offset': -1}");
        check(&STANDARD.encode(r#"{"offset": "x"}"#), "Invalid page token, not stringable x");
        check(&STANDARD.encode("[]"), "Invalid page token, parsed value=[]");
    }
}
