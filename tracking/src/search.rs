//! MLflow's filter and order grammar: text → tokens → comparisons → one SQL statement with bound values.

mod compile;
mod experiments;
mod grouping;
mod lexer;
mod list;
mod models;
mod parser;
mod runs;
mod trace_metrics;
mod traces;

use db::Value;

pub(crate) use experiments::experiments_query;
pub(crate) use models::models_query;
pub(crate) use runs::runs_query;
pub(crate) use trace_metrics::{bucket_units_per_s, metrics_query};
pub(crate) use traces::traces_query;

/// What follows `FROM …` in a search: joins, conditions and order, with their values in the order of their places.
#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) args: Vec<Value>,
}

/// The values for `LIMIT ? OFFSET ?` of a page; one row more tells whether another page follows.
pub(crate) fn limit(size: usize, offset: usize) -> [Value; 2] {
    let number = |count: usize| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    [number(size.saturating_add(1)), number(offset)]
}
