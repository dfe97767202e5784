//! MLflow's tables of the gateway. Each resource has its rows, its queries, and the JSON that shows it.

mod bindings;
mod budgets;
mod definitions;
mod endpoints;
mod guardrails;
mod mappings;
mod secrets;
mod serving;

use std::time::{SystemTime, UNIX_EPOCH};

use db::Value as Bound;
use serde_json::{Map, Value};
use uuid::Uuid;

pub(super) use bindings::BindingKey;
pub(super) use budgets::{Budget, BudgetChange, Target};
pub(super) use definitions::{Definition, DefinitionChange, NewDefinition};
pub(super) use endpoints::{Endpoint, EndpointChange, Fallback, NewEndpoint, TRAFFIC_SPLIT};
pub(super) use guardrails::NewGuardrail;
pub(super) use mappings::{Linkage, NewMapping};
pub(super) use secrets::{NewSecret, SecretChange, SecretInfo, masked};
pub(super) use serving::{MODELS_MAX, Rows, ServedModel};

/// The tables.
#[derive(Clone, Debug)]
pub(super) struct Store {
    db: db::Db,
}

impl Store {
    pub(super) fn new(db: db::Db) -> Self {
        Self { db }
    }
}

/// Milliseconds since the epoch, as all of MLflow's times are.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An id as MLflow makes them: a letter for the kind of thing, and 32 hexadecimal digits.
pub(super) fn new_id(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::new_v4().simple())
}

/// Sets a field of an answer where there is a value: MLflow leaves out what is not set.
fn set<T: Into<Value>>(json: &mut Map<String, Value>, name: &str, value: Option<T>) {
    if let Some(value) = value {
        json.insert(name.to_owned(), value.into());
    }
}

/// A query with those filters that have a value.
fn filtered<const N: usize>(select: &str, filters: [(&str, Option<String>); N]) -> (String, Vec<Bound>) {
    let (mut sql, mut args) = (select.to_owned(), Vec::new());
    for (filter, value) in filters {
        if let Some(value) = value {
            sql.push_str(if args.is_empty() { " WHERE " } else { " AND " });
            sql.push_str(filter);
            args.push(value.into());
        }
    }
    (sql, args)
}

/// What an update sets: the columns that have a new value, and when. `?`s stand for the values.
fn changes<const N: usize>(columns: [(&str, Option<String>); N]) -> (String, Vec<Bound>) {
    let (mut sets, mut args) = ("last_updated_at = ?".to_owned(), vec![now_ms().into()]);
    for (column, value) in columns {
        if let Some(value) = value {
            sets.push_str(", ");
            sets.push_str(column);
            sets.push_str(" = ?");
            args.push(value.into());
        }
    }
    (sets, args)
}
