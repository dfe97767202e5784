//! Pages of results and the tokens that lead from one page to the next.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    Error, Result,
    validate::{python_bytes, python_value},
};

/// One page of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The page's entries, in order.
    pub items: Vec<T>,
    /// Asks for the page after this one; absent on the last page.
    pub next_page_token: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of `size` out of up to `size + 1` items found after `offset`: the one too many says that more follow.
    pub(crate) fn cut(mut items: Vec<T>, offset: usize, size: usize) -> Self {
        let next_page_token = (items.len() > size).then(|| token(offset + size));
        items.truncate(size);
        Self { items, next_page_token }
    }
}

/// The token for the page that starts at `offset`.
pub(crate) fn token(offset: usize) -> String {
    STANDARD.encode(format!("{{\"offset\": {offset}}}"))
}

/// Where the page that a token asks for starts; no token, or an empty one, asks for the first page.
pub(crate) fn offset(token: Option<&str>) -> Result<usize> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(0) };
    let decoded = STANDARD.decode(token).map_err(|_| Error::invalid("Invalid page token, could not base64-decode"))?;
    let parsed: Value = serde_json::from_slice(&decoded)
        .map_err(|_| Error::invalid(format!("Invalid page token, decoded value={}", python_bytes(&decoded))))?;
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
        .ok_or_else(|| Error::invalid(format!("Invalid page token, parsed value={}", python_value(&parsed))))
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

    #[test]
    fn a_page_has_a_token_only_when_more_follow() {
        let page = Page::cut(vec![1, 2, 3], 4, 2);
        assert_eq!(page, Page { items: vec![1, 2], next_page_token: Some(token(6)) });
        assert_eq!(Page::cut(vec![1, 2], 4, 2).next_page_token, None);
    }
}
