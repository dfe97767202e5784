//! Reads a filter as comparisons that all have to hold, and an order clause as a key with a direction.

mod order;

pub(crate) use order::parse_order;
use rest::python::repr;

use super::{
    grouping::{Piece, group},
    lexer::{Kind, Token, tokens},
};
use crate::{Error, Result};

/// Comparisons at most in a filter: databases limit the depth of a condition.
const COMPARISONS_MAX: usize = 100;

/// Tokens at most in a filter, white space among them; MLflow's parser gives up at as many.
const TOKENS_MAX: usize = 10_000;

/// Whose filter it is: the grammars differ in a few places, and in their complaints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// Runs.
    Runs,
    /// Experiments.
    Experiments,
    /// Logged models.
    Models,
    /// Traces, which have a `timestamp`.
    Traces,
    /// Numbers of traces, where a filter is one comparison with a sign.
    TraceMetrics,
}

/// `identifier comparator value`, as it stands in the filter.
#[derive(Debug, PartialEq)]
pub(crate) struct Comparison<'f> {
    /// `entity.key`, or a key alone.
    pub(crate) identifier: &'f str,
    pub(crate) comparator: Comparator,
    pub(crate) operand: Operand<'f>,
}

/// How two values are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Like,
    Ilike,
    Rlike,
    In,
    NotIn,
    IsNull,
    IsNotNull,
    /// One that exists nowhere, such as `==`, in upper case.
    Unknown(String),
}

