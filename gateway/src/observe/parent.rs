//! The span in which a call was made, as the W3C's header `traceparent` names it.

use axum::http::HeaderMap;

/// The span of a caller's own trace that a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace's id, never zero.
    pub trace_id: [u8; 16],
    /// The span's id, never zero.
    pub span_id: [u8; 8],
    /// Whether the caller records its trace.
    pub is_sampled: bool,
}

impl TraceParent {
    /// The header's word; `None` where there is none, or none that the W3C's rules take.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get("traceparent")?.to_str().ok()?)
    }

    /// `00-<32 hexadecimal digits>-<16 of them>-<2 of them>`; versions to come may say more behind it.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let [version] = bytes::<1>(version)?;
        let [flags] = bytes::<1>(flags)?;
        let (trace_id, span_id) = (bytes::<16>(trace_id)?, bytes::<8>(span_id)?);
        let is_valid = version != 0xff
            && (version != 0 || parts.next().is_none())
            && trace_id.iter().any(|it| *it != 0)
            && span_id.iter().any(|it| *it != 0);
        is_valid.then_some(Self { trace_id, span_id, is_sampled: flags & 1 == 1 })
    }
}

/// So many bytes of lower-case hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_rules_take_is_a_parent() {
        let check = |text: &str, expected: Option<bool>| {
            let parent = TraceParent::parse(text);
            assert_eq!(parent.map(|it| it.is_sampled), expected, "{text}");
            if let Some(it) = parent {
                assert_eq!((it.trace_id[0], it.trace_id[15], it.span_id), (0x0a, 0x9c, [0, 0, 0, 0, 0, 0, 0, 0xb7]));
            }
        };
        let ids = "0af7651916cd43dd8448eb211c80319c-00000000000000b7";
        check(&format!("00-{ids}-01"), Some(true));
        check(&format!("00-{ids}-00"), Some(false));
        check(&format!("cc-{ids}-03-more"), Some(true));
        check(&format!("00-{ids}-01-more"), None);
        check(&format!("ff-{ids}-01"), None);
        check(&format!("00-{}-01", ids.to_uppercase()), None);
        check(&format!("00-{}-01", ids.replace("b7", "00")), None);
        check("00-00000000000000000000000000000000-00000000000000b7-01", None);
        check("", None);
    }
}
