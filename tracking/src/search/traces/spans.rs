//! Conditions on the spans of a trace.

use super::{
    super::{
        compile::Args,
        parser::{Comparator, Operand},
    },
    TEXT_COMPARATORS, TextTest,
    condition::Condition,
    text_test,
};
use crate::{Error, Result};

const CONTENT_COMPARATORS: &[&str] = &["LIKE", "ILIKE"];

/// An attribute without the quotes of a JSON text.
const UNQUOTED: &str = "(CASE WHEN json_valid(attribute.raw) AND json_type(attribute.raw) = 'text' \
                        THEN json_extract(attribute.raw, '$') ELSE attribute.raw END)";

/// What is tested of a span.
#[derive(Debug)]
pub(super) enum SpanTest {
    /// A column.
    Column { column: &'static str, test: TextTest },
    /// An attribute, by its path in the span's JSON.
    Attribute { path: String, test: TextTest },
}

/// `span.name`, `span.type`, `span.status`, `span.content` and `span.attributes.<name>`.
pub(super) fn condition(key: &str, comparator: &Comparator, operand: &Operand<'_>) -> Result<Condition> {
    let checked = |valid: &[&str]| {
        if valid.contains(&comparator.text()) {
            return text_test("span", comparator, operand, valid);
        }
        Err(Error::invalid(format!("span.{key} comparator '{}' not one of '{}'", comparator.text(), valid.join(", "))))
    };
    let column = match key {
        "name" => "spans.name",
        "type" => "spans.type",
        "status" => "spans.status",
        "content" => {
            return Ok(Condition::Span(SpanTest::Column {
                column: "spans.content",
                test: checked(CONTENT_COMPARATORS)?,
            }));
        }
        _ => {
            let attribute = key.strip_prefix("attributes.").ok_or_else(|| {
                Error::invalid(format!(
                    "Invalid span attribute '{key}'. Supported attributes: name, status, type, \
                     attributes.<attribute_name>."
                ))
            })?;
            return Ok(Condition::Span(SpanTest::Attribute {
                path: path(attribute)?,
                test: checked(TEXT_COMPARATORS)?,
            }));
        }
    };
    Ok(Condition::Span(SpanTest::Column { column, test: checked(TEXT_COMPARATORS)? }))
}

/// The place of an attribute in `spans.content`.
fn path(attribute: &str) -> Result<String> {
    let unquoted = |quote| attribute.strip_prefix(quote).and_then(|it| it.strip_suffix(quote));
    let name = unquoted('`').or_else(|| unquoted('"')).unwrap_or(attribute);
    if name.is_empty() {
        return Err(Error::invalid("Span attribute name cannot be empty after 'attributes.'"));
    }
    if name.contains('"') {
        return Err(Error::invalid(format!("Span attribute name '{name}' cannot contain double quotes")));
    }
    Ok(format!("$.attributes.\"{name}\""))
}

impl SpanTest {
    pub(super) fn sql(self, args: &mut Args) -> String {
        match self {
            Self::Column { column, test } => test.sql(column, args),
            Self::Attribute { path, test } => attribute_sql(&path, test, args),
        }
    }
}

/// Attributes are JSON texts inside the span's JSON; a text among them is compared without its quotes.
fn attribute_sql(path: &str, test: TextTest, args: &mut Args) -> String {
    let (test, is_negated) = match test {
        TextTest::NotEqual(text) => (TextTest::Equal(text), true),
        TextTest::NotIn(texts) => (TextTest::In(texts), true),
        test => (test, false),
    };
    args.push(path);
    let raw = test.clone().sql("attribute.raw", args);
    let plain = test.sql(UNQUOTED, args);
    let not = if is_negated { "NOT " } else { "" };
    format!(
        "EXISTS (SELECT 1 FROM (SELECT CASE WHEN json_valid(spans.content) THEN json_extract(spans.content, ?) END \
         AS raw) AS attribute WHERE attribute.raw IS NOT NULL AND {not}({raw} OR {plain}))"
    )
}
