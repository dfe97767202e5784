//! A virtual key, and the one who calls with it.

use std::fmt;
use std::sync::Arc;

/// SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Hash(pub(super) [u8; 32]);

impl Hash {
    /// Reads `sha256:` and 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:").filter(|it| it.len() == 64 && it.is_ascii())?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("sha256:")?;
        self.0.iter().try_for_each(|it| write!(formatter, "{it:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("sha256:…")
    }
}

/// The one who calls, as records and limits know them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name of the key.
    pub key: String,
    /// The user whose key it is.
    pub user: Option<String>,
    /// The team that the user belongs to.
    pub team: Option<String>,
}

/// A key of the gateway's own.
#[derive(Clone, Debug)]
pub(crate) struct VirtualKey {
    pub(crate) identity: Arc<Identity>,
    /// The hashes of what opens: while a key is replaced, the old one beside the new one.
    pub(crate) hashes: Vec<Hash>,
    /// The endpoints and routes that it reaches; all where it names none.
    pub(crate) endpoints: Option<Vec<String>>,
    pub(crate) expires_unix_s: Option<i64>,
    pub(crate) is_disabled: bool,
}

impl VirtualKey {
    /// Whether it reaches an endpoint or a route.
    pub(crate) fn reaches(&self, name: &str) -> bool {
        self.endpoints.as_ref().is_none_or(|it| it.iter().any(|it| it == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_as_they_are_written() {
        let hash = super::super::hash_of("abc");
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(Hash::parse(text), Some(hash));
        for wrong in ["", "sha256:", &text[7..], &text[..70], "sha256:zz", &text.replace('a', "é")] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
    }
}
