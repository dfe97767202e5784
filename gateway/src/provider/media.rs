//! What the parts of a message hold: addresses of images, bytes of files.

use llm::Part;
use serde_json::Value;

/// Bytes inside an address, `data:image/png;base64,…`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inline<'a> {
    /// `image/png`, without parameters.
    pub(super) media_type: &'a str,
    /// The bytes in base64.
    pub(super) base64: &'a str,
}

/// The bytes of a data address; `None` for any other.
pub(super) fn inline(address: &str) -> Option<Inline<'_>> {
    let (head, base64) = address.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    Some(Inline { media_type: media_type.split(';').next().unwrap_or_default(), base64 })
}

/// The address of an `image_url`, `video_url`…: a text, or an object with one.
pub(super) fn address<'a>(part: &'a Part, key: &str) -> Option<&'a str> {
    match part.rest.get(key)? {
        Value::String(address) => Some(address),
        object => object.get("url")?.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_inside_an_address() {
        let check = |address: &str, expected: Option<(&str, &str)>| {
            let got = inline(address);
            assert_eq!(got.as_ref().map(|it| (it.media_type, it.base64)), expected, "{address}");
        };
        check("data:image/png;base64,AAAA", Some(("image/png", "AAAA")));
        check("data:text/plain;charset=utf-8;base64,QQ==", Some(("text/plain", "QQ==")));
        check("data:text/plain,hello", None);
        check("https://x/y.png", None);
    }
}
