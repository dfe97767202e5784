//! Searching runs by metrics, params, tags, attributes and datasets.

use db::Value;

use super::{
    Query,
    compile::{
        NUMBER_COMPARATORS, TEXT_COMPARATORS, TextOperand, TextTest, invalid_comparator, invalid_key, list_texts,
        number_comparator, quoted_text,
    },
    parser::{Comparator, Comparison, Operand, parse, parse_order, split_identifier},
};
use crate::{
    Error, Result,
    experiment::{ExperimentId, ViewType},
    run::RUN_NAME_TAG,
    store::in_list,
    validate::python_list,
};

const KEYED_TEXT_COMPARATORS: &[&str] = &["!=", "=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL"];
const ENTITIES: &[&str] = &["metric", "parameter", "tag", "attribute", "dataset"];
const ATTRIBUTE_KEYS: &[&str] = &[
    "artifact_uri",
    "end_time",
    "run_id",
    "run_name",
    "start_time",
    "status",
    "user_id",
    "created",
    "Created",
    "run name",
    "Run name",
    "Run Name",
];
const DATASET_KEYS: &[&str] = &["name", "digest", "context"];

/// What a run is searched or sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Metric(String),
    Param(String),
    Tag(String),
    Attribute(Attribute),
    Dataset(&'static str),
}

/// What every run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    RunId,
    RunName,
    Status,
    ArtifactUri,
    UserId,
    StartTime,
    EndTime,
}

