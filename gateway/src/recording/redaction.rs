//! What nobody shall find in records: texts that match patterns, and places in JSON.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use serde_json_path::{JsonPath, NormalizedPath};

use crate::guardrails::Finder;

/// What stands where something was.
const REDACTED: &str = "[redacted]";

/// The `redact` of a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redaction {
    /// Texts to find.
    pub(crate) finder: Option<Finder>,
    /// Places whose content goes, whatever it is (RFC 9535).
    pub(crate) paths: Vec<JsonPath>,
}

impl Redaction {
    /// A body without what any of these finds in it. One that is no JSON is a text; where places are named, which it
    /// does not have, nothing is left of it.
    pub(super) fn all(redactions: &[Arc<Self>], body: &Bytes) -> Value {
        let has_paths = redactions.iter().any(|it| !it.paths.is_empty());
        let mut value = match serde_json::from_slice(body) {
            Ok(value) => value,
            Err(_) if has_paths => return Value::from(REDACTED),
            Err(_) => Value::String(String::from_utf8_lossy(body).into_owned()),
        };
        // What is cut off has no places either.
        if has_paths
            && value.get("truncated") == Some(&Value::Bool(true))
            && let Some(head) = value.get_mut("head")
        {
            *head = Value::from(REDACTED);
        }
        for redaction in redactions {
            redaction.places(&mut value);
        }
        for finder in redactions.iter().filter_map(|it| it.finder.as_ref()) {
            texts(finder, &mut value);
        }
        value
    }

    /// Takes what it finds out of a text.
    pub(super) fn text(&self, text: &mut String) {
        if let Some(masked) = self.finder.as_ref().and_then(|it| it.masked(text)) {
            *text = masked;
        }
    }

    fn places(&self, value: &mut Value) {
        for path in &self.paths {
            let found: Vec<String> =
                path.query_located(value).locations().map(NormalizedPath::to_json_pointer).collect();
            for pointer in found {
                // A place within one that has just gone is not there any more.
                if let Some(place) = value.pointer_mut(&pointer) {
                    *place = Value::from(REDACTED);
                }
            }
        }
    }
}

/// Takes what is found out of all texts, and out of whole numbers, since some write a card's as one.
fn texts(finder: &Finder, value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(masked) = finder.masked(text) {
                *text = masked;
            }
        }
        Value::Number(number) if number.is_u64() => {
            if let Some(masked) = finder.masked(&number.to_string()) {
                *value = Value::String(masked);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|it| texts(finder, it)),
        Value::Object(fields) => fields.values_mut().for_each(|it| texts(finder, it)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::guardrails::Pii;

    #[test]
    fn places_and_texts_go_and_the_rest_stays() {
        let finder = Finder::new(vec![Pii::Email.rule(), Pii::CreditCard.rule()]);
        let paths = ["$.messages[?@.role == 'system'].content", "$..secret", "$['a/b'].*"];
        let redactions = [
            Arc::new(Redaction { finder: Some(finder), paths: Vec::new() }),
            Arc::new(Redaction { finder: None, paths: paths.map(|it| JsonPath::parse(it).unwrap()).to_vec() }),
        ];
        let check = |body: &str, expected: Value| {
            assert_eq!(Redaction::all(&redactions, &Bytes::copy_from_slice(body.as_bytes())), expected, "{body}");
        };
        check(
            r#"{"messages": [{"role": "system", "content": "who we are"}, {"role": "user", "content": "I am a@b.de."}],
                "deep": [{"secret": {"secret": 1}}], "a/b": {"~": 1}, "card": 4111111111111111, "n": 4111, "x": 1.5}"#,
            json!({"messages": [{"role": "system", "content": "[redacted]"}, {"role": "user", "content": "I am [EMAIL]."}],
                "deep": [{"secret": "[redacted]"}], "a/b": {"~": "[redacted]"}, "card": "[CREDIT_CARD]", "n": 4111, "x": 1.5}),
        );
        check(
            r#"{"truncated": true, "bytes": 9, "head": "{\"secret\": 1"}"#,
            json!({"truncated": true, "bytes": 9, "head": "[redacted]"}),
        );
        check("no JSON of a@b.de", json!("[redacted]"));
        let text = Redaction::all(&redactions[..1], &Bytes::from_static(b"no JSON of a@b.de"));
        assert_eq!(text, json!("no JSON of [EMAIL]"));
    }
}
