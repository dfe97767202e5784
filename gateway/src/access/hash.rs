//! The hash under which a key is kept, and what makes it.

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::hmac;

use crate::secrets::Secret;

/// What is kept of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Hash {
    is_peppered: bool,
    bytes: [u8; 32],
}

const PLAIN: &str = "sha256:";
const PEPPERED: &str = "hmac-sha256:";

impl Hash {
    /// Reads `sha256:` or `hmac-sha256:` and 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (is_peppered, digits) = match text.strip_prefix(PLAIN) {
            Some(digits) => (false, digits),
            None => (true, text.strip_prefix(PEPPERED)?),
        };
        if digits.len() != 64 || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self { is_peppered, bytes })
    }

    /// Whether it can only be made again with the pepper.
    pub(crate) fn is_peppered(&self) -> bool {
        self.is_peppered
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_peppered { PEPPERED } else { PLAIN })?;
        self.bytes.iter().try_for_each(|it| write!(formatter, "{it:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_peppered { "hmac-sha256:…" } else { "sha256:…" })
    }
}

/// Makes hashes of keys. A key is 256 bits of chance, so that guessing is hopeless without a slow hash, and each call
/// pays for one; with a pepper, who has the hashes alone cannot even tell whether a key that they found is one of them.
#[derive(Clone, Default)]
pub(crate) struct Hasher {
    pepper: Option<hmac::Key>,
}

impl Hasher {
    pub(crate) fn new(pepper: Option<&Secret>) -> Self {
        Self { pepper: pepper.map(|it| hmac::Key::new(hmac::HMAC_SHA256, it.reveal().as_bytes())) }
    }

    pub(crate) fn is_peppered(&self) -> bool {
        self.pepper.is_some()
    }

    /// The hash by which a key is kept from now on.
    pub(crate) fn hash(&self, key: &str) -> Hash {
        self.peppered(key).unwrap_or_else(|| plain(key))
    }

    /// The hashes by which a key may be kept.
    pub(super) fn hashes(&self, key: &str) -> impl Iterator<Item = Hash> {
        self.peppered(key).into_iter().chain([plain(key)])
    }

    fn peppered(&self, key: &str) -> Option<Hash> {
        let tag = hmac::sign(self.pepper.as_ref()?, key.as_bytes());
        Some(Hash { is_peppered: true, bytes: array(tag.as_ref()) })
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hasher")
    }
}

fn plain(key: &str) -> Hash {
    Hash { is_peppered: false, bytes: array(digest(&SHA256, key.as_bytes()).as_ref()) }
}

fn array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_as_they_are_written() {
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hasher::default().hash("abc").to_string(), text);
        // RFC 4231, test case 2.
        let peppered = Hasher::new(Some(&Secret::new("Jefe")));
        let hash = peppered.hash("what do ya want for nothing?");
        let tag = "hmac-sha256:5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hash.to_string(), tag);
        assert_eq!(peppered.hashes("abc").map(|it| it.is_peppered).collect::<Vec<_>>(), [true, false]);
        for text in [text, tag] {
            assert_eq!(Hash::parse(text).map(|it| it.to_string()).as_deref(), Some(text));
        }
        for wrong in ["", "sha256:", &text[7..], &text[..70], "sha256:zz", &text.replace('a', "é"), &tag[5..]] {
            assert_eq!(Hash::parse(wrong).filter(Hash::is_peppered), None, "{wrong}");
        }
        assert_eq!(Hash::parse(&text.replace("ba", "+a")), None);
    }
}
