//! One value of one row, and the order and equality that labels have.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Number, Value};

/// A value of a row. Text formats give the first five, JSON gives all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// An empty CSV cell, null, NaN.
    Missing,
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(String),
    /// A list or map of a JSON row.
    Json(Value),
}

impl Cell {
    /// A value of a JSON row.
    pub(crate) fn of_json(value: Value) -> Self {
        match value {
            Value::Null => Self::Missing,
            Value::Bool(it) => Self::Bool(it),
            Value::Number(it) => match (it.as_i64(), it.as_f64()) {
                (Some(it), _) => Self::Int(it),
                (None, Some(it)) => Self::Number(it),
                (None, None) => Self::Text(it.to_string()),
            },
            Value::String(it) => Self::Text(it),
            other => Self::Json(other),
        }
    }

    /// This value as JSON; an infinity becomes its name.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Bool(it) => Value::Bool(*it),
            Self::Int(it) => Value::from(*it),
            Self::Number(it) => Number::from_f64(*it).map_or_else(|| Value::from(it.to_string()), Value::Number),
            Self::Text(it) => Value::from(it.as_str()),
            Self::Json(it) => it.clone(),
        }
    }

    /// This value as a number, where it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(it) => Some(*it),
            #[expect(
                clippy::cast_precision_loss,
                reason = "metrics are computed in f64, as the reference libraries do"
            )]
            Self::Int(it) => Some(*it as f64),
            Self::Bool(it) => Some(f64::from(u8::from(*it))),
            _ => None,
        }
    }

    /// This value as a number, also where it is text that spells one.
    pub(crate) fn read_number(&self) -> Option<f64> {
        match self {
            Self::Text(text) => super::delimited::number(text),
            other => other.number(),
        }
    }

    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => Ok(()),
            Self::Bool(it) => it.fmt(formatter),
            Self::Int(it) => it.fmt(formatter),
            Self::Number(it) => it.fmt(formatter),
            Self::Text(it) => it.fmt(formatter),
            Self::Json(it) => it.fmt(formatter),
        }
    }
}

/// The order of labels: numbers and booleans by value (1 and 1.0 are one label), before text by its characters.
pub(crate) fn label_order(a: &Cell, b: &Cell) -> Ordering {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.to_string().cmp(&b.to_string()),
    }
}
