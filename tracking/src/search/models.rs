//! Searching logged models by attributes, params, tags and what was measured on them.

use db::{Dialect, Value};
use rest::python::repr;

use super::{
    Query,
    compile::{Args, IntegerTest, TextOperand, TextTest, check_length, number_comparator},
    list::list_texts,
    parser::{Comparator, Comparison, Grammar, Operand, parse},
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
    /// No attribute that models have.
    Unknown(&'f str),
    /// A table with a key and a value, and the key.
    Keyed {
        table: &'static str,
        column: &'static str,
        key: &'f str,
    },
}

/// Joins, conditions and order of a search over the table `logged_models`.
pub(crate) fn models_query(search: &ModelSearch, dialect: Dialect) -> Result<Query> {
    if search.order_by.len() > ORDER_MAX || search.experiment_ids.len() > IDS_MAX || search.datasets.len() > IDS_MAX {
        return Err(Error::invalid(format!(
            "A search for models may have at most {ORDER_MAX} order_by fields, {IDS_MAX} experiments and {IDS_MAX} \
             datasets."
        )));
    }
    let (marks, ids) = in_list(search.experiment_ids.iter().map(|id| id.0));
    let mut args = Args::new(dialect);
    args.extend(ids);
    let mut tests = vec![
        format!("logged_models.experiment_id IN ({marks})"),
        "logged_models.lifecycle_stage != 'deleted'".to_owned(),
    ];
    let mut has_metric = false;
    let comparisons = parse(&search.filter, Grammar::Models)?;
    let clauses = comparisons.iter().map(Clause::read).collect::<Result<Vec<_>>>()?;
    for clause in clauses {
        has_metric |= matches!(clause.subject, Subject::Metric(_));
        tests.push(clause.sql(&search.datasets, &mut args));
    }
    let sorted = sort(&search.order_by)?;
    if !search.datasets.is_empty() && !has_metric {
        let on = measured_on(&search.datasets, &mut args);
        tests.push(format!("logged_models.model_id IN (SELECT model_id FROM logged_model_metrics WHERE {on})"));
    }
    let sql = format!("{}WHERE {} ORDER BY {}", sorted.joins, tests.join(" AND "), sorted.order);
    let args = [sorted.args, args.values].concat();
    Ok(Query { sql, args })
}

impl<'f> Subject<'f> {
    /// Reads `entity.key`, or the key of an attribute alone. Back-ticks around a key are taken off; double quotes belong
    /// to it.
    fn parse(identifier: &'f str) -> Result<Self> {
        let (entity, key) = match identifier.split_once('.') {
            Some((entity, key))
                if !entity.is_empty() && !key.is_empty() && entity.bytes().all(|it| it.is_ascii_lowercase()) =>
            {
                (entity, key)
            }
            _ => ("attributes", identifier),
        };
        let key = key.trim_matches('`');
        match entity {
            "attributes" => Ok(Self::attribute(key).unwrap_or(Self::Unknown(key))),
            "metrics" => Ok(Self::Metric(key)),
            "params" => Ok(Self::Keyed { table: "logged_model_params", column: "param", key }),
            "tags" => Ok(Self::Keyed { table: "logged_model_tags", column: "tag", key }),
            other => Err(Error::invalid(format!(
                "Invalid entity type: {}. Expected one of ['attributes', 'metrics', 'params', 'tags'].",
                repr(other)
            ))),
        }
    }

    /// The subject as messages name it.
    fn shown(&self, identifier: &str) -> String {
        match self {
            Self::Text(column) | Self::Time(column) => column.replacen("logged_models.", "attributes.", 1),
            Self::Status => "attributes.status".to_owned(),
            Self::Metric(key) => format!("metrics.{key}"),
            Self::Unknown(key) => format!("attributes.{key}"),
            Self::Keyed { key, .. } => {
                let entity = identifier.split('.').next().unwrap_or_default();
                format!("{entity}.{key}")
            }
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

/// A comparison whose sides fit each other.
struct Clause<'f> {
    subject: Subject<'f>,
    test: Test,
}

enum Test {
    Text(TextTest),
    Status(&'static str, ModelStatus),
    Time(IntegerTest),
    Number(&'static str, f64),
}

impl<'f> Clause<'f> {
    fn read(comparison: &Comparison<'f>) -> Result<Self> {
        let Comparison { identifier, comparator, operand } = comparison;
        if *operand == Operand::Nothing {
            return Err(Error::invalid(format!(
                "Invalid comparison: {identifier}{}. Expected a comparison with 3 tokens.",
                comparator.text()
            )));
        }
        let subject = Subject::parse(identifier)?;
        let refused = |expected: &str| {
            Error::invalid(format!(
                "Invalid comparison operator for {}: {}. Expected one of {expected}.",
                subject.shown(identifier),
                repr(comparator.text())
            ))
        };
        let test = match subject {
            Subject::Metric(_) | Subject::Time(_) => {
                let comparator = number_comparator(comparator).ok_or_else(|| refused(NUMBER_COMPARATORS))?;
                let test = match subject {
                    Subject::Time(_) => IntegerTest::new(comparator, operand).map(Test::Time),
                    _ => metric_value(operand).map(|value| Test::Number(comparator, value)),
                };
                test.ok_or_else(|| {
                    Error::invalid(format!("Expected a number to compare {identifier} with. Found {}", operand.text()))
                })?
            }
            Subject::Status => match comparator {
                Comparator::Equal => Test::Status("=", status_value(operand)?),
                Comparator::NotEqual => Test::Status("!=", status_value(operand)?),
                _ => return Err(refused("('=', '!=')")),
            },
            Subject::Unknown(key) => {
                return Err(if is_text_comparator(comparator) { unknown_key(key) } else { refused(TEXT_COMPARATORS) });
            }
            Subject::Text(_) | Subject::Keyed { .. } => {
                if !is_text_comparator(comparator) {
                    return Err(refused(TEXT_COMPARATORS));
                }
                let test = TextTest::new(comparator, text_operand(operand)?);
                Test::Text(test.ok_or_else(|| refused(TEXT_COMPARATORS))?)
            }
        };
        Ok(Self { subject, test })
    }

    fn sql(self, datasets: &[MeasuredOn], args: &mut Args) -> String {
        match (self.subject, self.test) {
            (Subject::Keyed { table, column, key }, Test::Text(test)) => {
                args.push(key);
                let test = test.sql(&format!("{table}.{column}_value"), args);
                format!(
                    "logged_models.model_id IN (SELECT {table}.model_id FROM {table} WHERE {table}.{column}_key = ? \
                     AND {test})"
                )
            }
            (Subject::Metric(key), Test::Number(comparator, value)) => {
                args.extend([key.into(), value.into()]);
                let on =
                    if datasets.is_empty() { String::new() } else { format!(" AND ({})", measured_on(datasets, args)) };
                format!(
                    "logged_models.model_id IN (SELECT model_id FROM logged_model_metrics \
                     WHERE metric_name = ? AND metric_value {comparator} ?{on})"
                )
            }
            (Subject::Text(column), Test::Text(test)) => test.sql(column, args),
            (Subject::Time(column), Test::Time(test)) => test.sql(column, args),
            (_, Test::Status(comparator, status)) => {
                args.push(status.number());
                format!("logged_models.status {comparator} ?")
            }
            _ => "1 = 0".to_owned(),
        }
    }
}

fn is_text_comparator(comparator: &Comparator) -> bool {
    use Comparator::{Equal, Ilike, In, Like, NotEqual, NotIn};
    matches!(comparator, Equal | NotEqual | Like | Ilike | In | NotIn)
}

fn unknown_key(key: &str) -> Error {
    Error::invalid(format!(
        "Invalid attribute key '{key}' specified. Valid keys are 'name', 'model_id', 'model_type', 'source_run_id', \
         'status', 'artifact_location', 'status_message', 'creation_timestamp' and 'last_updated_timestamp'"
    ))
}

/// The value of a text: quotes are optional, and only single ones are taken off.
fn text_operand(operand: &Operand<'_>) -> Result<TextOperand> {
    if let Operand::List(list) = operand {
        return list_texts(list).map(TextOperand::Many);
    }
    check_length(operand.text())?;
    Ok(TextOperand::One(operand.text().trim_matches('\'').to_owned()))
}

fn metric_value(operand: &Operand<'_>) -> Option<f64> {
    match operand {
        Operand::Integer(text) | Operand::Float(text) => text.parse().ok(),
        _ => None,
    }
}

/// A status by its name in the protocol, or by the end of that name: `READY`.
fn status_value(operand: &Operand<'_>) -> Result<ModelStatus> {
    let text = operand.text().trim_matches(['\'', '"']);
    let names = || ModelStatus::CHOICES.iter().filter(|(name, _)| name.starts_with("LOGGED_MODEL"));
    let is_named = |name: &str| name == text || name.strip_prefix("LOGGED_MODEL_") == Some(text);
    names()
        .find(|(name, status)| is_named(name) || status.number().to_string() == text)
        .map(|(_, status)| *status)
        .ok_or_else(|| {
            let known: Vec<&str> = names().map(|(name, _)| *name).collect();
            Error::invalid(format!(
                "No model has the status {}. It must be one of: {}",
                operand.text(),
                known.join(", ")
            ))
        })
}

/// The condition that a metric was measured on one of the datasets.
fn measured_on(datasets: &[MeasuredOn], args: &mut Args) -> String {
    let tests: Vec<String> = (datasets.iter())
        .map(|dataset| {
            args.push(dataset.dataset_name.as_str());
            match &dataset.dataset_digest {
                None => "dataset_name = ?".to_owned(),
                Some(digest) => {
                    args.push(digest.as_str());
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
        let unknown = || Error::UnknownAttribute(format!("Invalid order by field name: {}", by.field_name));
        let column = match by.field_name.split_once('.') {
            Some(("metrics", key)) => sorted.join(place, key, by),
            Some(_) => {
                let message = format!("Invalid order by field name: {}. Only metrics are supported.", by.field_name);
                return Err(Error::invalid(message));
            }
            None => match Subject::attribute(&by.field_name).ok_or_else(unknown)? {
                Subject::Text(column) | Subject::Time(column) => column.to_owned(),
                Subject::Status => "logged_models.status".to_owned(),
                Subject::Metric(_) | Subject::Unknown(_) | Subject::Keyed { .. } => return Err(unknown()),
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
        self.args.push(key.into());
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
