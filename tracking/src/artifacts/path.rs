//! A path below an artifact root: relative, without a way out, however it was encoded.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::{Error, Result};

/// How often a path is percent-decoded before it is taken for an attack; an honest one needs one or two rounds.
const DECODE_ROUNDS_MAX: usize = 10;

/// The longest file or folder name that common file systems store.
const NAME_BYTES_MAX: usize = 255;

/// The longest path; longer ones fail in most programs that would read the artifact.
const PATH_BYTES_MAX: usize = 2048;

/// A path below an artifact root, `/` between its parts; empty for the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArtifactPath(String);

impl ArtifactPath {
    /// The artifact root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads what a client sent. It is percent-decoded until nothing changes, as MLflow does, so that no encoding
    /// smuggles a `..`, a backslash, a NUL or an absolute path past the checks.
    ///
    /// ```
    /// use tracking::ArtifactPath;
    /// assert_eq!(ArtifactPath::parse("model/MLmodel").unwrap().as_str(), "model/MLmodel");
    /// assert!(ArtifactPath::parse("%252e%252e/secret").is_err());
    /// ```
    pub fn parse(raw: &str) -> Result<Self> {
        let refused = |why: &str| {
            let shown: String = raw.chars().take(200).collect();
            Error::invalid(format!("Invalid path {shown:?}: {why}"))
        };
        let decoded = decode(raw).ok_or_else(|| refused("its percent-encoding is broken or nested too deeply"))?;
        if decoded.contains(['\\', '#']) || decoded.chars().any(char::is_control) {
            return Err(refused("it may not hold `\\`, `#` or control characters; use `/` between folders"));
        }
        if decoded.starts_with('/') || is_drive(&decoded) || is_uri(&decoded) {
            return Err(refused("it must be relative to the artifact root"));
        }
        if decoded.len() > PATH_BYTES_MAX {
            return Err(refused("it is longer than 2048 bytes"));
        }
        if has_way_out(&look_alike(&decoded)) {
            return Err(refused(
                "it may not leave the artifact root by `..`, nor by letters that some systems take for it",
            ));
        }
        let mut parts = Vec::new();
        for part in decoded.split('/') {
            match part {
                "" | "." => {}
                _ if part.len() > NAME_BYTES_MAX => return Err(refused("one of its names is longer than 255 bytes")),
                _ => parts.push(part),
            }
        }
        Ok(Self(parts.join("/")))
    }

    /// Reads the path of a file: not the root, not ending in `/`.
    pub fn file(raw: &str) -> Result<Self> {
        let path = Self::parse(raw)?;
        if path.0.is_empty() || decode(raw).is_some_and(|it| it.ends_with('/')) {
            return Err(Error::invalid(format!("Invalid path {raw:?}: it must name a file, not end in `/`")));
        }
        Ok(path)
    }

    /// A name that the store itself found in `folder`; it is taken as it is.
    pub(super) fn from_parts(folder: &Self, name: &str) -> Result<Self> {
        let path = Self(folder.child(name));
        // What a client could not ask for is not there for it either.
        if Self::parse(&path.0)? == path {
            Ok(path)
        } else {
            Err(Error::invalid(format!("Invalid path {name:?}: it reads differently when decoded")))
        }
    }

    /// A folder below a root, from the file system's own words for it.
    pub(super) fn of_folder(folder: &std::path::Path) -> Result<Self> {
        let shown = || Error::invalid(format!("Invalid path {}: it is not UTF-8", folder.display()));
        Ok(Self(folder.to_str().ok_or_else(shown)?.to_owned()))
    }

