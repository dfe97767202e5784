//! Searching traces by attributes, tags, metadata, spans and assessments.

mod condition;
mod order;
mod spans;

use db::Dialect;
use rest::python::repr_list;

use super::{
    Query,
    compile::{
        Args, IntegerTest, TextOperand, TextTest, invalid_comparator, invalid_key, number_comparator, quoted_text,
    },
    list::list_texts,
    parser::{Comparator, Comparison, Grammar, Operand, parse, split_identifier},
};
use crate::{Error, Result, experiment::ExperimentId, store::in_list, trace::keys};
pub(super) use condition::{Condition, analytics};

const NUMBER_COMPARATORS: &[&str] = &[">", ">=", "!=", "=", "<", "<="];
const TEXT_COMPARATORS: &[&str] = &["!=", "=", "IN", "NOT IN", "LIKE", "ILIKE", "RLIKE"];
const KEYED_COMPARATORS: &[&str] = &["!=", "=", "LIKE", "ILIKE", "RLIKE", "IS NULL", "IS NOT NULL"];
const ASSESSMENT_COMPARATORS: &[&str] =
    &["!=", "=", ">", ">=", "<", "<=", "LIKE", "ILIKE", "RLIKE", "IS NULL", "IS NOT NULL"];
const ENTITIES: &[&str] = &["tag", "request_metadata", "attribute", "span", "feedback", "expectation", "issue"];
const ATTRIBUTE_KEYS: &[&str] = &[
    "request_id",
    "timestamp",
    "timestamp_ms",
    "execution_time",
    "execution_time_ms",
    "end_time",
    "end_time_ms",
    "status",
    "client_request_id",
    "name",
    "run_id",
    "prompt",
    "text",
];

/// Keys at most to sort by: each may be a join, and SQLite joins at most 64 tables.
const ORDER_MAX: usize = 60;

/// Values at most in a search's statement; SQLite takes 32,766, and the page's size and place are two of them.
const VALUES_MAX: usize = 32_764;

/// When a trace ended; one that runs counts from its start.
const END_TIME: &str = "(trace_info.timestamp_ms + COALESCE(trace_info.execution_time_ms, 0))";

