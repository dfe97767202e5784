//! Searching logged models by attributes, params, tags and what was measured on them.

use db::Value;

use super::{
    Query,
    compile::{TextOperand, TextTest, list_texts, number_comparator, quoted_text},
    parser::{Comparator, Comparison, Operand, parse, split_identifier},
};
use crate::{
    Error, Result,
    model::{MeasuredOn, ModelOrder, ModelSearch, ModelStatus},
    store::in_list,
};

/// Fields at most to sort by: each may be a join, and SQLite joins at most 64 tables.
const ORDER_MAX: usize = 60;
/// Experiments, and datasets, at most: each is one of the values that a statement can have.
const IDS_MAX: usize = 1000;

const NUMBER_COMPARATORS: &str = "('<', '<=', '>', '>=', '=', '!=')";
const TEXT_COMPARATORS: &str = "('=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN')";

/// What a model is searched or sorted by.
enum Subject<'f> {
    Text(&'static str),
    Time(&'static str),
    Status,
    Metric(&'f str),
    /// A table with a key and a value, and the key.
    Keyed {
        table: &'static str,
        column: &'static str,
        key: &'f str,
    },
}

/// Joins, conditions and order of a search over the table `logged_models`.
pub(crate) fn models_query(search: &ModelSearch) -> Result<Query> {
    if search.order_by.len() > ORDER_MAX || search.experiment_ids.len() > IDS_MAX || search.datasets.len() > IDS_MAX {
        return Err(Error::invalid(format!(
            "A search for models may have at most {ORDER_MAX} order_by fields, {IDS_MAX} experiments and {IDS_MAX} \
             datasets."
        )));
    }
    let sorted = sort(&search.order_by)?;
    let (marks, mut args) = in_list(search.experiment_ids.iter().map(|id| id.0));
    let mut tests = vec![
        format!("logged_models.experiment_id IN ({marks})"),
        "logged_models.lifecycle_stage != 'deleted'".to_owned(),
    ];
    let mut has_metric = false;
    for comparison in parse(&search.filter)? {
        let subject = Subject::parse(comparison.identifier)?;
        has_metric |= matches!(subject, Subject::Metric(_));
        tests.push(condition(&subject, &comparison, &search.datasets, &mut args)?);
    }
    if !search.datasets.is_empty() && !has_metric {
        let on = measured_on(&search.datasets, &mut args);
        tests.push(format!("logged_models.model_id IN (SELECT model_id FROM logged_model_metrics WHERE {on})"));
    }
    let sql = format!("{}WHERE {} ORDER BY {}", sorted.joins, tests.join(" AND "), sorted.order);
    let args = [sorted.args, args].concat();
    Ok(Query { sql, args })
}

impl<'f> Subject<'f> {
    fn parse(identifier: &'f str) -> Result<Self> {
        let (entity, key) = split_identifier(identifier);
        match entity {
            None | Some("attributes") => Self::attribute(key).ok_or_else(|| {
                Error::invalid(format!(
                    "Invalid attribute key '{key}' specified. Valid keys are 'name', 'model_id', 'model_type', \
                     'source_run_id', 'status', 'artifact_location', 'status_message', 'creation_timestamp' and \
                     'last_updated_timestamp'"
                ))
            }),
            Some("metrics") => Ok(Self::Metric(key)),
            Some("params") => Ok(Self::Keyed { table: "logged_model_params", column: "param", key }),
            Some("tags") => Ok(Self::Keyed { table: "logged_model_tags", column: "tag", key }),
            Some(other) => Err(Error::invalid(format!(
                "Invalid entity type: '{other}'. Expected one of ['attributes', 'metrics', 'params', 'tags']."
            ))),
        }
    }

    fn attribute(key: &str) -> Option<Self> {
        Some(match key {
            "name" => Self::Text("logged_models.name"),
            "model_id" => Self::Text("logged_models.model_id"),
            "model_type" => Self::Text("logged_models.model_type"),
            "status" => Self::Status,
            "source_run_id" => Self::Text("logged_models.source_run_id"),
            "artifact_location" => Self::Text("logged_models.artifact_location"),
            "status_message" => Self::Text("logged_models.status_message"),
            "creation_time" | "creation_timestamp" | "creation_timestamp_ms" => {
                Self::Time("logged_models.creation_timestamp_ms")
            }
            "last_updated_timestamp" | "last_updated_timestamp_ms" => {
                Self::Time("logged_models.last_updated_timestamp_ms")
            }
            _ => return None,
        })
    }
}

fn condition(
    subject: &Subject<'_>,
    comparison: &Comparison<'_>,
    datasets: &[MeasuredOn],
    args: &mut Vec<Value>,
) -> Result<String> {
    match subject {
        Subject::Text(column) => Ok(text_test(comparison)?.sql(column, args)),
        Subject::Keyed { table, column, key } => {
            args.push((*key).into());
            let test = text_test(comparison)?.sql(&format!("{column}_value"), args);
            Ok(format!("logged_models.model_id IN (SELECT model_id FROM {table} WHERE {column}_key = ? AND {test})"))
        }
        Subject::Status => {
            let comparator = match comparison.comparator {
                Comparator::Equal => "=",
                Comparator::NotEqual => "!=",
                _ => return Err(invalid_comparator(comparison, "('=', '!=')")),
            };
            args.push(status_value(&comparison.operand)?.number().into());
            Ok(format!("logged_models.status {comparator} ?"))
        }
        Subject::Time(column) => {
            let (comparator, value) = number_test(comparison)?;
            args.push(value.into());
            Ok(format!("{column} {comparator} ?"))
        }
        Subject::Metric(key) => {
            let (comparator, value) = number_test(comparison)?;
            args.extend([(*key).into(), value.into()]);
            let on =
                if datasets.is_empty() { String::new() } else { format!(" AND ({})", measured_on(datasets, args)) };
            Ok(format!(
                "logged_models.model_id IN (SELECT model_id FROM logged_model_metrics \
                 WHERE metric_name = ? AND metric_value {comparator} ?{on})"
            ))
        }
    }
}

fn text_test(comparison: &Comparison<'_>) -> Result<TextTest> {
    let operand = match &comparison.operand {
        Operand::List(text, tokens) => TextOperand::Many(list_texts(text, tokens)?),
        other => TextOperand::One(quoted_text(other).unwrap_or_else(|| {
            Err(Error::invalid(format!("Expected a quoted string value for {}", comparison.identifier)))
        })?),
    };
    TextTest::new(&comparison.comparator, operand).ok_or_else(|| invalid_comparator(comparison, TEXT_COMPARATORS))
}

fn number_test(comparison: &Comparison<'_>) -> Result<(&'static str, f64)> {
    let comparator =
        number_comparator(&comparison.comparator).ok_or_else(|| invalid_comparator(comparison, NUMBER_COMPARATORS))?;
    match comparison.operand {
        Operand::Integer(text) | Operand::Float(text) => text.parse().map(|value| (comparator, value)).ok(),
        _ => None,
    }
    .ok_or_else(|| {
        let Comparison { identifier, operand, .. } = comparison;
        Error::invalid(format!("Expected a number to compare {identifier} with. Found {}", operand.text()))
    })
}

/// A status by its name in the protocol, or by the end of that name: `READY`.
fn status_value(operand: &Operand<'_>) -> Result<ModelStatus> {
    let text = quoted_text(operand).transpose()?.unwrap_or_default();
    let names = || ModelStatus::CHOICES.iter().filter(|(name, _)| name.starts_with("LOGGED_MODEL"));
    let is_named = |name: &str| name == text || name.strip_prefix("LOGGED_MODEL_") == Some(text.as_str());
    names().find(|(name, _)| is_named(name)).map(|(_, status)| *status).ok_or_else(|| {
        let known: Vec<&str> = names().map(|(name, _)| *name).collect();
        Error::invalid(format!("No model has the status {}. It must be one of: {}", operand.text(), known.join(", ")))
    })
}

fn invalid_comparator(comparison: &Comparison<'_>, expected: &str) -> Error {
    let Comparison { identifier, comparator, .. } = comparison;
    Error::invalid(format!(
        "Invalid comparison operator for {identifier}: '{}'. Expected one of {expected}.",
        comparator.text()
    ))
}

/// The condition that a metric was measured on one of the datasets.
fn measured_on(datasets: &[MeasuredOn], args: &mut Vec<Value>) -> String {
    let tests: Vec<String> = (datasets.iter())
        .map(|dataset| {
            args.push(dataset.dataset_name.as_str().into());
            match &dataset.dataset_digest {
                None => "dataset_name = ?".to_owned(),
                Some(digest) => {
                    args.push(digest.as_str().into());
                    "(dataset_name = ? AND dataset_digest = ?)".to_owned()
                }
            }
        })
        .collect();
    tests.join(" OR ")
}

/// Order clauses as SQL, with the joins that bring their values in.
#[derive(Default)]
struct Sorted {
    joins: String,
    args: Vec<Value>,
    order: String,
}

/// Models without the value come last in both directions; then the newest.
fn sort(order_by: &[ModelOrder]) -> Result<Sorted> {
    let mut sorted = Sorted::default();
    let (mut has_time, mut has_id) = (false, false);
    for (place, by) in order_by.iter().enumerate() {
        let unknown = || Error::invalid(format!("Invalid order by field name: {}", by.field_name));
        let column = match by.field_name.split_once('.') {
            Some(("metrics", key)) => sorted.join(place, key, by),
            Some(_) => {
                let message = format!("Invalid order by field name: {}. Only metrics are supported.", by.field_name);
                return Err(Error::invalid(message));
            }
            None => match Subject::attribute(&by.field_name).ok_or_else(unknown)? {
                Subject::Text(column) | Subject::Time(column) => column.to_owned(),
                Subject::Status => "logged_models.status".to_owned(),
                Subject::Metric(_) | Subject::Keyed { .. } => return Err(unknown()),
            },
        };
        has_time |= column.ends_with(".creation_timestamp_ms");
        has_id |= column.ends_with(".model_id");
        let direction = if by.ascending { "ASC" } else { "DESC" };
        let clause = format!("CASE WHEN {column} IS NULL THEN 1 ELSE 0 END, {column} {direction}, ");
        sorted.order.push_str(&clause);
    }
    let ties = match (has_time, has_id) {
        (false, false) => "logged_models.creation_timestamp_ms DESC, logged_models.model_id",
        (false, true) => "logged_models.creation_timestamp_ms DESC",
        (true, false) => "logged_models.model_id",
        (true, true) => "1",
    };
    sorted.order.push_str(ties);
    Ok(sorted)
}

impl Sorted {
    /// Joins the latest value of a metric, and gives its column.
    fn join(&mut self, place: usize, key: &str, by: &ModelOrder) -> String {
        self.args.push(key.trim_matches('`').into());
        let mut tests = String::from("metric_name = ?");
        for (column, value) in [("dataset_name", &by.dataset_name), ("dataset_digest", &by.dataset_digest)] {
            if let Some(value) = value {
                tests.extend([" AND ", column, " = ?"]);
                self.args.push(value.as_str().into());
            }
        }
        let joined = format!(
            "LEFT JOIN (SELECT model_id, metric_value, ROW_NUMBER() OVER (PARTITION BY model_id \
             ORDER BY metric_timestamp_ms DESC, metric_step DESC, run_id) AS place FROM logged_model_metrics \
             WHERE {tests}) AS sort_{place} ON sort_{place}.model_id = logged_models.model_id AND sort_{place}.place = 1 "
        );
        self.joins.push_str(&joined);
        format!("sort_{place}.metric_value")
    }
}
