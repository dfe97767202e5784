//! Typed tests on values, and how they become SQL.

mod integer;

pub(super) use integer::IntegerTest;

use db::{Dialect, Value};
use rest::python::repr_set;

use super::parser::{Comparator, Operand};
use crate::{Error, Result};

/// The comparators that numbers have.
pub(super) const NUMBER_COMPARATORS: &[&str] = &[">", ">=", "!=", "=", "<", "<="];
/// The comparators that texts have which everything of a kind has.
pub(super) const TEXT_COMPARATORS: &[&str] = &["!=", "=", "LIKE", "ILIKE", "IN", "NOT IN"];

/// Bytes at most in a text of a filter: SQLite takes no longer pattern.
const TEXT_BYTES_MAX: usize = 50_000;

/// The values of a statement in the order of their places, and the database that it is for.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) dialect: Dialect,
    pub(super) values: Vec<Value>,
}

impl Args {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, values: Vec::new() }
    }

    pub(super) fn push(&mut self, value: impl Into<Value>) {
        self.values.push(value.into());
    }

    pub(super) fn extend(&mut self, values: impl IntoIterator<Item = Value>) {
        self.values.extend(values);
    }
}

/// A test on a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextTest {
    Equal(String),
    NotEqual(String),
    /// `%` and `_` are wildcards; letters match in their case.
    Like(String),
    /// The same in any case.
    Ilike(String),
    /// A regular expression that matches anywhere.
    Matches(String),
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl TextTest {
    /// Makes the test of a comparator that is known to be one of these.
    pub(super) fn new(comparator: &Comparator, operand: TextOperand) -> Option<Self> {
        Some(match (comparator, operand) {
            (Comparator::Equal, TextOperand::One(text)) => Self::Equal(text),
            (Comparator::NotEqual, TextOperand::One(text)) => Self::NotEqual(text),
            (Comparator::Like, TextOperand::One(text)) => Self::Like(text),
            (Comparator::Ilike, TextOperand::One(text)) => Self::Ilike(text),
            (Comparator::In, TextOperand::Many(texts)) => Self::In(texts),
            (Comparator::NotIn, TextOperand::Many(texts)) => Self::NotIn(texts),
            _ => return None,
        })
    }

    /// The condition on `column`; its values are added to `args`.
    ///
    /// Texts differ by their case in each database. MySQL's do not by themselves, so that there the comparison that an
    /// index serves is followed by one of the bytes.
    pub(super) fn sql(self, column: &str, args: &mut Args) -> String {
        let dialect = args.dialect;
        let mut twice = |text: String, condition: String| {
            args.push(text.clone());
            args.push(text);
            condition
        };
        let (condition, text) = match (self, dialect) {
            (Self::Equal(text), Dialect::MySql) => {
                return twice(text, format!("({column} = ? AND BINARY {column} = ?)"));
            }
            (Self::NotEqual(text), Dialect::MySql) => {
                return twice(text, format!("({column} != ? OR BINARY {column} != ?)"));
            }
            (Self::Like(text), Dialect::MySql) => {
                return twice(text, format!("({column} LIKE ? AND BINARY {column} LIKE ?)"));
            }
            (Self::In(texts), _) => return Self::list(column, "IN", texts, args),
            (Self::NotIn(texts), _) => return Self::list(column, "NOT IN", texts, args),
            (Self::Equal(text), _) => (format!("{column} = ?"), text),
            (Self::NotEqual(text), _) => (format!("{column} != ?"), text),
            (Self::Like(text), _) => (format!("{column} LIKE ?"), text),
            (Self::Ilike(text), Dialect::Postgres) => (format!("{column} ILIKE ?"), text),
            (Self::Ilike(text), _) => (format!("LOWER({column}) LIKE LOWER(?)"), text),
            (Self::Matches(text), Dialect::Sqlite) => (format!("{column} REGEXP ?"), text),
            (Self::Matches(text), Dialect::Postgres) => (format!("{column} ~ ?"), text),
            (Self::Matches(text), Dialect::MySql) => (format!("CAST({column} AS BINARY) REGEXP BINARY ?"), text),
        };
        args.push(text);
        condition
    }

    fn list(column: &str, comparator: &str, texts: Vec<String>, args: &mut Args) -> String {
        let marks = vec!["?"; texts.len()].join(",");
        args.extend(texts.into_iter().map(Value::from));
        let binary = if args.dialect == Dialect::MySql { "BINARY " } else { "" };
        format!("{binary}{column} {comparator} ({marks})")
    }
}

/// What a text is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextOperand {
    One(String),
    Many(Vec<String>),
}

/// The condition that `column` is the key.
pub(super) fn is_key(column: &str, key: &str, args: &mut Args) -> String {
    TextTest::Equal(key.to_owned()).sql(column, args)
}

/// The comparator as SQL, when it is one that numbers have.
pub(super) fn number_comparator(comparator: &Comparator) -> Option<&'static str> {
    Some(match comparator {
        Comparator::Equal => "=",
        Comparator::NotEqual => "!=",
        Comparator::Greater => ">",
        Comparator::GreaterOrEqual => ">=",
        Comparator::Less => "<",
        Comparator::LessOrEqual => "<=",
        _ => return None,
    })
}

/// A text out of its quotes; a name is none.
pub(super) fn quoted_text(operand: &Operand<'_>) -> Option<Result<String>> {
    let (Operand::Text(text) | Operand::Name(text)) = operand else { return None };
    let unquoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    Some(match unquoted('\'').or_else(|| unquoted('"')) {
        Some(text) => check_length(text).map(|()| text.to_owned()),
        None => Err(Error::invalid(format!(
            "Parameter value is either not quoted or unidentified quote types used for string value {text}. Use either \
             single or double quotes."
        ))),
    })
}

/// Refuses a text that is too long for a filter.
pub(super) fn check_length(text: &str) -> Result<()> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::invalid(format!("A text in a filter may have at most {TEXT_BYTES_MAX} bytes.")));
    }
    Ok(())
}

/// The error for a comparator that a kind of value does not have.
pub(super) fn invalid_comparator(comparator: &Comparator, valid: &[&str]) -> Error {
    let valid = repr_set(valid.iter().copied());
    Error::invalid(format!("Invalid comparator '{}' not one of '{valid}'", comparator.text()))
}

/// The same where MLflow leaves the last quote out.
pub(super) fn invalid_comparator_unclosed(comparator: &Comparator, valid: &[&str]) -> Error {
    let valid = repr_set(valid.iter().copied());
    Error::invalid(format!("Invalid comparator '{}' not one of '{valid}", comparator.text()))
}

/// The error for a key that an entity does not have.
pub(super) fn invalid_key(entity: &str, key: &str, valid: &[&str]) -> Error {
    let valid = repr_set(valid.iter().copied());
    Error::invalid(format!("Invalid {entity} key '{key}' specified. Valid keys are '{valid}'"))
}
