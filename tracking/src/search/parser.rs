//! Reads tokens as comparisons joined by `AND`, and order clauses as a key with a direction.

use super::lexer::{Kind, Token, tokens};
use crate::{Error, Result, validate::python_text};

/// Comparisons at most in a filter: databases limit the depth of a condition.
const COMPARISONS_MAX: usize = 100;

/// Pieces at most that a complaint names: finding each costs a look at all that follows it.
const STRANGERS_MAX: usize = 20;

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
    In,
    NotIn,
    IsNull,
    IsNotNull,
    /// One that exists elsewhere, such as `RLIKE`, or nowhere, such as `==`.
    Unknown(String),
}

/// What an identifier is compared with.
#[derive(Debug, PartialEq)]
pub(crate) enum Operand<'f> {
    Integer(&'f str),
    Float(&'f str),
    /// A text with its quotes.
    Text(&'f str),
    /// A name, or a text in double quotes.
    Word(&'f str),
    /// A list with its parentheses, and what stands in it.
    List(&'f str, Vec<Token<'f>>),
    /// `IS NULL` compares with nothing.
    Nothing,
}

/// A key to sort by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ordering<'f> {
    /// `entity.key`, or a key alone.
    pub(crate) identifier: &'f str,
    pub(crate) is_ascending: bool,
}

impl Comparator {
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
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::IsNull => "IS NULL",
            Self::IsNotNull => "IS NOT NULL",
            Self::Unknown(text) => text,
        }
    }
}

impl<'f> Operand<'f> {
    /// The value as it stands in the filter.
    pub(crate) fn text(&self) -> &'f str {
        match self {
            Self::Integer(text) | Self::Float(text) | Self::Text(text) | Self::Word(text) | Self::List(text, _) => text,
            Self::Nothing => "",
        }
    }
}

/// Reads a filter; an empty one has no comparisons.
pub(crate) fn parse(filter: &str) -> Result<Vec<Comparison<'_>>> {
    let tokens = tokens(filter);
    if let Some(end) = tokens.iter().position(|token| token.kind == Kind::Semicolon)
        && end + 1 < tokens.len()
    {
        return Err(Error::invalid(format!(
            "Search filter contained multiple expression {}. Provide AND-ed expression list.",
            python_text(filter)
        )));
    }
    let mut comparisons = Vec::new();
    let mut place = 0;
    while place < tokens.len() {
        if !comparisons.is_empty() {
            if !tokens[place].is("AND") {
                return Err(invalid_clauses(filter, &tokens));
            }
            place += 1;
        }
        let (comparison, length) =
            comparison(filter, &tokens[place..]).ok_or_else(|| invalid_clauses(filter, &tokens))?;
        comparisons.push(comparison?);
        if comparisons.len() > COMPARISONS_MAX {
            return Err(Error::invalid(format!("A filter may have at most {COMPARISONS_MAX} comparisons.")));
        }
        place += length;
    }
    Ok(comparisons)
}

/// Reads an order clause: `identifier`, `identifier ASC` or `identifier DESC`.
pub(crate) fn parse_order(clause: &str) -> Result<Ordering<'_>> {
    let unreadable = || Error::invalid(format!("Invalid order_by clause '{clause}'. Could not be parsed."));
    match tokens(clause).as_slice() {
        [name] if name.kind == Kind::Word => Ok(Ordering { identifier: name.text, is_ascending: true }),
        [name, direction] if name.kind == Kind::Word && direction.kind == Kind::Word => {
            let is_ascending = direction.is("ASC");
            if !is_ascending && !direction.is("DESC") {
                return Err(Error::invalid(format!("Invalid ordering key in order_by clause '{clause}'.")));
            }
            Ok(Ordering { identifier: name.text, is_ascending })
        }
        _ => Err(unreadable()),
    }
}

/// Splits `entity.key`; a key alone has no entity. Quotes around either are taken off.
pub(crate) fn split_identifier(identifier: &str) -> (Option<&str>, &str) {
    let unquoted = |text| {
        ["'", "\"", "`"].iter().fold(text, |text: &str, quote| {
            text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)).unwrap_or(text)
        })
    };
    match identifier.split_once('.') {
        None => (None, unquoted(identifier)),
        Some((entity, key)) => {
            (Some(entity.strip_prefix('`').and_then(|it| it.strip_suffix('`')).unwrap_or(entity)), unquoted(key))
        }
    }
}

