//! Keys that must never be seen in a log, an error or a debug print.

use std::fmt;

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

    /// `text` without this secret: providers like to quote the key that they refuse.
    pub(crate) fn scrub(&self, text: String) -> String {
        if self.0.is_empty() || !text.contains(&self.0) { text } else { text.replace(&self.0, "[key]") }
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
    }
}