/// What a trace is searched by.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    /// A number of the trace, by its SQL.
    Number(&'static str, &'static str),
    /// A text of the trace, by its column.
    Text(&'static str),
    Tag(String),
    Metadata(String),
    RunId,
    Prompt,
    Span(String),
    /// `feedback` or `expectation`, and the assessment's name.
    Assessment(&'static str, String),
    Issue(String),
}

/// Joins, conditions and order of a search over the table `trace_info`.
pub(crate) fn traces_query(
    experiment_ids: &[ExperimentId],
    filter: &str,
    order_by: &[String],
    dialect: Dialect,
) -> Result<Query> {
    if order_by.len() > ORDER_MAX {
        return Err(Error::invalid(format!("A search for traces may have at most {ORDER_MAX} order_by fields.")));
    }
    let conditions = parse(filter, Grammar::Traces)?.into_iter().map(condition).collect::<Result<Vec<_>>>()?;
    let order::Sorted { joins, join_args, order } = order::sort(order_by)?;
    let mut args = Args { dialect, values: join_args };
    let (marks, ids) = in_list(experiment_ids.iter().map(|id| id.0));
    args.extend(ids.clone());
    let mut sql = format!("{joins}WHERE trace_info.experiment_id IN ({marks})");
    // All conditions on spans have to hold for one and the same span.
    let (of_spans, of_traces): (Vec<_>, Vec<_>) =
        conditions.into_iter().partition(|it| matches!(it, Condition::Span(_)));
    for condition in of_traces {
        sql.push_str(" AND ");
        sql.push_str(&condition.sql(&marks, &ids, &mut args));
    }
    if !of_spans.is_empty() {
        // By trace alone: a second column would tempt SQLite to go through all spans of the experiment for each trace.
        sql.push_str(" AND EXISTS (SELECT 1 FROM spans WHERE spans.trace_id = trace_info.request_id");
        for condition in of_spans {
            sql.push_str(" AND ");
            sql.push_str(&condition.sql(&marks, &ids, &mut args));
        }
        sql.push(')');
    }
    sql.push_str(" ORDER BY ");
    sql.push_str(&order);
    if args.values.len() > VALUES_MAX {
        return Err(Error::invalid(format!(
            "The search has {} values, of its experiments and its filter; at most {VALUES_MAX} are taken. Search fewer \
             experiments at once.",
            args.values.len()
        )));
    }
    Ok(Query { sql, args: args.values })
}

/// The test that a regular expression matches.
fn matches(pattern: String) -> Result<TextTest> {
    regex::Regex::new(&pattern)
        .map_err(|error| Error::invalid(format!("Invalid regular expression '{pattern}' after RLIKE: {error}")))?;
    Ok(TextTest::Matches(pattern))
}

fn condition(comparison: Comparison<'_>) -> Result<Condition> {
    let subject = subject(comparison.identifier)?;
    let Comparison { comparator, operand, .. } = comparison;
    match subject {
        Subject::Number(key, expression) => {
            let comparator =
                number_comparator(&comparator).ok_or_else(|| invalid_comparator(&comparator, NUMBER_COMPARATORS))?;
            let test = IntegerTest::new(comparator, &operand).ok_or_else(|| not_a_number(key, &operand))?;
            Ok(Condition::Number { expression, test })
        }
        Subject::Text(column) => Ok(match presence(&comparator) {
            Some(is_present) => Condition::ColumnPresence { column, is_present },
            None => Condition::Text { column, test: text_test("attributes", &comparator, &operand, TEXT_COMPARATORS)? },
        }),
        Subject::Tag(key) => keyed("trace_tags", "tag", key, &comparator, &operand),
        Subject::Metadata(key) if key == keys::TOKEN_USAGE || key == keys::COST => {
            condition::analytics(&key, &comparator, &operand)
        }
        Subject::Metadata(key) => keyed("trace_request_metadata", "request_metadata", key, &comparator, &operand),
        Subject::RunId => {
            let test = text_test("attributes", &comparator, &operand, TEXT_COMPARATORS)?;
            Ok(Condition::Run(test))
        }
        Subject::Prompt => condition::prompt(&comparator, &operand),
        Subject::Span(key) => spans::condition(&key, &comparator, &operand),
        Subject::Assessment(kind, name) => condition::assessment(kind, name, &comparator, &operand),
        Subject::Issue(key) => condition::issue(&key, &comparator, &operand),
    }
}

fn subject(identifier: &str) -> Result<Subject> {
    let (entity, key) = split_identifier(identifier);
    match entity {
        None | Some("attribute" | "attributes" | "trace") => attribute(key),
        Some("tag" | "tags") if key == keys::TRACE_NAME => Ok(Subject::Text("trace_info.trace_name")),
        Some("tag" | "tags") if key == keys::LINKED_PROMPTS => Ok(Subject::Prompt),
        Some("tag" | "tags") => Ok(Subject::Tag(key.to_owned())),
        Some("request_metadata" | "metadata") if key == keys::SESSION => Ok(Subject::Text("trace_info.session_id")),
        Some("request_metadata" | "metadata") if key == keys::SOURCE_RUN => Ok(Subject::RunId),
        Some("request_metadata" | "metadata") => Ok(Subject::Metadata(key.to_owned())),
        Some("span") => Ok(Subject::Span(key.to_owned())),
        Some("feedback") => Ok(Subject::Assessment("feedback", key.to_owned())),
        Some("expectation") => Ok(Subject::Assessment("expectation", key.to_owned())),
        Some("issue") => Ok(Subject::Issue(key.to_owned())),
        Some(other) => Err(Error::invalid(format!(
            "Invalid entity type '{other}'. Valid values are {}",
            repr_list(ENTITIES.iter().copied())
        ))),
    }
}

fn attribute(key: &str) -> Result<Subject> {
    Ok(match key {
        "request_id" => Subject::Text("trace_info.request_id"),
        "status" => Subject::Text("trace_info.status"),
        "client_request_id" => Subject::Text("trace_info.client_request_id"),
        "name" => Subject::Text("trace_info.trace_name"),
        "timestamp" | "timestamp_ms" => Subject::Number("timestamp_ms", "trace_info.timestamp_ms"),
        "execution_time" | "execution_time_ms" => Subject::Number("execution_time_ms", "trace_info.execution_time_ms"),
        "end_time" | "end_time_ms" => Subject::Number("end_time_ms", END_TIME),
        "run_id" => Subject::RunId,
        "prompt" => Subject::Prompt,
        "text" => Subject::Span("content".to_owned()),
        _ => return Err(invalid_key("attribute", key, ATTRIBUTE_KEYS)),
    })
}

/// Whether a comparator only asks if there is a value.
fn presence(comparator: &Comparator) -> Option<bool> {
    match comparator {
        Comparator::IsNull => Some(false),
        Comparator::IsNotNull => Some(true),
        _ => None,
    }
}

fn keyed(
    table: &'static str,
    entity: &str,
    key: String,
    comparator: &Comparator,
    operand: &Operand<'_>,
) -> Result<Condition> {
    if let Some(is_present) = presence(comparator) {
        return Ok(Condition::Presence { table, key, is_present });
    }
    Ok(Condition::Keyed { table, key, test: text_test(entity, comparator, operand, KEYED_COMPARATORS)? })
}

/// The test of a comparator out of `valid` on a quoted text, or on a list of them.
fn text_test(entity: &str, comparator: &Comparator, operand: &Operand<'_>, valid: &[&str]) -> Result<TextTest> {
    if !valid.contains(&comparator.text()) {
        return Err(invalid_comparator(comparator, valid));
    }
    let operand = match operand {
        Operand::List(list) => TextOperand::Many(list_texts(list)?),
        other => TextOperand::One(text(entity, other)?),
    };
    match (comparator, operand) {
        (Comparator::Rlike, TextOperand::One(pattern)) => matches(pattern),
        (_, operand) => TextTest::new(comparator, operand).ok_or_else(|| invalid_comparator(comparator, valid)),
    }
}

fn text(entity: &str, operand: &Operand<'_>) -> Result<String> {
    quoted_text(operand).unwrap_or_else(|| {
        Err(Error::invalid(format!(
            "Expected a quoted string value for {entity} (e.g. 'my-value'). Got value {}",
            operand.text()
        )))
    })
}

fn not_a_number(key: &str, operand: &Operand<'_>) -> Error {
    Error::invalid(format!("Expected numeric value type for numeric attribute: {key}. Found {}", operand.text()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(filter: &str, order_by: &[&str]) -> Result<Query> {
        let order_by: Vec<String> = order_by.iter().map(|clause| (*clause).to_owned()).collect();
        traces_query(&[ExperimentId(1)], filter, &order_by, Dialect::Sqlite)
    }

    #[test]
    fn conditions_on_spans_hold_for_one_span() {
        let found = query("trace.status = 'OK' AND span.name = 'llm' AND tags.k LIKE 'v%' AND span.type = 'TOOL'", &[]);
        let found = found.unwrap();
        assert_eq!(
            found.sql,
            "WHERE trace_info.experiment_id IN (?) AND trace_info.status = ? AND trace_info.request_id IN (SELECT \
             trace_tags.request_id FROM trace_tags WHERE trace_tags.\"key\" = ? AND trace_tags.value LIKE ?) AND EXISTS (SELECT 1 FROM spans WHERE \
             spans.trace_id = trace_info.request_id AND spans.name = ? AND spans.type = ?) ORDER BY trace_info.timestamp_ms DESC, trace_info.request_id"
        );
        let expect: Vec<db::Value> =
            vec![1_i64.into(), "OK".into(), "k".into(), "v%".into(), "llm".into(), "TOOL".into()];
        assert_eq!(found.args, expect);
    }

    #[test]
    fn what_cannot_be_searched_is_said() {
        let check = |filter: &str, expect: &str| {
            let message = query(filter, &[]).unwrap_err().to_string();
            assert!(message.starts_with(expect), "{filter}: {message}");
        };
        check("foo = 'x'", "Invalid attribute key 'foo' specified. Valid keys are '{");
        check("foo.bar = 'x'", "Invalid entity type 'foo'. Valid values are ['tag', 'request_metadata'");
        check("status = OK", "Parameter value is either not quoted");
        check("status > 'OK'", "Invalid comparator '>' not one of");
        check("status = 1", "Expected a quoted string value for attributes");
        check("timestamp_ms > 'x'", "Expected numeric value type for numeric attribute: timestamp_ms. Found 'x'");
        check("timestamp_ms LIKE 'x'", "Invalid comparator 'LIKE' not one of");
        check("tags.a IN ('x')", "Invalid comparator 'IN' not one of");
        check("tags.a RLIKE '('", "Invalid regular expression '(' after RLIKE");
        check("span.foo = 'x'", "Invalid span attribute 'foo'. Supported attributes: name, status, type, attributes.");
        check("span.content = 'x'", "span.content comparator '=' not one of");
        check("span.attributes. = 'x'", "Span attribute name cannot be empty");
        check("feedback.a > 'x'", "Expected a numeric value for feedback when using comparator '>'. Got value 'x'");
        check("feedback.a = 1", "Expected a quoted string value for feedback (e.g. 'my-value'). Got value 1");
        check("issue.name = 'x'", "Invalid issue attribute 'name'. Supported attributes: id");
        check("issue.id != 'x'", "issue.id comparator '!=' not one of");
        check("prompt = 'x'", "Invalid prompts filter value 'x'");
        check("prompt != 'x/1'", "Invalid comparator '!=' for prompts filter");
        check("metadata.mlflow.trace.tokenUsage LIKE 'x'", "Comparator 'LIKE' is not supported for reserved metadata");
        check("status = 'OK' OR status = 'ERROR'", "Invalid clause(s) in filter string: 'OR'");
    }

    #[test]
    fn order_by_names_each_key_once() {
        let sql = query("", &["timestamp", "tags.k DESC"]).unwrap().sql;
        assert!(
            sql.starts_with("LEFT JOIN trace_tags AS sort_1 ON sort_1.request_id = trace_info.request_id"),
            "{sql}"
        );
        assert!(
            sql.ends_with(
                "ORDER BY CASE WHEN trace_info.timestamp_ms IS NULL THEN 1 ELSE 0 END, \
            trace_info.timestamp_ms ASC, CASE WHEN sort_1.value IS NULL THEN 1 ELSE 0 END, sort_1.value DESC, \
            trace_info.request_id"
            ),
            "{sql}"
        );
        let error = |order_by: &[&str]| query("", order_by).unwrap_err().to_string();
        assert_eq!(
            error(&["timestamp", "timestamp_ms DESC"]),
            "`order_by` contains duplicate fields: ['timestamp', 'timestamp_ms DESC']"
        );
        assert_eq!(error(&["span.name"]), "Invalid identifier type 'span'");
        let many: Vec<String> = (0..61).map(|it| format!("tags.t{it}")).collect();
        let many = traces_query(&[ExperimentId(1)], "", &many, Dialect::Sqlite).unwrap_err().to_string();
        assert_eq!(many, "A search for traces may have at most 60 order_by fields.");
        let ids: Vec<ExperimentId> = (0..20_000).map(ExperimentId).collect();
        let many = traces_query(&ids, "", &[], Dialect::Sqlite).unwrap_err().to_string();
        assert!(many.starts_with("The search has 32768 values"), "{many}");
    }

    proptest! {
        #[test]
        fn every_accepted_filter_binds_each_value(
            filter in r"(tags\.a|metadata\.b|run_id|status|span\.name|span\.attributes\.x|timestamp|feedback\.q|text|name) (=|!=|<|LIKE|RLIKE|IN|IS NULL) ('x'|1|2\.5|\('a','b'\)|x)?( AND tags\.c = 'd')?"
        ) {
            if let Ok(found) = query(&filter, &["tags.x"]) {
                prop_assert_eq!(found.sql.matches('?').count(), found.args.len());
            }
        }
    }
}
