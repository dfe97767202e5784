//! What must not come back in a provider's words: every key and token that it was sent.

use std::sync::Arc;

use llm::Error;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::Sign;
use crate::config::Settings;
use crate::secrets::Secret;

/// Characters of a header's value from which on it may be a key. Shorter ones are words like `prod`, whose absence would
/// make messages unreadable.
const KEY_CHARS_MIN: usize = 6;

/// The secrets of one provider: those of its configuration, and those that were granted meanwhile.
#[derive(Clone)]
pub(super) struct Scrub {
    fixed: Arc<[Secret]>,
    sign: Option<Arc<dyn Sign>>,
}

impl Scrub {
    /// The secrets among settings, and those in headers: there they are marked as sensitive.
    pub(super) fn new(settings: &Settings, headers: &HeaderMap) -> Self {
        let mut fixed: Vec<Secret> = settings.secrets().cloned().collect();
        for value in headers.values().filter(|it| it.is_sensitive()).filter_map(|it| it.to_str().ok()) {
            // `Bearer KEY`, which may be quoted without its first word.
            let key = value.split_once(' ').map_or(value, |(_, key)| key);
            fixed.extend([value, key].into_iter().filter(|it| it.len() >= KEY_CHARS_MIN).map(Secret::new));
        }
        // The longer first, so that none leaves a part of another.
        fixed.sort_by_key(|it| std::cmp::Reverse(it.reveal().len()));
        fixed.dedup();
        Self { fixed: fixed.into(), sign: None }
    }

    /// These secrets alone.
    #[cfg(test)]
    pub(super) fn of(secrets: &[&str]) -> Self {
        Self { fixed: secrets.iter().map(|it| Secret::new(it)).collect(), sign: None }
    }

    pub(super) fn signed(self, sign: Arc<dyn Sign>) -> Self {
        Self { sign: Some(sign), ..self }
    }

    pub(super) fn text(&self, text: String) -> String {
        let granted = self.sign.as_ref().map(|it| it.secrets()).unwrap_or_default();
        granted.iter().chain(self.fixed.iter()).fold(text, |text, secret| secret.scrub(text))
    }

    pub(super) fn error(&self, mut error: Error) -> Error {
        match &mut error {
            Error::Upstream { message, body, .. } => {
                self.replace(message);
                if let Some(body) = body {
                    self.value(body);
                }
            }
            Error::Invalid { message, .. }
            | Error::Limited { message, .. }
            | Error::TooLong(message)
            | Error::NotFound(message)
            | Error::Denied(message)
            | Error::Forbidden(message)
            | Error::Unsupported(message)
            | Error::Blocked(message)
            | Error::Timeout(message)
            | Error::Unavailable(message)
            | Error::Internal(message) => self.replace(message),
        }
        error
    }

    fn replace(&self, text: &mut String) {
        *text = self.text(std::mem::take(text));
    }

    /// Texts in JSON are searched one by one: in the document they may be escaped in more ways than one.
    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.replace(text),
            Value::Array(list) => {
                for it in list {
                    self.value(it);
                }
            }
            Value::Object(fields) => {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, mut value)| {
                        self.value(&mut value);
                        (self.text(name), value)
                    })
                    .collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_however_a_body_escapes_them() {
        let body = r#"{"error":{"message":"no","sent":["Bearer a\/b\u002b\"c"],"a/b+\"c":1}}"#;
        let error = Error::Upstream {
            status: 400,
            message: "a%2Fb%2B%22c or a/b+\"c".to_owned(),
            body: serde_json::from_str(body).ok(),
        };
        let Error::Upstream { message, body, .. } = Scrub::of(&["a/b+\"c"]).error(error) else { panic!() };
        assert_eq!(message, "[key] or [key]");
        assert_eq!(body, Some(json!({"error": {"message": "no", "sent": ["Bearer [key]"], "[key]": 1}})));
    }
}
