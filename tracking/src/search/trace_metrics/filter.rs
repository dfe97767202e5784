//! The filters of questions about many traces: one comparison each, `trace.tag.mood = 'calm'`.

use rest::python::{repr, repr_list};

use super::super::{
    compile::{Args, quoted_text},
    parser::{Comparator, Comparison, Grammar, parse},
    traces,
};
use crate::{
    Error, Result,
    trace::{keys, metrics::MetricView},
};

const TRACE_ENTITIES: &[&str] = &["status", "tag", "metadata"];
const SPAN_ENTITIES: &[&str] = &["name", "status", "type"];
const ASSESSMENT_ENTITIES: &[&str] = &["name", "type"];

/// What a filter asks for.
#[derive(Debug)]
pub(super) enum Condition {
    /// A column of the trace.
    Trace(&'static str, String),
    /// A tag or metadata: its table, key and value.
    Keyed(&'static str, String, String),
    /// The run that the trace was made in or linked to.
    Run(String),
    /// Tokens or cost of the trace, which are metadata to clients.
    Analytics(traces::Condition),
    /// A column of the view's own table.
    Own(&'static str, String),
}

impl Condition {
    /// The condition as SQL; its values are added to `args`.
    pub(super) fn sql(self, view: MetricView, args: &mut Args) -> String {
        let is_of_assessments = view == MetricView::Assessments;
        let trace_id = if is_of_assessments { "assessments.trace_id" } else { "trace_info.request_id" };
        let of_trace = |condition: String| {
            if is_of_assessments {
                format!(
                    "EXISTS (SELECT 1 FROM trace_info WHERE trace_info.request_id = assessments.trace_id \
                     AND {condition})"
                )
            } else {
                condition
            }
        };
        match self {
            Self::Trace(column, value) => {
                args.push(value);
                of_trace(format!("{column} = ?"))
            }
            Self::Keyed(table, key, value) => keyed(table, key, value, trace_id, args),
            Self::Run(run) => {
                let made_in = keyed(METADATA, keys::SOURCE_RUN.to_owned(), run.clone(), trace_id, args);
                args.push(run);
                format!(
                    "({made_in} OR EXISTS (SELECT 1 FROM entity_associations WHERE source_id = {trace_id} \
                     AND source_type = 'trace' AND destination_type = 'run' AND destination_id = ?))"
                )
            }
            Self::Analytics(condition) => of_trace(condition.sql("NULL", &[], args)),
            Self::Own(column, value) => {
                args.push(value);
                format!("{column} = ?")
            }
        }
    }
}

const TAGS: &str = "trace_tags";
const METADATA: &str = "trace_request_metadata";

fn keyed(table: &str, key: String, value: String, trace_id: &str, args: &mut Args) -> String {
    args.push(key);
    args.push(value);
    format!(
        "EXISTS (SELECT 1 FROM {table} WHERE {table}.request_id = {trace_id} AND {table}.\"key\" = ? \
         AND {table}.value = ?)"
    )
}

/// Reads a filter of a view.
pub(super) fn condition(filter: &str, view: MetricView) -> Result<Condition> {
    let mut comparisons = parse(filter, Grammar::TraceMetrics)?;
    let (Some(comparison), true) = (comparisons.pop(), comparisons.is_empty()) else {
        return Err(Error::invalid(format!("Invalid filter: '{filter}'. Expected one filter clause.")));
    };
    let (of, entity, key) = identifier(comparison.identifier)?;
    let Comparison { comparator, operand, .. } = &comparison;
    if *comparator != Comparator::Equal {
        return Err(Error::invalid(format!(
            "Invalid comparator: '{}', only '=' operator is supported",
            comparator.text()
        )));
    }
    let value = quoted_text(operand).unwrap_or_else(|| {
        Err(Error::invalid(format!(
            "Expected a quoted string value for {entity} value (e.g. 'my-value'). Got value {}",
            operand.text()
        )))
    })?;
    let of_own = |what: &str, own: MetricView, column: &'static str, value: String| {
        if view == own {
            return Ok(Condition::Own(column, value));
        }
        Err(Error::invalid(format!(
            "Filtering by {what} is only supported for {} view type, got {}",
            own.name(),
            view.name()
        )))
    };
    Ok(match (of, entity, key) {
        ("trace", "status", _) => Condition::Trace("trace_info.status", value),
        ("trace", "tag", Some(keys::TRACE_NAME)) => Condition::Trace("trace_info.trace_name", value),
        ("trace", "tag", Some(key)) => Condition::Keyed(TAGS, key.to_owned(), value),
        ("trace", _, Some(keys::SESSION)) => Condition::Trace("trace_info.session_id", value),
        ("trace", _, Some(keys::SOURCE_RUN)) => Condition::Run(value),
        ("trace", _, Some(key @ (keys::TOKEN_USAGE | keys::COST))) => {
            Condition::Analytics(traces::analytics(key, comparator, operand)?)
        }
        ("trace", _, key) => Condition::Keyed(METADATA, key.unwrap_or_default().to_owned(), value),
        ("span", "name", _) => of_own("span", MetricView::Spans, "spans.name", value)?,
        ("span", "status", _) => of_own("span", MetricView::Spans, "spans.status", value)?,
        ("span", ..) => of_own("span", MetricView::Spans, "spans.type", value)?,
        (_, "name", _) => of_own("assessment", MetricView::Assessments, "assessments.name", value)?,
        _ => of_own("assessment", MetricView::Assessments, "assessments.assessment_type", value)?,
    })
}

/// `trace.status`, or `trace.tag.KEY`: what is looked at, which part of it, and the part's key.
fn identifier(text: &str) -> Result<(&str, &str, Option<&str>)> {
    let mut parts = text.splitn(3, '.');
    let (Some(of), Some(entity), key) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Error::invalid(format!(
            "Invalid identifier {}. Columns should be specified as 'trace.<key>', 'span.<key>', 'assessment.<key>'.",
            repr(text)
        )));
    };
    let of = within(of, '`').unwrap_or(of);
    let entities = match of {
        "trace" => TRACE_ENTITIES,
        "span" => SPAN_ENTITIES,
        "assessment" => ASSESSMENT_ENTITIES,
        _ => {
            return Err(Error::invalid(format!(
                "Invalid view type '{of}'. Valid values are dict_keys(['trace', 'span', 'assessment'])"
            )));
        }
    };
    if !entities.contains(&entity) {
        return Err(Error::invalid(format!(
            "Invalid entity '{entity}' specified for view type '{of}'. Valid entities are {}",
            repr_list(entities.iter().copied())
        )));
    }
    match (matches!(entity, "tag" | "metadata"), key) {
        (true, None) => {
            Err(Error::invalid(format!("Filtering by {entity} requires a key, e.g. '{of}.{entity}.<key> = <value>'")))
        }
        (false, Some(_)) => {
            Err(Error::invalid(format!("Filtering by {entity} does not require a key, use '{of}.{entity}' instead")))
        }
        (_, key) => {
            let unquoted = |key| within(key, '\'').or_else(|| within(key, '"')).unwrap_or(key);
            let key = key.map(unquoted).map(|key| within(key, '`').unwrap_or(key));
            Ok((of, entity, key))
        }
    }
}

