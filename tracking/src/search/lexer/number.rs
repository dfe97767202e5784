//! Numbers: `-1`, `2.5`, `.5`, `1e-3`, `0x1F`.

use super::{Kind, is_first_of_name, length_while};

/// The number that `rest` starts with. One that runs into a name gives its last digit to the name.
pub(super) fn number(rest: &str) -> Option<(Kind, usize)> {
    let sign = usize::from(rest.starts_with('-'));
    let digits = |from: usize| from + length_while(&rest[from..], |c| c.is_ascii_digit());
    if !rest[sign..].starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Some(hexadecimal) = rest[sign..].strip_prefix("0x").or_else(|| rest[sign..].strip_prefix("0X")) {
        let length = length_while(hexadecimal, |c| c.is_ascii_hexdigit());
        if length > 0 {
            return Some((Kind::Hexadecimal, sign + 2 + length));
        }
    }
    let whole = digits(sign);
    let has_whole = whole > sign;
    let has_point = rest[whole..].starts_with('.');
    let fraction = if has_point { digits(whole + 1) } else { whole };
    if has_whole && (!has_point || fraction > whole + 1) && rest[fraction..].starts_with(['e', 'E']) {
        let exponent = fraction + 1 + usize::from(rest[fraction + 1..].starts_with('-'));
        if digits(exponent) > exponent {
            return Some((Kind::Float, digits(exponent)));
        }
    }
    if has_point {
        let least = if has_whole { whole + 1 } else { whole + 2 };
        if let Some(end) = free_end(rest, least, fraction) {
            return Some((Kind::Float, end));
        }
    }
    if has_whole {
        return free_end(rest, sign + 1, whole).map(|end| (Kind::Integer, end));
    }
    None
}

/// The last place from `most` back to `least` behind which no name begins.
fn free_end(rest: &str, least: usize, most: usize) -> Option<usize> {
    let is_free = |end: usize| !rest[end..].starts_with(|c: char| is_first_of_name(c) || c == '_');
    // Behind an earlier place stands a digit, so that the place before the last is free if the last is not.
    [Some(most), most.checked_sub(1)].into_iter().flatten().find(|end| *end >= least && is_free(*end))
}