/// One condition on a run.
#[derive(Debug)]
enum Condition {
    /// The latest value of a metric.
    Metric { key: String, comparator: &'static str, value: f64 },
    /// The value of a param or tag.
    Keyed { table: &'static str, key: String, test: TextTest },
    /// Whether a param or tag is there at all.
    Presence { table: &'static str, key: String, is_present: bool },
    /// A text that every run has.
    Text { column: &'static str, test: TextTest },
    /// A time (ms since 1970).
    Time { column: &'static str, comparator: &'static str, value: Value },
    /// A field of a dataset that the run read.
    Dataset { field: &'static str, test: TextTest },
}

/// Joins, conditions and order of a search over the table `runs`.
pub(crate) fn runs_query(
    experiment_ids: &[ExperimentId],
    filter: &str,
    order_by: &[String],
    view: ViewType,
) -> Result<Query> {
    let conditions = parse(filter)?.into_iter().map(condition).collect::<Result<Vec<_>>>()?;
    let Sorted { joins, join_args: mut args, order } = sort(order_by)?;
    let (marks, ids) = in_list(experiment_ids.iter().map(|id| id.0));
    args.extend(ids);
    let stages: Vec<String> = view.stages().iter().map(|stage| format!("'{stage}'")).collect();
    let mut sql =
        format!("{joins}WHERE runs.experiment_id IN ({marks}) AND runs.lifecycle_stage IN ({})", stages.join(", "));
    for condition in conditions {
        sql.push_str(" AND ");
        sql.push_str(&condition.sql(&mut args));
    }
    sql.push_str(" ORDER BY ");
    sql.push_str(&order);
    Ok(Query { sql, args })
}

fn condition(comparison: Comparison<'_>) -> Result<Condition> {
    let subject = subject(comparison.identifier)?;
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
            Ok(Condition::Metric { key, comparator, value })
        }
        Subject::Param(key) => keyed("params", "parameter", key, &comparator, &operand),
        Subject::Tag(key) => keyed("tags", "tag", key, &comparator, &operand),
        Subject::Attribute(attribute @ (Attribute::StartTime | Attribute::EndTime)) => {
            let key = split_identifier(comparison.identifier).1;
            let value = time_value(key, &operand)?;
            let comparator =
                number_comparator(&comparator).ok_or_else(|| invalid_comparator(&comparator, NUMBER_COMPARATORS))?;
            Ok(Condition::Time { column: attribute.column(), comparator, value })
        }
        Subject::Attribute(attribute) => {
            let operand = attribute_value(attribute, &operand)?;
            let test =
                TextTest::new(&comparator, operand).ok_or_else(|| invalid_comparator(&comparator, TEXT_COMPARATORS))?;
            // Runs of very old clients have their name only in the tag.
            Ok(match attribute {
                Attribute::RunName => Condition::Keyed { table: "tags", key: RUN_NAME_TAG.to_owned(), test },
                other => Condition::Text { column: other.column(), test },
            })
        }
        Subject::Dataset(field) => {
            let operand = dataset_value(&operand)?;
            let test =
                TextTest::new(&comparator, operand).ok_or_else(|| invalid_comparator(&comparator, TEXT_COMPARATORS))?;
            Ok(Condition::Dataset { field, test })
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
        return Ok(Condition::Presence { table, key, is_present: *comparator == Comparator::IsNotNull });
    }
    let text = quoted_text(operand).unwrap_or_else(|| {
        Err(Error::invalid(format!(
            "Expected a quoted string value for {entity} (e.g. 'my-value'). Got value {}",
            operand.text()
        )))
    })?;
    let test = TextTest::new(comparator, TextOperand::One(text))
        .ok_or_else(|| invalid_comparator(comparator, KEYED_TEXT_COMPARATORS))?;
    Ok(Condition::Keyed { table, key, test })
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

fn subject(identifier: &str) -> Result<Subject> {
    let (entity, key) = split_identifier(identifier);
    match entity {
        None | Some("attribute" | "attributes" | "attr" | "run") => {
            Attribute::named(key).map(Subject::Attribute).ok_or_else(|| invalid_key("attribute", key, ATTRIBUTE_KEYS))
        }
        Some("metric" | "metrics") => Ok(Subject::Metric(key.to_owned())),
        Some("parameter" | "parameters" | "param" | "params") => Ok(Subject::Param(key.to_owned())),
        Some("tag" | "tags") => Ok(Subject::Tag(key.to_owned())),
        Some("dataset" | "datasets") => (DATASET_KEYS.iter().find(|known| **known == key))
            .map(|field| Subject::Dataset(field))
            .ok_or_else(|| invalid_key("dataset", key, DATASET_KEYS)),
        Some(other) => Err(Error::invalid(format!(
            "Invalid entity type '{other}'. Valid values are {}",
            python_list(ENTITIES.iter().copied())
        ))),
    }
}

impl Subject {
    fn kind(&self) -> &'static str {
        match self {
            Self::Metric(_) => "metric",
            Self::Param(_) => "parameter",
            Self::Tag(_) => "tag",
            Self::Attribute(_) => "attribute",
            Self::Dataset(_) => "dataset",
        }
    }
}

impl Attribute {
    fn named(key: &str) -> Option<Self> {
        Some(match key {
            "run_id" => Self::RunId,
            "run_name" | "run name" | "Run name" | "Run Name" => Self::RunName,
            "status" => Self::Status,
            "artifact_uri" => Self::ArtifactUri,
            "user_id" => Self::UserId,
            "start_time" | "created" | "Created" => Self::StartTime,
            "end_time" => Self::EndTime,
            _ => return None,
        })
    }

    fn column(self) -> &'static str {
        match self {
            Self::RunId => "runs.run_uuid",
            Self::RunName => "runs.name",
            Self::Status => "runs.status",
            Self::ArtifactUri => "runs.artifact_uri",
            Self::UserId => "runs.user_id",
            Self::StartTime => "runs.start_time",
            Self::EndTime => "runs.end_time",
        }
    }
}

impl Condition {
    /// The condition as SQL; its values are added to `args`.
    ///
    /// Sets of run ids, rather than a lookup per run, let the database start from the few that match.
    fn sql(self, args: &mut Vec<Value>) -> String {
        match self {
            Self::Metric { key, comparator, value } => {
                args.extend([key.into(), value.into()]);
                // NaN is stored as a flag, and differs from every number.
                let nan = if comparator == "!=" { "OR is_nan" } else { "AND NOT is_nan" };
                format!(
                    "runs.run_uuid IN (SELECT run_uuid FROM latest_metrics \
                     WHERE \"key\" = ? AND (value {comparator} ? {nan}))"
                )
            }
            Self::Keyed { table, key, test } => {
                args.push(key.into());
                let test = test.sql("value", args);
                format!("runs.run_uuid IN (SELECT run_uuid FROM {table} WHERE \"key\" = ? AND {test})")
            }
            Self::Presence { table, key, is_present } => {
                args.push(key.into());
                let not = if is_present { "" } else { "NOT " };
                format!("runs.run_uuid {not}IN (SELECT run_uuid FROM {table} WHERE \"key\" = ?)")
            }
            Self::Text { column, test } => test.sql(column, args),
            Self::Time { column, comparator, value } => {
                args.push(value);
                format!("{column} {comparator} ?")
            }
            Self::Dataset { field: "context", test } => {
                let test = test.sql("input_tags.value", args);
                format!(
                    "runs.run_uuid IN (SELECT inputs.destination_id FROM inputs \
                     JOIN datasets ON datasets.dataset_uuid = inputs.source_id \
                     JOIN input_tags ON input_tags.input_uuid = inputs.input_uuid \
                     WHERE input_tags.name = 'mlflow.data.context' AND {test})"
                )
            }
            Self::Dataset { field, test } => {
                let test = test.sql(&format!("datasets.{field}"), args);
                format!(
                    "runs.run_uuid IN (SELECT inputs.destination_id FROM inputs \
                     JOIN datasets ON datasets.dataset_uuid = inputs.source_id WHERE {test})"
                )
            }
        }
    }
}

/// Order clauses as SQL, with the joins that bring their values in.
#[derive(Default)]
struct Sorted {
    joins: String,
    join_args: Vec<Value>,
    order: String,
}

/// Runs without the value come last in both directions, runs whose metric is NaN before them; then the latest start.
fn sort(order_by: &[String]) -> Result<Sorted> {
    let mut sorted = Sorted::default();
    let mut seen: Vec<Subject> = Vec::new();
    for (place, clause) in order_by.iter().enumerate() {
        let ordering = parse_order(clause)?;
        let subject = subject(ordering.identifier)?;
        if seen.contains(&subject) {
            return Err(Error::invalid(format!(
                "`order_by` contains duplicate fields: {}",
                python_list(order_by.iter().map(String::as_str))
            )));
        }
        let direction = if ordering.is_ascending { "ASC" } else { "DESC" };
        let joined = format!("sort_{place}");
        let column = match &subject {
            Subject::Metric(key) => sorted.join("latest_metrics", &joined, key),
            Subject::Param(key) => sorted.join("params", &joined, key),
            Subject::Tag(key) => sorted.join("tags", &joined, key),
            Subject::Attribute(attribute) => attribute.column().to_owned(),
            Subject::Dataset(_) => return Err(Error::invalid("Invalid identifier type 'dataset'")),
        };
        let rank = if let Subject::Metric(_) = subject {
            format!("CASE WHEN {joined}.is_nan THEN 1 WHEN {column} IS NULL THEN 2 ELSE 0 END")
        } else {
            format!("CASE WHEN {column} IS NULL THEN 1 ELSE 0 END")
        };
        sorted.order.extend([&rank, ", ", &column, " ", direction, ", "]);
        seen.push(subject);
    }
    if !seen.contains(&Subject::Attribute(Attribute::StartTime)) {
        sorted.order.push_str("runs.start_time DESC, ");
    }
    sorted.order.push_str("runs.run_uuid");
    Ok(sorted)
}

impl Sorted {
    /// Joins the value of a key, and gives its column.
    fn join(&mut self, table: &str, joined: &str, key: &str) -> String {
        let on = format!("{joined}.run_uuid = runs.run_uuid AND {joined}.\"key\" = ?");
        self.joins.extend(["LEFT JOIN ", table, " AS ", joined, " ON ", &on, " "]);
        self.join_args.push(key.into());
        format!("{joined}.value")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(filter: &str, order_by: &[&str]) -> Result<Query> {
        let order_by: Vec<String> = order_by.iter().map(|clause| (*clause).to_owned()).collect();
        runs_query(&[ExperimentId(1)], filter, &order_by, ViewType::ActiveOnly)
    }

    #[test]
    fn a_search_is_one_statement_with_bound_values() {
        let found = query("metrics.a > 1 AND params.b LIKE 'x%' AND attr.status = \"DONE\"", &["metrics.m DESC"]);
        let found = found.unwrap();
        assert_eq!(
            found.sql,
            "LEFT JOIN latest_metrics AS sort_0 ON sort_0.run_uuid = runs.run_uuid AND sort_0.\"key\" = ? WHERE \
             runs.experiment_id IN (?) AND runs.lifecycle_stage IN ('active') AND runs.run_uuid IN (SELECT run_uuid \
             FROM latest_metrics WHERE \"key\" = ? AND (value > ? AND NOT is_nan)) AND runs.run_uuid IN (SELECT \
             run_uuid FROM params WHERE \"key\" = ? AND value LIKE ?) AND runs.status = ? ORDER BY CASE WHEN \
             sort_0.is_nan THEN 1 WHEN sort_0.value IS NULL THEN 2 ELSE 0 END, sort_0.value DESC, runs.start_time \
             DESC, runs.run_uuid"
        );
        let expect: Vec<Value> =
            vec!["m".into(), 1_i64.into(), "a".into(), 1.0.into(), "b".into(), "x%".into(), "DONE".into()];
        assert_eq!(found.args, expect);
    }

    #[test]
    fn what_cannot_be_searched_is_said() {
        let check = |filter: &str, expect: &str| {
            let message = query(filter, &[]).unwrap_err().to_string();
            assert!(message.starts_with(expect), "{filter}: {message}");
        };
        check("attributes.foo = 'x'", "Invalid attribute key 'foo' specified. Valid keys are '{");
        check(
            "foo.bar = 'x'",
            "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute'",
        );
        check("metrics.a = 'x'", "Expected numeric value type for metric. Found 'x'");
        check("metrics.a LIKE 1", "Invalid comparator 'LIKE' not one of '{'>', '>=");
        check("params.a = 1", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1");
        check("params.a = x", "Parameter value is either not quoted");
        check("params.a > 'x'", "Invalid comparator '>' not one of");
        check("tags.a RLIKE 'x'", "Invalid comparator 'RLIKE' not one of");
        check("status IN ('x')", "Only ['run_id'] attributes support comparison with a list");
        check(
            "run_id IN ()",
            "While parsing a list in the query, expected a non-empty list of string values, but got e",
        );
        check("run_id IN (1)", "While parsing a list in the query, expected string value, punctuation");
        check(
            "run_id IN ('a' 'b')",
            "While parsing a list in the query, expected a non-empty list of string values, bu",
        );
        check("run_id = ('a')", "Invalid comparator '=' not one of");
        check("start_time > 'x'", "Expected numeric value type for numeric attribute: start_time. Found 'x'");
        check("metrics.a IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'a'");
        check("dataset.foo = 'x'", "Invalid dataset key 'foo' specified");
    }

    #[test]
    fn order_by_names_each_key_once() {
        let error = |order_by: &[&str]| query("", order_by).unwrap_err().to_string();
        let twice = error(&["start_time", "attributes.created DESC"]);
        assert_eq!(twice, "`order_by` contains duplicate fields: ['start_time', 'attributes.created DESC']");
        assert_eq!(error(&["dataset.name"]), "Invalid identifier type 'dataset'");
        assert!(query("", &["start_time"]).unwrap().sql.ends_with(
            "ORDER BY CASE WHEN runs.start_time IS NULL THEN 1 ELSE 0 END, runs.start_time ASC, runs.run_uuid"
        ));
    }

    proptest! {
        #[test]
        fn every_accepted_filter_binds_each_value(
            filter in r#"(metrics\.a|params\.b|run_id|status|dataset\.name|start_time) (=|!=|<|LIKE|IN|IS NULL) ('x'|1|2\.5|\('a','b'\)|x)?( AND tags\.c = 'd')?"#
        ) {
            if let Ok(found) = query(&filter, &["tags.x"]) {
                prop_assert_eq!(found.sql.matches('?').count(), found.args.len());
            }
        }
    }
}
