//! Conditions on traces as SQL with bound values.

use db::Value;

use super::{
    super::{
        compile::{Args, TextTest, invalid_comparator, is_key, number_comparator},
        parser::{Comparator, Operand},
    },
    ASSESSMENT_COMPARATORS, IntegerTest, presence,
    spans::SpanTest,
    text, text_test,
};
use crate::{
    Error, Result,
    trace::{Cost, TokenUsage, keys, text::python_json},
};

/// One condition on a trace.
#[derive(Debug)]
pub(in crate::search) enum Condition {
    /// A number that every trace has.
    Number { expression: &'static str, test: IntegerTest },
    /// A text that every trace has.
    Text { column: &'static str, test: TextTest },
    /// Whether a column has a value.
    ColumnPresence { column: &'static str, is_present: bool },
    /// The value of a tag or of metadata.
    Keyed { table: &'static str, key: String, test: TextTest },
    /// Whether a tag or metadata is there at all.
    Presence { table: &'static str, key: String, is_present: bool },
    /// The run that the trace was made in, or that it was linked to.
    Run(TextTest),
    /// A prompt version that the trace used.
    Prompt(String),
    /// A problem that the trace shows.
    Issue(String),
    /// What an assessment says; those of a whole conversation speak for each trace of it.
    Assessment { kind: &'static str, name: String, test: AssessmentTest },
    /// Tokens or cost of the whole trace.
    Analytics(AnalyticsTest),
    /// Something about one of the trace's spans.
    Span(SpanTest),
}

/// What an assessment is tested for.
#[derive(Debug)]
pub(in crate::search) enum AssessmentTest {
    Presence(bool),
    Number {
        comparator: &'static str,
        value: Value,
    },
    /// The value is kept as JSON, so a text matches with quotes and without.
    Equals {
        text: String,
        is_equal: bool,
    },
    Text(TextTest),
}

/// How columns that stand for one piece of metadata are tested.
#[derive(Debug)]
pub(in crate::search) struct AnalyticsTest {
    columns: Vec<(&'static str, Option<Value>)>,
    kind: AnalyticsKind,
}

#[derive(Debug)]
enum AnalyticsKind {
    Presence(bool),
    /// Each column has its value, or none of them can: the text is nothing that we ever show.
    Equals {
        is_equal: bool,
        is_possible: bool,
    },
}

impl Condition {
    /// The condition as SQL; its values are added to `args`. `marks` and `ids` are the experiments of the search.
    pub(in crate::search) fn sql(self, marks: &str, ids: &[Value], args: &mut Args) -> String {
        match self {
            Self::Number { expression, test } => test.sql(expression, args),
            Self::Text { column, test } => test.sql(column, args),
            Self::ColumnPresence { column, is_present } => format!("{column} IS {}NULL", not(is_present)),
            Self::Keyed { table, key, test } => {
                let is_key = is_key(&format!("{table}.\"key\""), &key, args);
                let test = test.sql(&format!("{table}.value"), args);
                format!("trace_info.request_id IN (SELECT {table}.request_id FROM {table} WHERE {is_key} AND {test})")
            }
            Self::Presence { table, key, is_present } => {
                args.push(key);
                let not = not(!is_present);
                format!("trace_info.request_id {not}IN (SELECT request_id FROM {table} WHERE \"key\" = ?)")
            }
            Self::Run(test) => run(test, args),
            Self::Prompt(prompt) => {
                args.push(prompt);
                "trace_info.request_id IN (SELECT source_id FROM entity_associations WHERE source_type = 'trace' \
                 AND destination_type = 'prompt_version' AND destination_id = ?)"
                    .to_owned()
            }
            Self::Issue(id) => {
                args.push(id);
                "trace_info.request_id IN (SELECT trace_id FROM assessments WHERE assessment_type = 'issue' \
                 AND name = ?)"
                    .to_owned()
            }
            Self::Assessment { kind, name, test } => assessed(kind, &name, test, marks, ids, args),
            Self::Analytics(test) => test.sql(args),
            Self::Span(test) => test.sql(args),
        }
    }
}

/// `NOT ` where it is wanted.
fn not(is_negated: bool) -> &'static str {
    if is_negated { "NOT " } else { "" }
}

/// A test that is met also finds traces that were linked to the run afterwards.
fn run(test: TextTest, args: &mut Args) -> String {
    let is_met_by_links = matches!(&test, TextTest::Equal(_) | TextTest::In(_) | TextTest::Like(_));
    args.push(keys::SOURCE_RUN);
    let made_in = test.clone().sql("trace_request_metadata.value", args);
    let own = format!(
        "trace_info.request_id IN (SELECT trace_request_metadata.request_id FROM trace_request_metadata \
         WHERE trace_request_metadata.\"key\" = ? AND {made_in})"
    );
    if !is_met_by_links {
        return own;
    }
    let linked = test.sql("entity_associations.destination_id", args);
    format!(
        "({own} OR trace_info.request_id IN (SELECT source_id FROM entity_associations WHERE source_type = 'trace' \
         AND destination_type = 'run' AND {linked}))"
    )
}

fn assessed(kind: &str, name: &str, test: AssessmentTest, marks: &str, ids: &[Value], args: &mut Args) -> String {
    let mut own = Args { dialect: args.dialect, values: vec![kind.into(), name.into()] };
    let (test, is_present) = match test {
        AssessmentTest::Presence(is_present) => (String::new(), is_present),
        AssessmentTest::Number { comparator, value } => {
            own.push(value);
            (format!(" AND a.is_numeric_value AND a.aggregate_value {comparator} ?"), true)
        }
        AssessmentTest::Equals { text, is_equal } => {
            own.extend([text.as_str().into(), python_json(text.as_str()).into()]);
            (format!(" AND {}(a.value = ? OR a.value = ?)", not(!is_equal)), true)
        }
        AssessmentTest::Text(test) => (format!(" AND {}", test.sql("a.value", &mut own)), true),
    };
    let found = format!("a.assessment_type = ? AND a.name = ? AND a.valid{test}");
    args.extend(own.values.iter().cloned());
    args.extend(own.values);
    args.extend(ids.iter().cloned());
    format!(
        "{}(trace_info.request_id IN (SELECT a.trace_id FROM assessments AS a WHERE {found}) \
         OR COALESCE(trace_info.session_id IN (SELECT t.session_id FROM assessments AS a \
         JOIN trace_info AS t ON t.request_id = a.trace_id WHERE {found} AND t.session_id IS NOT NULL \
         AND a.assessment_metadata LIKE '%\"mlflow.trace.session\":%' AND t.experiment_id IN ({marks})), FALSE))",
        not(!is_present)
    )
}

impl AnalyticsTest {
    fn sql(self, args: &mut Args) -> String {
        let present: Vec<String> =
            self.columns.iter().map(|(column, _)| format!("trace_info.{column} IS NOT NULL")).collect();
        let present = format!("({})", present.join(" OR "));
        match self.kind {
            AnalyticsKind::Presence(true) => present,
            AnalyticsKind::Presence(false) => format!("NOT {present}"),
            AnalyticsKind::Equals { is_equal: true, is_possible: false } => "FALSE".to_owned(),
            AnalyticsKind::Equals { is_equal: false, is_possible: false } => present,
            AnalyticsKind::Equals { is_equal, is_possible: true } => {
                let each = self.columns.into_iter().map(|(column, value)| match value {
                    None => format!("trace_info.{column} IS NULL"),
                    Some(value) => {
                        args.push(value);
                        format!("(trace_info.{column} IS NOT NULL AND trace_info.{column} = ?)")
                    }
                });
                let equal = each.collect::<Vec<_>>().join(" AND ");
                if is_equal { format!("({equal})") } else { format!("({present} AND NOT ({equal}))") }
            }
        }
    }
}

/// Token usage and cost are metadata to clients and columns in the database.
pub(in crate::search) fn analytics(key: &str, comparator: &Comparator, operand: &Operand<'_>) -> Result<Condition> {
    let kind = match presence(comparator) {
        Some(is_present) => {
            let columns = columns_of(key, None);
            return Ok(Condition::Analytics(AnalyticsTest { columns, kind: AnalyticsKind::Presence(is_present) }));
        }
        None if matches!(comparator, Comparator::Equal | Comparator::NotEqual) => *comparator == Comparator::Equal,
        None => {
            return Err(Error::invalid(format!(
                "Comparator '{}' is not supported for reserved metadata '{key}'. Only '=', '!=', 'IS NULL', and \
                 'IS NOT NULL' are supported.",
                comparator.text()
            )));
        }
    };
    let text = text("request_metadata", operand)?;
    let value = serde_json::from_str::<serde_json::Value>(&text).ok().filter(serde_json::Value::is_object);
    let shown = value.as_ref().map(|value| {
        if key == keys::COST {
            Cost::from_value(value).unwrap_or_default().to_value()
        } else {
            TokenUsage::from_value(value).unwrap_or_default().to_value()
        }
    });
    // Only the text that we would show ourselves can be equal to it.
    let is_possible = shown.is_some_and(|it| python_json(&it) == text);
    let columns = columns_of(key, value.as_ref());
    Ok(Condition::Analytics(AnalyticsTest { columns, kind: AnalyticsKind::Equals { is_equal: kind, is_possible } }))
}

fn columns_of(key: &str, value: Option<&serde_json::Value>) -> Vec<(&'static str, Option<Value>)> {
    if key == keys::COST {
        let cost = value.and_then(Cost::from_value).unwrap_or_default();
        cost.fields().map(|(column, amount)| (column, amount.map(Value::from))).into()
    } else {
        let usage = value.and_then(TokenUsage::from_value).unwrap_or_default();
        usage.fields().map(|(column, count)| (column, count.map(Value::from))).into()
    }
}

/// `prompt = 'name/version'`.
pub(super) fn prompt(comparator: &Comparator, operand: &Operand<'_>) -> Result<Condition> {
    if *comparator != Comparator::Equal {
        return Err(Error::invalid(format!(
            "Invalid comparator '{}' for prompts filter. Only '=' is supported with format: prompt = \"name/version\"",
            comparator.text()
        )));
    }
    let prompt = text("prompt", operand)?;
    if prompt.matches('/').count() != 1 {
        return Err(Error::invalid(format!(
            "Invalid prompts filter value '{prompt}'. Expected format: prompt = \"name/version\""
        )));
    }
    Ok(Condition::Prompt(prompt))
}

/// `issue.id = 'iss-…'`.
pub(super) fn issue(key: &str, comparator: &Comparator, operand: &Operand<'_>) -> Result<Condition> {
    if key != "id" {
        return Err(Error::invalid(format!("Invalid issue attribute '{key}'. Supported attributes: id")));
    }
    if *comparator != Comparator::Equal {
        return Err(Error::invalid(format!("issue.id comparator '{}' not one of '='", comparator.text())));
    }
    Ok(Condition::Issue(text("issue", operand)?))
}

/// `feedback.name` or `expectation.name` compared with a text or a number.
pub(super) fn assessment(
    kind: &'static str,
    name: String,
    comparator: &Comparator,
    operand: &Operand<'_>,
) -> Result<Condition> {
    if name.is_empty() {
        return Err(Error::invalid("Assessment field name cannot be empty"));
    }
    if !ASSESSMENT_COMPARATORS.contains(&comparator.text()) {
        return Err(invalid_comparator(comparator, ASSESSMENT_COMPARATORS));
    }
    let test = match comparator {
        Comparator::IsNull => AssessmentTest::Presence(false),
        Comparator::IsNotNull => AssessmentTest::Presence(true),
        Comparator::Equal | Comparator::NotEqual => {
            AssessmentTest::Equals { text: text(kind, operand)?, is_equal: *comparator == Comparator::Equal }
        }
        _ => match number_comparator(comparator) {
            Some(comparator) => {
                let value = match operand {
                    Operand::Integer(text) | Operand::Float(text) => text.parse::<f64>().ok(),
                    _ => None,
                };
                let value = value.map(Value::from).ok_or_else(|| {
                    Error::invalid(format!(
                        "Expected a numeric value for {kind} when using comparator '{comparator}'. Got value {}",
                        operand.text()
                    ))
                })?;
                AssessmentTest::Number { comparator, value }
            }
            None => AssessmentTest::Text(text_test(kind, comparator, operand, ASSESSMENT_COMPARATORS)?),
        },
    };
    Ok(Condition::Assessment { kind, name, test })
}
