//! The `Range` header: which bytes of a file a client asks for.

use std::ops::Range;

/// What a `Range` header selects of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// The header is no range of bytes, or several: the whole file is a right answer to it.
    Whole,
    /// One range, cut to the file's end.
    Part(Range<u64>),
    /// A range that starts behind the file's end.
    Nothing,
}

/// Reads a `Range` header for a file of `size` bytes.
pub(super) fn select(header: &str, size: u64) -> Selection {
    let Some((first, last)) = header.trim().strip_prefix("bytes=").and_then(|it| it.split_once('-')) else {
        return Selection::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let part = match (first, last) {
        ("", last) => number(last).map(|count| size.saturating_sub(count)..size),
        (first, "") => number(first).map(|first| first..size),
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..last.saturating_add(1).min(size)),
            _ => None,
        },
    };
    match part {
        None => Selection::Whole,
        Some(part) if part.start >= part.end => Selection::Nothing,
        Some(part) => Selection::Part(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ten_bytes() {
        let check = |header, expect| assert_eq!(select(header, 10), expect, "{header}");
        check("bytes=0-3", Selection::Part(0..4));
        check("bytes=1-", Selection::Part(1..10));
        check("bytes=-4", Selection::Part(6..10));
        check("bytes=-40", Selection::Part(0..10));
        check("bytes=5-400", Selection::Part(5..10));
        check("bytes=0-18446744073709551615", Selection::Part(0..10));
        check("bytes=10-", Selection::Nothing);
        check("bytes=-0", Selection::Nothing);
        check("bytes=400-500", Selection::Nothing);
        check("bytes=3-1", Selection::Whole);
        check("bytes=a-b", Selection::Whole);
        check("bytes=0-1,3-4", Selection::Whole);
        check("lines=0-1", Selection::Whole);
        check("bytes=99999999999999999999-", Selection::Whole);
    }
}
