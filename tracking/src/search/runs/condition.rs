//! Conditions on runs: comparisons whose sides fit each other.

use super::subject::{Attribute, Subject};
use crate::{
    Error, Result,
    run::RUN_NAME_TAG,
    search::{
        compile::{
            IntegerTest, NUMBER_COMPARATORS, TEXT_COMPARATORS, TextOperand, TextTest, invalid_comparator,
            invalid_comparator_unclosed, number_comparator, quoted_text,
        },
        list::list_texts,
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
    Time { column: &'static str, test: IntegerTest },
    /// A field of a dataset that the run read.
    Dataset { field: &'static str, test: TextTest },
}

/// A comparison whose value is one that its subject can have; of its comparator that is not known yet. All clauses of a
/// search are read before any comparator is looked at, so that the first complaint is the one that MLflow has.
#[derive(Debug)]
pub(super) struct Clause<'f> {
    subject: Subject,
    comparator: Comparator,
    value: Value<'f>,
}

#[derive(Debug)]
enum Value<'f> {
    Metric(f64),
    Time(Operand<'f>),
    Text(TextOperand),
    /// `IS NULL` and `IS NOT NULL` compare with nothing.
    Nothing,
}

impl<'f> Clause<'f> {
    /// Reads a comparison.
    pub(super) fn read(comparison: Comparison<'f>) -> Result<Self> {
        let Comparison { identifier, comparator, operand } = comparison;
        let subject = Subject::parse(identifier)?;
        let key = split_identifier(identifier).1;
        let value = match (&subject, &comparator) {
            (Subject::Param(_) | Subject::Tag(_), Comparator::IsNull | Comparator::IsNotNull) => Value::Nothing,
            (_, Comparator::IsNull | Comparator::IsNotNull) => {
                return Err(Error::invalid(format!(
                    "IS NULL / IS NOT NULL is only supported for tags and params, not for '{}' '{key}'",
                    subject.kind()
                )));
            }
            (Subject::Metric(_), _) => Value::Metric(metric_value(&operand)?),
            (Subject::Param(_) | Subject::Tag(_), _) => Value::Text(TextOperand::One(keyed_text(&subject, &operand)?)),
            (Subject::Attribute(Attribute::StartTime | Attribute::EndTime), _) => {
                if !matches!(operand, Operand::Integer(_) | Operand::Float(_)) {
                    return Err(Error::invalid(format!(
                        "Expected numeric value type for numeric attribute: {key}. Found {}",
                        operand.text()
                    )));
                }
                Value::Time(operand)
            }
            (Subject::Attribute(attribute), _) => Value::Text(attribute_value(*attribute, &operand)?),
            (Subject::Dataset(_), _) => Value::Text(dataset_value(&operand)?),
        };
        Ok(Self { subject, comparator, value })
    }

    /// The condition that the comparison is.
    pub(super) fn condition(self) -> Result<Condition> {
        let Self { subject, comparator, value } = self;
        let number = || number_comparator(&comparator);
        let text = |operand| TextTest::new(&comparator, operand);
        Ok(match (subject, value) {
            (Subject::Metric(key), Value::Metric(value)) => {
                let comparator =
                    number().ok_or_else(|| invalid_comparator_unclosed(&comparator, NUMBER_COMPARATORS))?;
                Condition::Keyed(Keyed::Metric { key, comparator, value })
            }
            (Subject::Param(key), Value::Nothing) => presence("params", key, &comparator),
            (Subject::Tag(key), Value::Nothing) => presence("tags", key, &comparator),
            (Subject::Param(key), Value::Text(operand)) => {
                let test = text(operand).ok_or_else(|| invalid_comparator(&comparator, KEYED_TEXT_COMPARATORS))?;
                Condition::Keyed(Keyed::Text { table: "params", key, test })
            }
            (Subject::Tag(key), Value::Text(operand)) => {
                let test =
                    text(operand).ok_or_else(|| invalid_comparator_unclosed(&comparator, KEYED_TEXT_COMPARATORS))?;
                Condition::Keyed(Keyed::Text { table: "tags", key, test })
            }
            (Subject::Attribute(attribute), Value::Time(operand)) => {
                // MLflow names the comparators of texts here.
                let test = (number().and_then(|comparator| IntegerTest::new(comparator, &operand)))
                    .ok_or_else(|| invalid_comparator_unclosed(&comparator, TEXT_COMPARATORS))?;
                Condition::Own(Own::Time { column: attribute.column(), test })
            }
            (Subject::Attribute(attribute), Value::Text(operand)) => {
                let test = text(operand).ok_or_else(|| invalid_comparator(&comparator, TEXT_COMPARATORS))?;
                match attribute {
                    // Runs of very old clients have their name only in the tag.
                    Attribute::RunName => {
                        Condition::Keyed(Keyed::Text { table: "tags", key: RUN_NAME_TAG.to_owned(), test })
                    }
                    other => Condition::Own(Own::Text { column: other.column(), test }),
                }
            }
            (Subject::Dataset(field), Value::Text(operand)) => {
                let test = text(operand).ok_or_else(|| invalid_comparator_unclosed(&comparator, TEXT_COMPARATORS))?;
                Condition::Own(Own::Dataset { field, test })
            }
            (subject, _) => return Err(Error::invalid(format!("Invalid search expression type '{}'", subject.kind()))),
        })
    }
}

fn presence(table: &'static str, key: String, comparator: &Comparator) -> Condition {
    Condition::Own(Own::Presence { table, key, is_present: *comparator == Comparator::IsNotNull })
}

fn metric_value(operand: &Operand<'_>) -> Result<f64> {
    let number = match operand {
        Operand::Integer(text) | Operand::Float(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| Error::invalid(format!("Expected numeric value type for metric. Found {}", operand.text())))
}

fn keyed_text(subject: &Subject, operand: &Operand<'_>) -> Result<String> {
    quoted_text(operand).unwrap_or_else(|| {
        Err(Error::invalid(format!(
            "Expected a quoted string value for {} (e.g. 'my-value'). Got value {}",
            subject.kind(),
            operand.text()
        )))
    })
}

fn attribute_value(attribute: Attribute, operand: &Operand<'_>) -> Result<TextOperand> {
    match operand {
        Operand::List(text) if attribute == Attribute::RunId => list_texts(text).map(TextOperand::Many),
        Operand::List(_) => {
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
        Operand::List(text) => list_texts(text).map(TextOperand::Many),
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
