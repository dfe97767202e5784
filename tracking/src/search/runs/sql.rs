//! Conditions on runs as SQL: values under keys are joined, everything else is tested.

use db::Value;

use super::condition::{Condition, Keyed, Own};
use crate::search::compile::TextTest;

/// Joins of keyed values, with their bound values.
#[derive(Default)]
pub(super) struct Joined {
    pub(super) sql: String,
    pub(super) args: Vec<Value>,
}

impl Joined {
    /// Joins the rows of a table that have a key; `test` is what else they must meet.
    pub(super) fn join(&mut self, how: &str, table: &str, name: &str, key: String, test: &str) {
        let on = format!("{name}.run_uuid = runs.run_uuid AND {name}.\"key\" = ?");
        self.sql.extend([how, " ", table, " AS ", name, " ON ", &on, test, " "]);
        self.args.push(key.into());
    }
}

/// Tests for the runs whose value under a key meets a test that few meet, without a join: a database without statistics
/// looks these few up once and starts from them, where it would start joins from a metric that every run has.
pub(super) fn lookup(table: &str, key: String, test: TextTest, args: &mut Vec<Value>) -> String {
    args.push(key.into());
    let test = test.sql("value", args);
    format!("runs.run_uuid IN (SELECT run_uuid FROM {table} WHERE \"key\" = ? AND {test})")
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
        match self {
            Self::Metric { key, comparator, value } => {
                // NaN is stored as a flag, and differs from every number.
                let nan = if comparator == "!=" { "OR" } else { "AND NOT" };
                let test = format!(" AND ({name}.value {comparator} ? {nan} {name}.is_nan)");
                joined.join("JOIN", "latest_metrics", name, key, &test);
                joined.args.push(value.into());
            }
            Self::Text { table, key, test } => {
                let mut args = Vec::new();
                let test = test.sql(&format!("{name}.value"), &mut args);
                joined.join("JOIN", table, name, key, &format!(" AND {test}"));
                joined.args.extend(args);
            }
        }
    }
}

impl Own {
    /// The condition as SQL; its values are added to `args`.
    pub(super) fn sql(self, args: &mut Vec<Value>) -> String {
        match self {
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
