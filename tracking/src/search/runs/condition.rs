//! Conditions on runs: comparisons whose sides fit each other.

use db::Value;

use super::subject::{Attribute, Subject};
use crate::{
    Error, Result,
    run::RUN_NAME_TAG,
    search::{
        compile::{
            NUMBER_COMPARATORS, TEXT_COMPARATORS, TextOperand, TextTest, invalid_comparator, list_texts,
            number_comparator, quoted_text,
        },
        parser::{Comparator, Comparison, Operand, split_identifier},
    },
};

/// What params and tags can be compared with.
const KEYED_TEXT_COMPARATORS: &[&str] = &["!=", "=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL"];

/// One condition on a run.
#[derive(Debug)]
pub(super) enum Condition {
    /// On a value under a key, which not every run has.
    Keyed(Keyed),
    /// On what every run has, or on whether it has something.
    Own(Own),
}

/// A condition on a value that a run has under a key, at most once.
#[derive(Debug)]
pub(super) enum Keyed {
    /// The latest value of a metric.
    Metric { key: String, comparator: &'static str, value: f64 },
    /// The value of a param or tag.
    Text { table: &'static str, key: String, test: TextTest },
}

/// A condition on what every run has, or on whether it has something.
#[derive(Debug)]
pub(super) enum Own {
    /// Whether a param or tag is there at all.
    Presence { table: &'static str, key: String, is_present: bool },
    /// A text that every run has.
    Text { column: &'static str, test: TextTest },
    /// A time (ms since 1970).
    Time { column: &'static str, comparator: &'static str, value: Value },
    /// A field of a dataset that the run read.
    Dataset { field: &'static str, test: TextTest },
}

/// Makes the condition that a comparison is.
pub(super) fn condition(comparison: Comparison<'_>) -> Result<Condition> {
    let subject = Subject::parse(comparison.identifier)?;
    let Comparison { comparator, operand, .. } = comparison;
    if let (
        Comparator::IsNull | Comparator::IsNotNull,
        Subject::Metric(_) | Subject::Attribute(_) | Subject::Dataset(_),
    ) = (&comparator, &subject)
    {
        let (kind, key) = (subject.kind(), split_identifier(comparison.identifier).1);
        return Err(Error::invalid(format!(
            "IS NULL / IS NOT NULL is only supported for tags and params, not for '{kind}' '{key}'"
        )));
    }
    match subject {
        Subject::Metric(key) => {
            let value = metric_value(&operand)?;
            let comparator =
                number_comparator(&comparator).ok_or_else(|| invalid_comparator(&comparator, NUMBER_COMPARATORS))?;
            Ok(Condition::Keyed(Keyed::Metric { key, comparator, value }))
        }
        Subject::Param(key) => keyed("params", "parameter", key, &comparator, &operand),
        Subject::Tag(key) => keyed("tags", "tag", key, &comparator, &operand),
        Subject::Attribute(attribute @ (Attribute::StartTime | Attribute::EndTime)) => {
            let key = split_identifier(comparison.identifier).1;
            let value = time_value(key, &operand)?;
            let comparator =
                number_comparator(&comparator).ok_or_else(|| invalid_comparator(&comparator, NUMBER_COMPARATORS))?;
            Ok(Condition::Own(Own::Time { column: attribute.column(), comparator, value }))
        }
        Subject::Attribute(attribute) => {
            let operand = attribute_value(attribute, &operand)?;
            let test =
                TextTest::new(&comparator, operand).ok_or_else(|| invalid_comparator(&comparator, TEXT_COMPARATORS))?;
            // Runs of very old clients have their name only in the tag.
            Ok(match attribute {
                Attribute::RunName => {
                    Condition::Keyed(Keyed::Text { table: "tags", key: RUN_NAME_TAG.to_owned(), test })
                }
                other => Condition::Own(Own::Text { column: other.column(), test }),
            })
        }
        Subject::Dataset(field) => {
            let operand = dataset_value(&operand)?;
            let test =
                TextTest::new(&comparator, operand).ok_or_else(|| invalid_comparator(&comparator, TEXT_COMPARATORS))?;
            Ok(Condition::Own(Own::Dataset { field, test }))
        }
    }
}

fn keyed(
    table: &'static str,
    entity: &str,
    key: String,
    comparator: &Comparator,
    operand: &Operand<'_>,
) -> Result<Condition> {
    if let Comparator::IsNull | Comparator::IsNotNull = comparator {
        let is_present = *comparator == Comparator::IsNotNull;
        return Ok(Condition::Own(Own::Presence { table, key, is_present }));
    }
    let text = quoted_text(operand).unwrap_or_else(|| {
        Err(Error::invalid(format!(
            "Expected a quoted string value for {entity} (e.g. 'my-value'). Got value {}",
            operand.text()
        )))
    })?;
    let test = TextTest::new(comparator, TextOperand::One(text))
        .ok_or_else(|| invalid_comparator(comparator, KEYED_TEXT_COMPARATORS))?;
    Ok(Condition::Keyed(Keyed::Text { table, key, test }))
}

fn metric_value(operand: &Operand<'_>) -> Result<f64> {
    let number = match operand {
        Operand::Integer(text) | Operand::Float(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| Error::invalid(format!("Expected numeric value type for metric. Found {}", operand.text())))
}

fn time_value(key: &str, operand: &Operand<'_>) -> Result<Value> {
    let number = match operand {
        // A whole number beyond 64 bits still compares, as a double.
        Operand::Integer(text) => {
            text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from)).ok()
        }
        Operand::Float(text) => text.parse::<f64>().map(Value::from).ok(),
        _ => None,
    };
    number.ok_or_else(|| {
        Error::invalid(format!("Expected numeric value type for numeric attribute: {key}. Found {}", operand.text()))
    })
}

fn attribute_value(attribute: Attribute, operand: &Operand<'_>) -> Result<TextOperand> {
    match operand {
        Operand::List(text, tokens) if attribute == Attribute::RunId => list_texts(text, tokens).map(TextOperand::Many),
        Operand::List(..) => {
            Err(Error::invalid("Only ['run_id'] attributes support comparison with a list of quoted string values."))
        }
        other => quoted_text(other)
            .unwrap_or_else(|| {
                Err(Error::invalid(format!(
                    "Expected a quoted string value for attributes. Got value {}",
                    other.text()
                )))
            })
            .map(TextOperand::One),
    }
}

fn dataset_value(operand: &Operand<'_>) -> Result<TextOperand> {
    match operand {
        Operand::List(text, tokens) => list_texts(text, tokens).map(TextOperand::Many),
        other => quoted_text(other)
            .unwrap_or_else(|| {
                Err(Error::invalid(format!(
                    "Expected a quoted string value for dataset attributes. Got value {}",
                    other.text()
                )))
            })
            .map(TextOperand::One),
    }
}
