//! What a download says about its file: a media type that shows text as text, and a name to save it under.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// File name endings that MLflow shows as plain text, whatever else they are; names without one count as their ending.
const TEXT_ENDINGS: &[&str] = &[
    "txt",
    "log",
    "err",
    "cfg",
    "conf",
    "cnf",
    "cf",
    "ini",
    "properties",
    "prop",
    "hocon",
    "toml",
    "yaml",
    "yml",
    "xml",
    "json",
    "jsonl",
    "js",
    "py",
    "py3",
    "csv",
    "tsv",
    "md",
    "rst",
    "ipynb",
    "MLmodel",
    "MLproject",
];

/// What stands in a parameter value as it is (RFC 9110's tokens), beside letters and digits.
const TOKEN_MARKS: &[u8] = b"!#$%&'*+-.^_`|~";

/// All but what RFC 8187 lets stand in an extended parameter value.
const UNSAFE_IN_NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// What a client saves a file under that understands none of its name's letters.
const FALLBACK_NAME: &str = "download";

/// The media type of a file name.
pub(super) fn media_type(name: &str) -> String {
    let ending = name.rsplit_once('.').map_or(name, |(_, ending)| ending);
    if TEXT_ENDINGS.contains(&ending) {
        return "text/plain".to_owned();
    }
    mime_guess::from_path(name).first_or_octet_stream().essence_str().to_owned()
}

/// Tells browsers to save the file under `name` and not to open it. Names beyond ASCII stand there twice, for clients
/// that know the extended form and for those that do not.
pub(super) fn content_disposition(name: &str) -> String {
    if name.is_ascii() {
        return format!("attachment; filename={}", parameter(name));
    }
    let plain: String = name.chars().filter(char::is_ascii).collect();
    let plain = if plain.is_empty() { FALLBACK_NAME } else { &plain };
    let extended = utf8_percent_encode(name, UNSAFE_IN_NAME);
    format!("attachment; filename={}; filename*=UTF-8''{extended}", parameter(plain))
}

/// A parameter's value, in quotes where it needs them.
fn parameter(value: &str) -> String {
    let is_token = !value.is_empty() && value.bytes().all(|it| it.is_ascii_alphanumeric() || TOKEN_MARKS.contains(&it));
    if is_token { value.to_owned() } else { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        let check = |name, expect| assert_eq!(media_type(name), expect, "{name}");
        check("a.txt", "text/plain");
        check("MLmodel", "text/plain");
        check("run.py", "text/plain");
        check("data.json", "text/plain");
        check("plot.png", "image/png");
        check("page.html", "text/html");
        check("weights.bin", "application/octet-stream");
        check("noending", "application/octet-stream");
    }

    #[test]
    fn names_to_save_under() {
        let check = |name, expect| assert_eq!(content_disposition(name), expect);
        check("a.txt", "attachment; filename=a.txt");
        check("1+1.txt", "attachment; filename=1+1.txt");
        check("a \"b\".txt", "attachment; filename=\"a \\\"b\\\".txt\"");
        check("ü;x", "attachment; filename=\";x\"; filename*=UTF-8''%C3%BC%3Bx");
        check("文", "attachment; filename=download; filename*=UTF-8''%E6%96%87");
    }
}