    /// The folder that this path lies in.
    pub(super) fn parent(path: &Self) -> Self {
        Self(path.0.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned()))
    }

    /// `path` below this one.
    #[must_use]
    pub fn join(&self, path: &Self) -> Self {
        Self(self.child(&path.0))
    }

    /// The text of `name` below this path.
    pub(crate) fn child(&self, name: &str) -> String {
        match (self.0.as_str(), name) {
            ("", name) => name.to_owned(),
            (parent, "") => parent.to_owned(),
            (parent, name) => format!("{parent}/{name}"),
        }
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The path as text, without a leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn decode(raw: &str) -> Option<String> {
    let mut text = raw.to_owned();
    for _ in 0..DECODE_ROUNDS_MAX {
        let decoded = percent_decode_str(&text).decode_utf8().ok()?.into_owned();
        if decoded == text {
            return Some(text);
        }
        text = decoded;
    }
    None
}

/// The path as a file system reads it that normalises names (Unicode's NFKC): full-width and small forms of dots and
/// slashes, and leaders of several dots, become the plain ones.
fn look_alike(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    for letter in path.chars() {
        match letter {
            '\u{2024}' | '\u{fe52}' | '\u{ff0e}' => plain.push('.'),
            '\u{2025}' | '\u{fe30}' => plain.push_str(".."),
            '\u{2026}' | '\u{fe19}' => plain.push_str("..."),
            '\u{ff0f}' => plain.push('/'),
            '\u{fe68}' | '\u{ff3c}' => plain.push('\\'),
            '\u{fe55}' | '\u{ff1a}' | '\u{fe13}' => plain.push(':'),
            letter => plain.push(letter),
        }
    }
    plain
}

/// Whether a folder name means the parent folder, on Windows also with blanks behind it, or the path is absolute.
fn has_way_out(path: &str) -> bool {
    path.starts_with(['/', '\\']) || is_drive(path) || path.split(['/', '\\']).any(|part| part.trim_end() == "..")
}

/// `C:` starts an absolute path on Windows, where these artifacts may be downloaded to.
fn is_drive(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':'
}

fn is_uri(path: &str) -> bool {
    path.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("file:")) || path.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_stay_inside() {
        let check = |raw, expect| assert_eq!(ArtifactPath::parse(raw).unwrap().as_str(), expect, "{raw}");
        check("", "");
        check(".", "");
        check("a.txt", "a.txt");
        check("model//./MLmodel", "model/MLmodel");
        check("a%20b.txt", "a b.txt");
        check("100%.txt", "100%.txt");
        check("..a/b..", "..a/b..");
        check("ünï/文.txt", "ünï/文.txt");
        check("and so on….txt", "and so on….txt");
        check("a／b ： c", "a／b ： c");
        check("...", "...");
        check("1+1=2 & 100% (ok).txt", "1+1=2 & 100% (ok).txt");
        check("folder/", "folder");
    }

    #[test]
    fn paths_that_would_leave_are_refused() {
        for raw in [
            "..",
            "../a",
            "a/../../b",
            "a/..",
            "%2e%2e/a",
            "%2E%2e%2fa",
            "%252e%252e/a",
            "%25252e%25252e/a",
            "a/..%2f..%2fetc/passwd",
            "..\\a",
            "a\\..\\b",
            "%5c..%5ca",
            "/etc/passwd",
            "%2fetc/passwd",
            "%252fetc/passwd",
            "C:/windows",
            "c:a",
            "file:///etc/passwd",
            "file:etc",
            "s3://bucket/a",
            "a\0b",
            "a%00b",
            "a%2500b",
            "a\nb",
            "a#b",
            "%ff%fe",
            ".. /a",
            "a/..%20/b",
            "\u{ff0e}\u{ff0e}/a",
            "\u{2025}/a",
            "\u{fe52}./a",
            "a\u{ff0f}..\u{ff0f}..\u{ff0f}b",
            "a/..\u{ff0f}..",
            "..\u{ff3c}a",
            "\u{ff0f}etc/passwd",
            "C\u{ff1a}/windows",
            "%ef%bc%8e%ef%bc%8e/a",
        ] {
            let error = ArtifactPath::parse(raw).expect_err(raw).to_string();
            assert!(error.starts_with("Invalid path "), "{raw}: {error}");
        }
        assert!(ArtifactPath::parse(&"x".repeat(256)).is_err());
        assert!(ArtifactPath::parse(&"x/".repeat(1500)).is_err());
    }

    #[test]
    fn a_file_needs_a_name() {
        assert!(ArtifactPath::file("").is_err());
        assert!(ArtifactPath::file("a/").is_err());
        assert!(ArtifactPath::file("a%2f").is_err());
        assert_eq!(ArtifactPath::file("a/b").unwrap().name(), "b");
    }
}