/// The comparison that `tokens` start with and the number of its tokens; `None` when they start with none.
fn comparison<'f>(filter: &'f str, tokens: &[Token<'f>]) -> Option<(Result<Comparison<'f>>, usize)> {
    let [name, rest @ ..] = tokens else { return None };
    if !matches!(name.kind, Kind::Word | Kind::BrokenWord | Kind::Text | Kind::Integer | Kind::Float) {
        return None;
    }
    let (comparator, used) = comparator(rest)?;
    let rest = &rest[used..];
    let (operand, length) = match comparator {
        Comparator::IsNull | Comparator::IsNotNull => (Operand::Nothing, 0),
        Comparator::In | Comparator::NotIn => list(filter, rest)?,
        _ => operand(filter, rest)?,
    };
    let comparison = if name.kind == Kind::Word {
        Ok(Comparison { identifier: name.text, comparator, operand })
    } else {
        let hint = if name.kind == Kind::BrokenWord {
            "; put a key with other characters than letters, digits, '_' and '.' in back-ticks or double quotes"
        } else {
            ""
        };
        Err(Error::invalid(format!("Invalid comparison clause. Expected 'Identifier' found '{}'{hint}", name.text)))
    };
    Some((comparison, 1 + used + length))
}

/// The comparator that `tokens` start with and the number of its tokens.
fn comparator(tokens: &[Token<'_>]) -> Option<(Comparator, usize)> {
    let is = |place: usize, keyword: &str| tokens.get(place).is_some_and(|token| token.is(keyword));
    let first = tokens.first()?;
    if first.kind == Kind::Comparator {
        let comparator = match first.text {
            "=" => Comparator::Equal,
            "!=" => Comparator::NotEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            other => Comparator::Unknown(other.to_owned()),
        };
        return Some((comparator, 1));
    }
    if is(0, "LIKE") {
        Some((Comparator::Like, 1))
    } else if is(0, "ILIKE") {
        Some((Comparator::Ilike, 1))
    } else if is(0, "RLIKE") {
        Some((Comparator::Unknown("RLIKE".to_owned()), 1))
    } else if is(0, "IN") {
        Some((Comparator::In, 1))
    } else if is(0, "NOT") && is(1, "IN") {
        Some((Comparator::NotIn, 2))
    } else if is(0, "NOT") && (is(1, "LIKE") || is(1, "ILIKE") || is(1, "RLIKE")) {
        Some((Comparator::Unknown(format!("NOT {}", tokens[1].text.to_ascii_uppercase())), 2))
    } else if is(0, "IS") && is(1, "NULL") {
        Some((Comparator::IsNull, 2))
    } else if is(0, "IS") && is(1, "NOT") && is(2, "NULL") {
        Some((Comparator::IsNotNull, 3))
    } else {
        None
    }
}

fn operand<'f>(filter: &'f str, tokens: &[Token<'f>]) -> Option<(Operand<'f>, usize)> {
    let first = tokens.first()?;
    match first.kind {
        Kind::Integer => Some((Operand::Integer(first.text), 1)),
        Kind::Float => Some((Operand::Float(first.text), 1)),
        Kind::Text => Some((Operand::Text(first.text), 1)),
        Kind::Word if !first.is("AND") => Some((Operand::Word(first.text), 1)),
        Kind::Open => list(filter, tokens),
        _ => None,
    }
}

fn list<'f>(filter: &'f str, tokens: &[Token<'f>]) -> Option<(Operand<'f>, usize)> {
    let first = tokens.first().filter(|token| token.kind == Kind::Open)?;
    let close = closing(tokens)?;
    let text = &filter[first.start..tokens[close].end()];
    Some((Operand::List(text, tokens[1..close].to_vec()), close + 1))
}

/// The place of the parenthesis that closes the one that `tokens` start with.
fn closing(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(place);
                }
            }
            _ => {}
        }
    }
    None
}

