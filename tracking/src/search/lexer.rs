//! Cuts a filter into tokens. It never fails: what it does not know becomes a token that no rule accepts.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or keyword: `metrics.loss`, ``params.`my key` ``, `"run name"`, `AND`.
    Word,
    /// A name with punctuation in it that only quotes would make a name: `metrics.a-b`.
    BrokenWord,
    /// A text in single quotes.
    Text,
    /// A whole number.
    Integer,
    /// A number with a fraction or an exponent.
    Float,
    /// `=`, `!=`, `<`…
    Comparator,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// Anything else.
    Other,
}

/// A piece of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'f> {
    pub(crate) kind: Kind,
    pub(crate) text: &'f str,
    /// Where the piece starts in the filter.
    pub(crate) start: usize,
}

impl Token<'_> {
    /// Whether this is the keyword, in any case.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Where the piece ends in the filter.
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Cuts a filter into tokens, without the white space between them.
pub(crate) fn tokens(filter: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(first) = filter[start..].chars().next() {
        if first.is_whitespace() {
            start += first.len_utf8();
            continue;
        }
        let rest = &filter[start..];
        let (kind, length) = token(rest, first);
        found.push(Token { kind, text: &rest[..length], start });
        start += length;
    }
    found
}

/// The kind and the length in bytes of the token that `rest` starts with.
fn token(rest: &str, first: char) -> (Kind, usize) {
    match first {
        '\'' => quoted(rest, '\'').map_or((Kind::Other, rest.len()), |length| (Kind::Text, length)),
        '(' => (Kind::Open, 1),
        ')' => (Kind::Close, 1),
        ',' => (Kind::Comma, 1),
        ';' => (Kind::Semicolon, 1),
        '<' | '>' | '=' | '!' | '~' => {
            (Kind::Comparator, length_while(rest, |c| matches!(c, '<' | '>' | '=' | '!' | '~')))
        }
        '-' | '.' | '0'..='9' => number(rest).unwrap_or((Kind::Other, first.len_utf8())),
        _ if is_word(first) || matches!(first, '`' | '"') => word(rest),
        _ => (Kind::Other, first.len_utf8()),
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '$' | '@' | '#')
}

/// Dotted parts, each bare or in quotes.
fn word(rest: &str) -> (Kind, usize) {
    let mut kind = Kind::Word;
    let mut length = 0;
    loop {
        if let Some(quote @ ('`' | '"')) = rest[length..].chars().next() {
            // An open quote runs to the end.
            let Some(part) = quoted(&rest[length..], quote) else { return (Kind::Other, rest.len()) };
            length += part;
        } else {
            length += length_while(&rest[length..], is_word);
            let is_key = rest[..length].contains('.');
            // Punctuation belongs to a key when the key goes on behind it.
            while is_key
                && let Some(mark @ ('-' | '/' | ':')) = rest[length..].chars().next()
                && rest[length + mark.len_utf8()..].starts_with(is_word)
            {
                kind = Kind::BrokenWord;
                length += mark.len_utf8();
                length += length_while(&rest[length..], is_word);
            }
        }
        if !rest[length..].starts_with('.') {
            return (kind, length);
        }
        length += 1;
    }
}

/// The length of a text in quotes; a doubled or escaped quote does not end it, unless nothing else does.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut letters = rest.char_indices().skip(1).peekable();
    let mut fallback = None;
    while let Some((place, letter)) = letters.next() {
        if letter == '\\' && letters.peek().is_some_and(|(_, next)| *next == quote) {
            let (place, _) = letters.next().expect("it was just seen");
            fallback = Some(place + quote.len_utf8());
        } else if letter == quote {
            if letters.peek().is_some_and(|(_, next)| *next == quote) {
                letters.next();
            } else {
                return Some(place + quote.len_utf8());
            }
        }
    }
    fallback
}

/// `-1`, `2.5`, `.5`, `1e-3`; a number that runs into a word is none.
fn number(rest: &str) -> Option<(Kind, usize)> {
    let digits = |from: usize| from + length_while(&rest[from..], |c| c.is_ascii_digit());
    let start = usize::from(rest.starts_with('-'));
    let whole = digits(start);
    let mut end = whole;
    let mut has_digits = whole > start;
    let mut kind = Kind::Integer;
    if rest[end..].starts_with('.') {
        let fraction = digits(end + 1);
        has_digits |= fraction > end + 1;
        end = fraction;
        kind = Kind::Float;
    }
    if !has_digits {
        return None;
    }
    if rest[end..].starts_with(['e', 'E']) {
        let sign = end + 1 + usize::from(rest[end + 1..].starts_with(['-', '+']));
        let exponent = digits(sign);
        if exponent > sign {
            end = exponent;
            kind = Kind::Float;
        }
    }
    if rest[end..].starts_with(is_word) { None } else { Some((kind, end)) }
}

fn length_while(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !belongs(letter)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_cut_into_tokens() {
        use Kind::{BrokenWord, Close, Comma, Comparator, Float, Integer, Open, Other, Text, Word};
        let check = |filter: &str, expect: &[(Kind, &str)]| {
            let found: Vec<_> = tokens(filter).iter().map(|token| (token.kind, token.text)).collect();
            assert_eq!(found, expect, "{filter}");
        };
        check("metrics.a.b >= -1.5e3", &[(Word, "metrics.a.b"), (Comparator, ">="), (Float, "-1.5e3")]);
        check("params.`my key`='it''s'", &[(Word, "params.`my key`"), (Comparator, "="), (Text, "'it''s'")]);
        check("\"run name\" LIKE '%x'", &[(Word, "\"run name\""), (Word, "LIKE"), (Text, "'%x'")]);
        check(
            "a IN ('x',1)",
            &[(Word, "a"), (Word, "IN"), (Open, "("), (Text, "'x'"), (Comma, ","), (Integer, "1"), (Close, ")")],
        );
        check("metrics.a-b > 1", &[(BrokenWord, "metrics.a-b"), (Comparator, ">"), (Integer, "1")]);
        check(r"tags.p = 'C:\'", &[(Word, "tags.p"), (Comparator, "="), (Text, r"'C:\'")]);
        check("x = 'open", &[(Word, "x"), (Comparator, "="), (Other, "'open")]);
        check("12ab", &[(Other, "1"), (Other, "2"), (Word, "ab")]);
        check("% é", &[(Other, "%"), (Word, "é")]);
    }
}
