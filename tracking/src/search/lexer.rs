//! Cuts a filter into tokens as the SQL tokenizer behind MLflow does. It never fails: what it does not know becomes a
//! token that no rule accepts.

mod number;
mod words;

/// What a piece of a filter is: a token, or several that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// White space.
    Space,
    /// A name, bare or in back-ticks.
    Name,
    /// A name of a type, such as `timestamp`; it names nothing else.
    Builtin,
    /// `?` or `:name`.
    Placeholder,
    /// A name, or a text, in double quotes.
    Symbol,
    /// A text in single quotes.
    Text,
    /// A whole number.
    Integer,
    /// A number with a fraction or an exponent.
    Float,
    /// `0x1F`
    Hexadecimal,
    /// `AND`, `IN`, `NULL`…
    Keyword,
    /// `ASC` or `DESC`.
    Order,
    /// `=`, `!=`, `LIKE`…
    Comparator,
    /// `+`, `-`, `%`…
    Operator,
    /// `*`
    Wildcard,
    /// `(`, `)`, `.`, `,`, `;`, `:`, `::`…
    Punctuation,
    /// A comment, or anything else.
    Other,
    /// Tokens that name something together: `metrics.loss`, `loss DESC`.
    Identifier,
    /// `(…)`
    Parenthesis,
    /// `name(…)`
    Function,
    /// `date '2026-01-01'`
    TypedLiteral,
    /// `a + b`
    Operation,
    /// `a = b`
    Comparison,
    /// `a, b`
    List,
}

/// A token of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'f> {
    pub(crate) kind: Kind,
    pub(crate) text: &'f str,
    /// Where the token starts in the filter.
    pub(crate) start: usize,
}

/// Cuts a filter into tokens; put together again they are the filter.
pub(crate) fn tokens(filter: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(first) = filter[start..].chars().next() {
        let before = filter[..start].chars().next_back();
        let (kind, length) = token(&filter[start..], first, before);
        found.push(Token { kind, text: &filter[start..start + length], start });
        start += length;
    }
    found
}

/// Whether a letter can belong to a word.
fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Whether a name can begin with this letter, wherever it stands.
fn is_first_of_name(letter: char) -> bool {
    letter.is_ascii_alphabetic() || matches!(letter, 'À'..='Ü' | 'à'..='ü')
}

fn is_space(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\x1c'..='\x1f')
}

/// The kind and the length in bytes of the token that `rest` starts with. The order of the rules matters.
fn token(rest: &str, first: char, before: Option<char>) -> (Kind, usize) {
    let one = first.len_utf8();
    if is_space(first) {
        return (Kind::Space, one);
    }
    if rest.starts_with("--") || rest.starts_with("# ") {
        return (Kind::Other, rest.find(['\n', '\r']).unwrap_or(rest.len()));
    }
    if rest.starts_with(":=") {
        return (Kind::Other, 2);
    }
    if rest.starts_with("::") {
        return (Kind::Punctuation, 2);
    }
    let quoted_name = match first {
        '`' | '´' => repeated_quotes(rest, first),
        '[' if !before.is_some_and(|it| is_word(it) || it == ']' || it == ')') => bracketed(rest),
        _ => None,
    };
    if let Some(length) = quoted_name {
        return (Kind::Name, length);
    }
    if let Some(length) = placeholder(rest, first, before) {
        return (Kind::Placeholder, length);
    }
    if let Some(found) = number::number(rest) {
        return found;
    }
    match first {
        '*' => (Kind::Wildcard, 1),
        '\\' if rest[1..].starts_with(is_word) => (Kind::Other, 1 + length_while(&rest[1..], is_word)),
        '@' | '#' if hash_name(rest) > 2 => (Kind::Name, hash_name(rest)),
        '\'' => quoted(rest, '\'').map_or((Kind::Other, 1), |length| (Kind::Text, length)),
        '"' => quoted(rest, '"').map_or((Kind::Other, 1), |length| (Kind::Symbol, length)),
        _ if is_word(first) => words::word(rest, first, before),
        ';' | ':' | '(' | ')' | '[' | ']' | ',' | '.' => (Kind::Punctuation, 1),
        '<' | '>' | '=' | '~' | '!' => {
            (Kind::Comparator, length_while(rest, |c| matches!(c, '<' | '>' | '=' | '~' | '!')))
        }
        '-' => (Kind::Operator, if rest.starts_with("->>") { 3 } else { 1 + usize::from(rest.starts_with("->")) }),
        '+' | '/' | '@' | '#' | '%' | '^' | '&' | '|' => {
            (Kind::Operator, length_while(rest, |c| matches!(c, '+' | '/' | '@' | '#' | '%' | '^' | '&' | '|' | '-')))
        }
        _ => (Kind::Other, one),
    }
}