/// Names the pieces of the filter that belong to no comparison.
fn invalid_clauses(filter: &str, tokens: &[Token<'_>]) -> Error {
    let mut strangers = Vec::new();
    let mut place = 0;
    // A joining AND is no stranger; one without something to join is.
    let mut joins = false;
    while place < tokens.len() && strangers.len() < STRANGERS_MAX {
        let rest = &tokens[place..];
        if let Some((_, length)) = comparison(filter, rest) {
            joins = true;
            place += length;
        } else if rest[0].is("AND") && joins && rest.len() > 1 {
            joins = false;
            place += 1;
        } else {
            let length = closing(rest).filter(|_| rest[0].kind == Kind::Open).map_or(1, |close| close + 1);
            strangers.push(format!("'{}'", &filter[rest[0].start..rest[length - 1].end()]));
            place += length;
        }
    }
    if strangers.is_empty() {
        return Error::invalid(format!(
            "Invalid filter '{filter}': put AND between its comparisons, e.g. metrics.loss < 1 AND params.model = 'x'"
        ));
    }
    Error::invalid(format!("Invalid clause(s) in filter string: {}", strangers.join(", ")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comparisons_joined_by_and() {
        let found = parse("metrics.a > -1 and params.`b c` LIKE '%x' AND tags.t IS NOT NULL").unwrap();
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
        assert_eq!(parse("  ").unwrap(), []);
    }

    #[test]
    fn lists_keep_their_parentheses() {
        let found = parse("run_id NOT IN ('a', 'b')").unwrap();
        assert_eq!(found[0].comparator, Comparator::NotIn);
        assert_eq!(found[0].operand.text(), "('a', 'b')");
    }

    #[test]
    fn what_does_not_parse_is_named() {
        let check = |filter: &str, expect: &str| assert_eq!(parse(filter).unwrap_err().to_string(), expect, "{filter}");
        check("metrics.i >", "Invalid clause(s) in filter string: 'metrics.i', '>'");
        check("metrics.i > 1 or metrics.i < 0", "Invalid clause(s) in filter string: 'or'");
        check("(metrics.i > 1)", "Invalid clause(s) in filter string: '(metrics.i > 1)'");
        check("metrics.i > 1 AND", "Invalid clause(s) in filter string: 'AND'");
        check(&["a = 1"; 101].join(" AND "), "A filter may have at most 100 comparisons.");
        check(
            "metrics.i > 1 metrics.j > 2",
            "Invalid filter 'metrics.i > 1 metrics.j > 2': put AND between its \
             comparisons, e.g. metrics.loss < 1 AND params.model = 'x'",
        );
        check(
            "metrics.a-b > 1",
            "Invalid comparison clause. Expected 'Identifier' found 'metrics.a-b'; put a key with \
             other characters than letters, digits, '_' and '.' in back-ticks or double quotes",
        );
        check("'a' = 'b'", "Invalid comparison clause. Expected 'Identifier' found ''a''");
        check(
            "a = 1; b = 2",
            "Search filter contained multiple expression 'a = 1; b = 2'. Provide AND-ed expression \
             list.",
        );
    }

    #[test]
    fn order_clauses() {
        let check = |clause: &str, identifier: &str, is_ascending: bool| {
            assert_eq!(parse_order(clause).unwrap(), Ordering { identifier, is_ascending });
        };
        check("metrics.`a b` desc", "metrics.`a b`", false);
        check("start_time", "start_time", true);
        let error = |clause: &str| parse_order(clause).unwrap_err().to_string();
        assert_eq!(error("a down"), "Invalid ordering key in order_by clause 'a down'.");
        assert_eq!(error(""), "Invalid order_by clause ''. Could not be parsed.");
        assert_eq!(error("a ASC, b"), "Invalid order_by clause 'a ASC, b'. Could not be parsed.");
    }

    proptest! {
        #[test]
        fn no_filter_makes_it_panic(filter in r#"([a-z.'"`()=<>!,; %é\\0-9-]|AND|IN|NOT|LIKE|IS|NULL|metrics\.|'x'){0,24}"#) {
            let _ = parse(&filter);
            let _ = parse_order(&filter);
        }

        #[test]
        fn no_text_makes_it_panic(filter in any::<String>()) {
            let _ = parse(&filter);
            let _ = parse_order(&filter);
        }
    }
}
