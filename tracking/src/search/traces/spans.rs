//! Conditions on the spans of a trace.

use std::fmt::Write;

use db::Dialect;

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

/// What is tested of a span.
#[derive(Debug)]
pub(in crate::search) enum SpanTest {
    /// A column.
    Column { column: &'static str, test: TextTest },
    /// An attribute of the span's JSON, by its name.
    Attribute { name: String, test: TextTest },
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
                name: name(attribute)?,
                test: checked(TEXT_COMPARATORS)?,
            }));
        }
    };
    Ok(Condition::Span(SpanTest::Column { column, test: checked(TEXT_COMPARATORS)? }))
}

/// The name of an attribute out of its quotes.
fn name(attribute: &str) -> Result<String> {
    let unquoted = |quote| attribute.strip_prefix(quote).and_then(|it| it.strip_suffix(quote));
    let name = unquoted('`').or_else(|| unquoted('"')).unwrap_or(attribute);
    if name.is_empty() {
        return Err(Error::invalid("Span attribute name cannot be empty after 'attributes.'"));
    }
    if name.contains('"') {
        return Err(Error::invalid(format!("Span attribute name '{name}' cannot contain double quotes")));
    }
    Ok(name.to_owned())
}

impl SpanTest {
    pub(super) fn sql(self, args: &mut Args) -> String {
        match self {
            Self::Column { column, test } => test.sql(column, args),
            Self::Attribute { name, test } => attribute_sql(&name, test, args),
        }
    }
}

/// Attributes are JSON texts inside the span's JSON; a text among them is compared without its quotes too.
fn attribute_sql(name: &str, test: TextTest, args: &mut Args) -> String {
    let (test, is_negated) = match test {
        TextTest::NotEqual(text) => (TextTest::Equal(text), true),
        TextTest::NotIn(texts) => (TextTest::In(texts), true),
        test => (test, false),
    };
    let not = if is_negated { "NOT " } else { "" };
    let (raw, plain) = match args.dialect {
        Dialect::Sqlite => {
            args.push(path(name));
            let raw = "CASE WHEN json_valid(spans.content) THEN json_extract(spans.content, ?) END";
            let plain = "(CASE WHEN json_valid(attribute.raw) AND json_type(attribute.raw) = 'text' \
                         THEN json_extract(attribute.raw, '$') ELSE attribute.raw END)";
            (raw, plain)
        }
        Dialect::Postgres => {
            args.push(name);
            let raw = "jsonb_extract_path_text(spans.content::jsonb, 'attributes', ?)";
            // What only looks like a JSON text must not reach the cast.
            let plain = r#"(CASE WHEN attribute.raw ~ '^"([^"\\[:cntrl:]]|\\(["\\/bfnrt]|u[0-9a-fA-F]{4}))*"$' THEN attribute.raw::jsonb #>> '{}' ELSE attribute.raw END)"#;
            (raw, plain)
        }
        // MariaDB's subqueries see nothing of what is around them, so that the attribute stands at each of its places.
        Dialect::MySql => {
            let raw = format!("JSON_UNQUOTE(JSON_EXTRACT(spans.content, {}))", hexadecimal(&path(name)));
            let plain = format!(
                "(CASE WHEN JSON_VALID({raw}) AND JSON_TYPE({raw}) = 'STRING' THEN JSON_UNQUOTE({raw}) ELSE {raw} END)"
            );
            let of_raw = test.clone().sql(&raw, args);
            let of_plain = test.sql(&plain, args);
            return format!("({raw} IS NOT NULL AND {not}({of_raw} OR {of_plain}))");
        }
    };
    let of_raw = test.clone().sql("attribute.raw", args);
    let of_plain = test.sql(plain, args);
    format!(
        "EXISTS (SELECT 1 FROM (SELECT {raw} AS raw) AS attribute WHERE attribute.raw IS NOT NULL \
         AND {not}({of_raw} OR {of_plain}))"
    )
}

/// The place of an attribute in `spans.content`.
fn path(name: &str) -> String {
    format!("$.attributes.\"{name}\"")
}

/// A text of MySQL whatever it holds.
fn hexadecimal(text: &str) -> String {
    let mut digits = String::with_capacity(2 * text.len());
    for byte in text.bytes() {
        write!(digits, "{byte:02x}").expect("writing to a string does not fail");
    }
    format!("CONVERT(0x{digits} USING utf8mb4)")
}