/// The length of a name in quotes; a doubled quote does not end it.
fn repeated_quotes(rest: &str, quote: char) -> Option<usize> {
    let mut letters = rest.char_indices().skip(1).peekable();
    let mut doubled = None;
    while let Some((place, letter)) = letters.next() {
        if letter == quote {
            let end = place + quote.len_utf8();
            if letters.next_if(|(_, next)| *next == quote).is_none() {
                return Some(end);
            }
            doubled = Some(end);
        }
    }
    doubled
}

/// `[name]`
fn bracketed(rest: &str) -> Option<usize> {
    let inside = length_while(&rest[1..], |c| c != '[' && c != ']');
    (inside > 0 && rest[1 + inside..].starts_with(']')).then_some(inside + 2)
}

fn placeholder(rest: &str, first: char, before: Option<char>) -> Option<usize> {
    match first {
        '%' if rest[1..].starts_with(['s', 'S']) => Some(2),
        '$' | ':' if !before.is_some_and(is_word) => {
            let word = length_while(&rest[1..], is_word);
            (word > 0).then_some(word + 1)
        }
        '?' => Some(1),
        _ => None,
    }
}

/// The length of `@name`, `#name` or `##name`.
fn hash_name(rest: &str) -> usize {
    let marks = if rest.starts_with("##") { 2 } else { 1 };
    let name = &rest[marks..];
    if name.starts_with(is_first_of_name) { marks + length_while(name, is_word) } else { 0 }
}

/// The length of a text in quotes; a doubled or escaped quote does not end it, unless nothing else does.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut letters = rest.char_indices().skip(1).peekable();
    let mut fallback = None;
    while let Some((place, letter)) = letters.next() {
        if letter == '\\' {
            if let Some((place, _)) = letters.next_if(|(_, next)| *next == quote) {
                fallback = Some(place + 1);
            }
        } else if letter == quote {
            if letters.next_if(|(_, next)| *next == quote).is_none() {
                return Some(place + 1);
            }
            fallback = Some(place + 1);
        }
    }
    fallback
}

fn length_while(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !belongs(letter)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn filters_are_cut_into_tokens() {
        use Kind::{
            Builtin, Comparator, Float, Hexadecimal, Integer, Keyword, Name, Operator, Order, Other, Punctuation,
            Symbol, Text,
        };
        let check = |filter: &str, expect: &[(Kind, &str)]| {
            let found: Vec<_> =
                tokens(filter).iter().filter(|it| it.kind != Kind::Space).map(|it| (it.kind, it.text)).collect();
            assert_eq!(found, expect, "{filter}");
        };
        check(
            "metrics.a >= -1.5e3",
            &[(Name, "metrics"), (Punctuation, "."), (Name, "a"), (Comparator, ">="), (Float, "-1.5e3")],
        );
        check("`my key`='it''s'", &[(Name, "`my key`"), (Comparator, "="), (Text, "'it''s'")]);
        check("\"run name\" not  like '%x'", &[(Symbol, "\"run name\""), (Comparator, "not  like"), (Text, "'%x'")]);
        check("a-b", &[(Name, "a"), (Operator, "-"), (Name, "b")]);
        check("a-1", &[(Name, "a"), (Integer, "-1")]);
        check(r"p = 'C:\'", &[(Name, "p"), (Comparator, "="), (Text, r"'C:\'")]);
        check("'unclosed x", &[(Other, "'"), (Name, "unclosed"), (Name, "x")]);
        check("'a''", &[(Text, "'a'"), (Other, "'")]);
        check(
            "12ab 1.5x 1. .5 1E+5 0x1F",
            &[
                (Integer, "1"),
                (Name, "2ab"),
                (Float, "1."),
                (Name, "5x"),
                (Float, "1."),
                (Float, ".5"),
                (Name, "1E"),
                (Operator, "+"),
                (Integer, "5"),
                (Hexadecimal, "0x1F"),
            ],
        );
        check(
            "in select.and in(and(",
            &[
                (Keyword, "in"),
                (Name, "select"),
                (Punctuation, "."),
                (Name, "and"),
                (Keyword, "in"),
                (Punctuation, "("),
                (Name, "and"),
                (Punctuation, "("),
            ],
        );
        check(
            "timestamp desc NOT NULL -- x",
            &[(Builtin, "timestamp"), (Order, "desc"), (Keyword, "NOT NULL"), (Other, "-- x")],
        );
    }

    proptest! {
        #[test]
        fn tokens_put_together_are_the_filter(filter in any::<String>()) {
            let together: String = tokens(&filter).iter().map(|token| token.text).collect();
            prop_assert_eq!(together, filter);
        }
    }
}
