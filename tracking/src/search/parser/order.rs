//! Order clauses: `key`, `key ASC` or `key DESC`.

use super::super::{
    grouping::group,
    lexer::{Kind, tokens},
};
use crate::{Error, Result};

/// Bytes at most in an order clause; a key has 250 characters at most.
const CLAUSE_BYTES_MAX: usize = 5_000;

/// A key to sort by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ordering {
    /// `entity.key`, or a key alone.
    pub(crate) identifier: String,
    pub(crate) is_ascending: bool,
}

/// Reads an order clause. With a direction, quotes are taken off wherever they stand, as a shell would; without one
/// they stay.
pub(crate) fn parse_order(clause: &str) -> Result<Ordering> {
    let unreadable = || Error::invalid(format!("Invalid order_by clause '{clause}'. Could not be parsed."));
    if clause.len() > CLAUSE_BYTES_MAX {
        return Err(Error::invalid(format!("An order_by clause may have at most {CLAUSE_BYTES_MAX} bytes.")));
    }
    let pieces = group(clause, &tokens(clause));
    let text = match pieces.as_slice() {
        [only] if only.kind == Kind::Identifier => only.text.to_owned(),
        [first, .., last] if is_timestamp(first.kind, first.text) && last.kind == Kind::Order => {
            if pieces[1..pieces.len() - 1].iter().any(|piece| piece.kind != Kind::Space) {
                return Err(unreadable());
            }
            format!("timestamp {}", last.text)
        }
        [only] if is_timestamp(only.kind, only.text) => only.text.to_owned(),
        _ => return Err(unreadable()),
    };
    let words = words(&text).ok_or_else(unreadable)?;
    match words.as_slice() {
        [_] => Ok(Ordering { identifier: text.trim().to_owned(), is_ascending: true }),
        [identifier, direction] => {
            let is_ascending = direction.eq_ignore_ascii_case("ASC");
            if !is_ascending && !direction.eq_ignore_ascii_case("DESC") {
                return Err(Error::invalid(format!("Invalid ordering key in order_by clause '{clause}'.")));
            }
            Ok(Ordering { identifier: identifier.trim().to_owned(), is_ascending })
        }
        _ => Err(unreadable()),
    }
}

fn is_timestamp(kind: Kind, text: &str) -> bool {
    kind == Kind::Builtin && text == "timestamp"
}

/// Splits at white space outside of quotes; `None` when a quote stays open.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars().map(|letter| if letter == '`' { '"' } else { letter });
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, ' ' | '\t' | '\r' | '\n') => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().push(letters.next()?),
            (Some(open), _) if open == letter => quote = None,
            (Some('"'), '\\') => {
                let next = letters.next()?;
                if !matches!(next, '"' | '\\') {
                    word.get_or_insert_default().push('\\');
                }
                word.get_or_insert_default().push(next);
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_clauses() {
        let check = |clause: &str, identifier: &str, is_ascending: bool| {
            assert_eq!(
                parse_order(clause).unwrap(),
                Ordering { identifier: identifier.to_owned(), is_ascending },
                "{clause}"
            );
        };
        check("metrics.`a b` desc", "metrics.a b", false);
        check("metrics.`a b`", "metrics.`a b`", true);
        check("tags.\"a\" ASC", "tags.a", true);
        check("start_time", "start_time", true);
        check("timestamp  DESC", "timestamp", false);
        let error = |clause: &str| parse_order(clause).unwrap_err().to_string();
        assert_eq!(error("a down"), "Invalid ordering key in order_by clause 'a down'.");
        for clause in ["", "a ASC, b", "a DESC ", " a", "select", "timestamp x DESC"] {
            assert_eq!(error(clause), format!("Invalid order_by clause '{clause}'. Could not be parsed."));
        }
    }
}