/// What an identifier is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand<'f> {
    Integer(&'f str),
    Float(&'f str),
    /// A text with its single quotes.
    Text(&'f str),
    /// A name, or a text in double quotes.
    Name(&'f str),
    /// A list with its parentheses.
    List(&'f str),
    /// `NULL`, a sum, a call: no value that anything is compared with.
    Other(&'f str),
    /// `IS NULL` compares with nothing.
    Nothing,
}

impl Comparator {
    fn named(text: &str) -> Self {
        let text = text.to_uppercase();
        match text.as_str() {
            "=" => Self::Equal,
            "!=" => Self::NotEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            "LIKE" => Self::Like,
            "ILIKE" => Self::Ilike,
            "RLIKE" => Self::Rlike,
            "IN" => Self::In,
            _ => Self::Unknown(text),
        }
    }

    /// The comparator as SQL and MLflow write it.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Like => "LIKE",
            Self::Ilike => "ILIKE",
            Self::Rlike => "RLIKE",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::IsNull => "IS NULL",
            Self::IsNotNull => "IS NOT NULL",
            Self::Unknown(text) => text,
        }
    }
}

impl<'f> Operand<'f> {
    fn of(piece: &Piece<'f>) -> Self {
        match piece.kind {
            Kind::Integer => Self::Integer(piece.text),
            Kind::Float => Self::Float(piece.text),
            Kind::Text => Self::Text(piece.text),
            Kind::Identifier => Self::Name(piece.text),
            Kind::Parenthesis => Self::List(piece.text),
            _ => Self::Other(piece.text),
        }
    }

    /// The value as it stands in the filter.
    pub(crate) fn text(&self) -> &'f str {
        match self {
            Self::Integer(text)
            | Self::Float(text)
            | Self::Text(text)
            | Self::Name(text)
            | Self::List(text)
            | Self::Other(text) => text,
            Self::Nothing => "",
        }
    }
}

/// Reads a filter; an empty one has no comparisons.
///
/// As in MLflow an `AND` too many, or one too few, changes nothing: everything has to hold anyway.
pub(crate) fn parse(filter: &str, grammar: Grammar) -> Result<Vec<Comparison<'_>>> {
    if filter.is_empty() {
        return Ok(Vec::new());
    }
    let mut tokens = tokens(filter);
    if grammar == Grammar::Traces {
        // A type's name to others; MLflow wants `trace.text`.
        tokens
            .iter_mut()
            .filter(|it| it.kind == Kind::Builtin && it.text == "text")
            .for_each(|it| it.kind = Kind::Name);
    }
    check_statement(filter, &tokens, grammar)?;
    let pieces: Vec<Piece<'_>> = group(filter, &tokens).into_iter().filter(|piece| piece.kind != Kind::Space).collect();
    let clauses = if grammar == Grammar::TraceMetrics {
        pieces.into_iter().map(Clause::alone).collect()
    } else {
        clauses(pieces, grammar)
    };
    let strangers: Vec<&str> = clauses.iter().filter_map(Clause::stranger).collect();
    if !strangers.is_empty() {
        return Err(invalid_clauses(filter, &strangers, grammar));
    }
    let comparisons: Vec<_> = clauses.into_iter().filter_map(|clause| clause.comparison(grammar)).collect();
    if comparisons.len() > COMPARISONS_MAX {
        return Err(Error::invalid(format!("A filter may have at most {COMPARISONS_MAX} comparisons.")));
    }
    comparisons.into_iter().collect()
}

/// Splits `entity.key`; a key alone has no entity. Quotes around either are taken off.
pub(crate) fn split_identifier(identifier: &str) -> (Option<&str>, &str) {
    let within = |text, quote: char| -> Option<&str> { str::strip_prefix(text, quote)?.strip_suffix(quote) };
    let unquoted = |text| {
        let text = within(text, '\'').or_else(|| within(text, '"')).unwrap_or(text);
        within(text, '`').unwrap_or(text)
    };
    match identifier.split_once('.') {
        None => (None, unquoted(identifier)),
        Some((entity, key)) => (Some(within(entity, '`').unwrap_or(entity)), unquoted(key)),
    }
}

/// A filter is one statement of a reasonable length.
fn check_statement(filter: &str, tokens: &[Token<'_>], grammar: Grammar) -> Result<()> {
    let is_one_expected = |count: usize| match grammar {
        Grammar::Models => {
            Error::invalid(format!("Invalid filter string: {}. Expected a single SQL expression.", repr(filter)))
        }
        _ if count == 0 => Error::invalid(format!("Invalid filter '{filter}'. Could not be parsed.")),
        _ => Error::invalid(format!(
            "Search filter contained multiple expression {}. Provide AND-ed expression list.",
            repr(filter)
        )),
    };
    if tokens.iter().all(|token| token.kind == Kind::Space) {
        return Err(is_one_expected(0));
    }
    if tokens.len() > TOKENS_MAX {
        return Err(Error::invalid(format!("Error on parsing filter '{filter}'")));
    }
    let mut depth = 0_i64;
    for (place, token) in tokens.iter().enumerate() {
        match (token.kind, token.text) {
            (Kind::Punctuation, "(") => depth += 1,
            (Kind::Punctuation, ")") => depth -= 1,
            (Kind::Punctuation, ";")
                if depth <= 0 && tokens[place + 1..].iter().any(|token| token.kind != Kind::Space) =>
            {
                return Err(is_one_expected(2));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What stands between the `AND`s.
enum Clause<'f> {
    /// The two sides of a comparison and its comparator.
    Comparison(Piece<'f>, Comparator, Operand<'f>),
    And,
    Stranger(&'f str),
}

impl<'f> Clause<'f> {
    fn of(piece: Piece<'f>) -> Self {
        if piece.is_keyword("AND") {
            return Self::And;
        }
        match <[Piece<'f>; 3]>::try_from(piece.parts) {
            Ok([left, comparator, right]) => {
                Self::Comparison(left, Comparator::named(comparator.text), Operand::of(&right))
            }
            Err(_) => Self::Stranger(piece.text),
        }
    }

    /// The clause where one stands alone, so that an `AND` joins nothing.
    fn alone(piece: Piece<'f>) -> Self {
        if piece.is_keyword("AND") { Self::Stranger(piece.text) } else { Self::of(piece) }
    }

    fn stranger(&self) -> Option<&'f str> {
        if let Self::Stranger(text) = self { Some(text) } else { None }
    }

    fn comparison(self, grammar: Grammar) -> Option<Result<Comparison<'f>>> {
        let Self::Comparison(left, comparator, operand) = self else { return None };
        let can_be_searched =
            left.kind == Kind::Identifier || (left.kind == Kind::Builtin && grammar == Grammar::Traces);
        if !can_be_searched && grammar != Grammar::Models {
            let message = format!("Invalid comparison clause. Expected 'Identifier' found '{}'", left.text);
            return Some(Err(Error::invalid(message)));
        }
        Some(Ok(Comparison { identifier: left.text, comparator, operand }))
    }
}

/// Finds the comparisons that are written in words: `IN`, `NOT IN`, `IS NULL`, `IS NOT NULL`. Pieces are looked at three
/// or four at once, and those that are no such comparison are strangers together, even if one begins among them.
fn clauses(pieces: Vec<Piece<'_>>, grammar: Grammar) -> Vec<Clause<'_>> {
    let mut found = Vec::with_capacity(pieces.len());
    let mut pieces = pieces.into_iter();
    while let Some(first) = pieces.next() {
        let is_timestamp = first.kind == Kind::Builtin && first.text == "timestamp" && grammar == Grammar::Traces;
        let begins_one = first.kind == Kind::Identifier || is_timestamp;
        let (true, [second, third, ..]) = (begins_one, pieces.as_slice()) else {
            found.push(Clause::of(first));
            continue;
        };
        let (second, third) = (second.clone(), third.clone());
        pieces.nth(1);
        if is_timestamp {
            if second.kind == Kind::Comparator && third.kind == Kind::Integer {
                let comparator = Comparator::named(second.text);
                found.push(Clause::Comparison(first, comparator, Operand::of(&third)));
            } else {
                let again = first.clone();
                found.extend([first, second, third, again].map(Clause::of));
            }
            continue;
        }
        if second.is_keyword("IN") && third.kind == Kind::Parenthesis {
            found.push(Clause::Comparison(first, Comparator::In, Operand::List(third.text)));
            continue;
        }
        if second.is_keyword("IS") && (third.is_keyword("NULL") || third.is_keyword("NOT NULL")) {
            let comparator = if third.is_keyword("NULL") { Comparator::IsNull } else { Comparator::IsNotNull };
            found.push(Clause::Comparison(first, comparator, Operand::Nothing));
            continue;
        }
        let Some(fourth) = pieces.next() else {
            found.extend([first, second, third].map(Clause::of));
            break;
        };
        if second.is_keyword("NOT") && third.is_keyword("IN") && fourth.kind == Kind::Parenthesis {
            found.push(Clause::Comparison(first, Comparator::NotIn, Operand::List(fourth.text)));
        } else {
            found.extend([first, second, third, fourth].map(Clause::of));
        }
    }
    found
}

fn invalid_clauses(filter: &str, strangers: &[&str], grammar: Grammar) -> Error {
    Error::invalid(match grammar {
        Grammar::Models => format!(
            "Invalid filter string: {}. Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > 0.1 AND \
             params.lr = 0.01').",
            repr(filter)
        ),
        Grammar::Experiments | Grammar::TraceMetrics => {
            format!("Invalid clause(s) in filter string: {}", strangers.join(", "))
        }
        Grammar::Runs | Grammar::Traces => {
            let quoted: Vec<String> = strangers.iter().map(|text| format!("'{text}'")).collect();
            format!("Invalid clause(s) in filter string: {}", quoted.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn runs(filter: &str) -> Result<Vec<Comparison<'_>>> {
        parse(filter, Grammar::Runs)
    }

    #[test]
    fn comparisons_joined_by_and() {
        let found = runs("metrics.a > -1 and params.`b c` LIKE '%x' AND tags.t IS NOT NULL").unwrap();
        assert_eq!(
            found,
            [
                Comparison {
                    identifier: "metrics.a",
                    comparator: Comparator::Greater,
                    operand: Operand::Integer("-1")
                },
                Comparison { identifier: "params.`b c`", comparator: Comparator::Like, operand: Operand::Text("'%x'") },
                Comparison { identifier: "tags.t", comparator: Comparator::IsNotNull, operand: Operand::Nothing },
            ]
        );
        assert_eq!(runs("").unwrap(), []);
        assert_eq!(runs("metrics.i > 1 AND").unwrap().len(), 1);
        assert_eq!(runs("metrics.i > 1 metrics.j > 2").unwrap().len(), 2);
    }

    #[test]
    fn lists_keep_their_parentheses() {
        let found = runs("run_id NOT IN ('a', 'b')").unwrap();
        assert_eq!(found[0].comparator, Comparator::NotIn);
        assert_eq!(found[0].operand.text(), "('a', 'b')");
    }

    #[test]
    fn what_does_not_parse_is_named() {
        let check = |filter: &str, expect: &str| assert_eq!(runs(filter).unwrap_err().to_string(), expect, "{filter}");
        check("metrics.i >", "Invalid clause(s) in filter string: 'metrics.i', '>'");
        check("metrics.i > 1 or metrics.i < 0", "Invalid clause(s) in filter string: 'or'");
        check("(metrics.i > 1)", "Invalid clause(s) in filter string: '(metrics.i > 1)'");
        check("a IS NOT  NULL", "Invalid clause(s) in filter string: 'a', 'IS', 'NOT  NULL'");
        check(&["a = 1"; 101].join(" AND "), "A filter may have at most 100 comparisons.");
        check("metrics.a-b > 1", "Invalid comparison clause. Expected 'Identifier' found 'metrics.a-b'");
        check("'a' = 'b'", "Invalid comparison clause. Expected 'Identifier' found ''a''");
        check(
            "a = 1; b = 2",
            "Search filter contained multiple expression 'a = 1; b = 2'. Provide AND-ed expression list.",
        );
        check("a = 1;", "Invalid clause(s) in filter string: ';'");
        check(" \n", "Invalid filter ' \n'. Could not be parsed.");
        let long = "x ".repeat(TOKENS_MAX);
        check(&long, &format!("Error on parsing filter '{long}'"));
    }

    proptest! {
        #[test]
        fn no_filter_makes_it_panic(filter in r#"([a-z.'"`()=<>!,; %é\\0-9-]|AND|IN|NOT|LIKE|IS|NULL|metrics\.|'x'){0,24}"#) {
            for grammar in [Grammar::Runs, Grammar::Experiments, Grammar::Models, Grammar::Traces, Grammar::TraceMetrics] {
                let _ = parse(&filter, grammar);
            }
            let _ = parse_order(&filter);
        }

        #[test]
        fn no_text_makes_it_panic(filter in any::<String>()) {
            let _ = parse(&filter, Grammar::Traces);
            let _ = parse_order(&filter);
        }
    }
}