/// What stands within a pair of quotes.
fn within(text: &str, quote: char) -> Option<&str> {
    text.strip_prefix(quote)?.strip_suffix(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_filter_cannot_say_is_refused() {
        let check = |filter: &str, expect: &str| {
            let error = condition(filter, MetricView::Traces).unwrap_err();
            assert_eq!(error.to_string(), expect, "{filter}");
        };
        check("", "Invalid filter: ''. Expected one filter clause.");
        check("trace.status = 'OK' AND trace.status = 'OK'", "Invalid clause(s) in filter string: AND");
        check(
            "trace.status = 'OK' trace.status = 'OK'",
            "Invalid filter: 'trace.status = 'OK' trace.status = 'OK''. Expected one filter clause.",
        );
        check("trace.status != 'OK'", "Invalid comparator: '!=', only '=' operator is supported");
        check("trace.status = 5", "Expected a quoted string value for status value (e.g. 'my-value'). Got value 5");
        check("trace.tag = 'a'", "Filtering by tag requires a key, e.g. 'trace.tag.<key> = <value>'");
        check("trace.status.x = 'a'", "Filtering by status does not require a key, use 'trace.status' instead");
        check(
            "trace.name = 'a'",
            "Invalid entity 'name' specified for view type 'trace'. Valid entities are ['status', 'tag', 'metadata']",
        );
        check("span.name = 'a'", "Filtering by span is only supported for SPANS view type, got TRACES");
        check("run.name = 'a'", "Invalid view type 'run'. Valid values are dict_keys(['trace', 'span', 'assessment'])");
    }

    #[test]
    fn keys_may_have_dots_and_quotes() {
        let check = |filter: &str, expect: &str| {
            assert_eq!(format!("{:?}", condition(filter, MetricView::Traces).unwrap()), expect, "{filter}");
        };
        check("trace.tag.`my.key` = 'x'", r#"Keyed("trace_tags", "my.key", "x")"#);
        check("trace.metadata.`mlflow.sourceRun` = \"r\"", r#"Run("r")"#);
        check("trace.tag.`mlflow.traceName` = 'n'", r#"Trace("trace_info.trace_name", "n")"#);
    }
}
