//! Keys that must never be seen in a log, an error or a debug print.

use std::fmt;

use url::form_urlencoded::byte_serialize;

/// What stands in a secret's place.
const SCRUBBED: &str = "[key]";
/// Bytes of a secret's beginning that are taken for it at the end of a text. Fewer are the names that kinds of keys have:
/// `sk-proj-`.
const PART_BYTES_MIN: usize = 9;

/// A secret text. It prints as `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Takes what a variable, a file or a literal gave; the newline at a file's end is not part of a key.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without this secret, as it is, as an address or a form would hold it, and as far as it goes where the text
    /// was cut: providers like to quote the key that they refuse.
    pub(crate) fn scrub(&self, mut text: String) -> String {
        if self.0.is_empty() {
            return text;
        }
        let encoded: String = byte_serialize(self.0.as_bytes()).collect();
        for form in [self.0.as_str(), encoded.as_str()] {
            if text.contains(form) {
                text = text.replace(form, SCRUBBED);
            }
        }
        let begun = (PART_BYTES_MIN..self.0.len()).rev().filter_map(|it| self.0.get(..it));
        if let Some(part) = begun.into_iter().find(|it| text.ends_with(it)) {
            text.truncate(text.len() - part.len());
            text.push_str(SCRUBBED);
        }
        text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_nowhere() {
        let secret = Secret::new("sk-123\n");
        assert_eq!(secret.reveal(), "sk-123");
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(secret.scrub("wrong key sk-123.".to_owned()), "wrong key [key].");
        let long = Secret::new("sk-proj-a/b+c");
        assert_eq!(long.scrub("a=sk-proj-a%2Fb%2Bc&b, sk-proj-a/b".to_owned()), "a=[key]&b, [key]");
    }
}
