//! Typed tests on values, and how they become SQL.

use db::Value;

use super::{
    lexer::{Kind, Token},
    parser::{Comparator, Operand},
};
use crate::{Error, Result, validate::python_set};

/// The comparators that numbers have.
pub(super) const NUMBER_COMPARATORS: &[&str] = &[">", ">=", "!=", "=", "<", "<="];
/// The comparators that texts have which everything of a kind has.
pub(super) const TEXT_COMPARATORS: &[&str] = &["!=", "=", "LIKE", "ILIKE", "IN", "NOT IN"];

/// Bytes at most in a text of a filter: SQLite takes no longer pattern.
const TEXT_BYTES_MAX: usize = 50_000;
/// Texts at most in a list of a filter: each is one of the values that a statement can have.
const LIST_MAX: usize = 10_000;

/// A test on a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextTest {
    Equal(String),
    NotEqual(String),
    /// `%` and `_` are wildcards; letters match in their case.
    Like(String),
    /// The same in any case.
    Ilike(String),
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
    pub(super) fn sql(self, column: &str, args: &mut Vec<Value>) -> String {
        let (condition, text) = match self {
            Self::Equal(text) => (format!("{column} = ?"), text),
            Self::NotEqual(text) => (format!("{column} != ?"), text),
            Self::Like(text) => (format!("{column} LIKE ?"), text),
            Self::Ilike(text) => (format!("LOWER({column}) LIKE LOWER(?)"), text),
            Self::In(texts) => return Self::list(column, "IN", texts, args),
            Self::NotIn(texts) => return Self::list(column, "NOT IN", texts, args),
        };
        args.push(text.into());
        condition
    }

    fn list(column: &str, comparator: &str, texts: Vec<String>, args: &mut Vec<Value>) -> String {
        let marks = vec!["?"; texts.len()].join(",");
        args.extend(texts.into_iter().map(Value::from));
        format!("{column} {comparator} ({marks})")
    }
}

/// What a text is compared with.
pub(super) enum TextOperand {
    One(String),
    Many(Vec<String>),
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
    if operand.text().len() > TEXT_BYTES_MAX && !matches!(operand, Operand::List(..)) {
        return Some(Err(Error::invalid(format!("A text in a filter may have at most {TEXT_BYTES_MAX} bytes."))));
    }
    match operand {
        Operand::Text(text) => Some(Ok(text[1..text.len() - 1].to_owned())),
        Operand::Word(text) if text.len() >= 2 && text.starts_with('"') && text.ends_with('"') => {
            Some(Ok(text[1..text.len() - 1].to_owned()))
        }
        Operand::Word(text) => Some(Err(Error::invalid(format!(
            "Parameter value is either not quoted or unidentified quote types used for string value {text}. Use either \
             single or double quotes."
        )))),
        _ => None,
    }
}

/// The texts of a list.
pub(super) fn list_texts(text: &str, tokens: &[Token<'_>]) -> Result<Vec<String>> {
    let expected = "While parsing a list in the query, expected";
    if tokens.is_empty() {
        return Err(Error::invalid(format!("{expected} a non-empty list of string values, but got empty list")));
    }
    if tokens.len() / 2 >= LIST_MAX {
        return Err(Error::invalid(format!("A list in a filter may have at most {LIST_MAX} values.")));
    }
    let mut texts = Vec::with_capacity(tokens.len() / 2 + 1);
    for (place, token) in tokens.iter().enumerate() {
        let is_text = token.kind == Kind::Text
            || (token.kind == Kind::Word && token.text.starts_with('"') && token.text.ends_with('"'));
        let is_value_place = place % 2 == 0;
        match token.kind {
            _ if is_text && is_value_place => texts.push(token.text[1..token.text.len() - 1].to_owned()),
            Kind::Comma if !is_value_place => {}
            Kind::Integer | Kind::Float if is_value_place => {
                return Err(Error::invalid(format!(
                    "{expected} string value, punctuation, or whitespace, but got different type in list: {text}"
                )));
            }
            _ => {
                return Err(Error::invalid(format!(
                    "{expected} a non-empty list of string values, but got ill-formed list."
                )));
            }
        }
    }
    Ok(texts)
}

/// The error for a comparator that a kind of value does not have.
pub(super) fn invalid_comparator(comparator: &Comparator, valid: &[&str]) -> Error {
    let valid = python_set(valid.iter().copied());
    Error::invalid(format!("Invalid comparator '{}' not one of '{valid}'", comparator.text()))
}

/// The error for a key that an entity does not have.
pub(super) fn invalid_key(entity: &str, key: &str, valid: &[&str]) -> Error {
    let valid = python_set(valid.iter().copied());
    Error::invalid(format!("Invalid {entity} key '{key}' specified. Valid keys are '{valid}'"))
}
