//! Conditions on runs as SQL: values under keys are joined, everything else is tested.

use db::Dialect;

use super::condition::{Condition, Keyed, Own};
use crate::search::compile::{Args, TextTest, is_key};

/// Joins of keyed values, with their bound values.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) sql: String,
    pub(super) args: Args,
}

impl Joined {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { sql: String::new(), args: Args::new(dialect) }
    }

    /// Joins the rows of a table that belong to the run and meet `test`, whose values are added already.
    pub(super) fn join(&mut self, how: &str, table: &str, name: &str, test: &str) {
        let on = format!("{name}.run_uuid = runs.run_uuid AND {test}");
        self.sql.extend([how, " ", table, " AS ", name, " ON ", &on, " "]);
    }
}

/// Tests for the runs whose value under a key meets a test that few meet, without a join: a database without statistics
/// looks these few up once and starts from them, where it would start joins from a metric that every run has.
pub(super) fn lookup(table: &str, key: &str, test: TextTest, args: &mut Args) -> String {
    let is_key = is_key(&format!("{table}.\"key\""), key, args);
    let test = test.sql(&format!("{table}.value"), args);
    format!("runs.run_uuid IN (SELECT {table}.run_uuid FROM {table} WHERE {is_key} AND {test})")
}

impl Condition {
    /// How many runs probably meet the condition, from few to many. A database without statistics starts from the
    /// first of several joins, which should be the narrowest.
    pub(super) fn width(&self) -> u8 {
        match self {
            Self::Keyed(Keyed::Text { test: TextTest::Equal(_), .. }) => 0,
            Self::Keyed(Keyed::Text { .. }) => 1,
            _ => 2,
        }
    }
}

impl Keyed {
    /// Joins the rows that meet the condition; a run has at most one, so no run is found twice.
    pub(super) fn join(self, name: &str, joined: &mut Joined) {
        let column = format!("{name}.\"key\"");
        let (table, test) = match self {
            Self::Metric { key, comparator, value } => {
                let is_key = is_key(&column, &key, &mut joined.args);
                joined.args.push(value);
                // NaN is stored as a flag, and differs from every number.
                let nan = if comparator == "!=" { "OR" } else { "AND NOT" };
                ("latest_metrics", format!("{is_key} AND ({name}.value {comparator} ? {nan} {name}.is_nan)"))
            }
            Self::Text { table, key, test } => {
                let is_key = is_key(&column, &key, &mut joined.args);
                let test = test.sql(&format!("{name}.value"), &mut joined.args);
                (table, format!("{is_key} AND {test}"))
            }
        };
        joined.join("JOIN", table, name, &test);
    }
}

impl Own {
    /// The condition as SQL; its values are added to `args`.
    pub(super) fn sql(self, args: &mut Args) -> String {
        match self {
            Self::Presence { table, key, is_present } => {
                args.push(key);
                let not = if is_present { "" } else { "NOT " };
                format!("runs.run_uuid {not}IN (SELECT run_uuid FROM {table} WHERE \"key\" = ?)")
            }
            Self::Text { column, test } => test.sql(column, args),
            Self::Time { column, test } => test.sql(column, args),
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
