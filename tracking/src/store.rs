//! The domain's methods over the database: one `impl Store` per resource, in the files below.

mod experiments;
mod gc;
mod import;
mod inputs;
mod locations;
mod metrics;
mod models;
mod params;
mod runs;
mod search;
mod tags;
pub(crate) mod traces;
mod versions;

pub use import::Imported;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use db::{Db, Value};

use crate::Result;

/// Experiments, runs, metrics, params, tags, inputs and traces in MLflow's tables. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) db: Db,
    /// Artifacts of an experiment that names no location of its own live below this URI.
    pub(crate) default_artifact_root: Arc<str>,
}

impl Store {
    /// Takes an open database and creates the experiment `Default` where there is no experiment yet.
    pub(crate) async fn open(db: Db, default_artifact_root: &str) -> Result<Self> {
        let default_artifact_root = locations::absolute_location(default_artifact_root)?.into();
        let store = Self { db, default_artifact_root };
        store.create_default_experiment().await?;
        Ok(store)
    }
}

/// The time now (ms since 1970).
pub(crate) fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// A new random id: 32 hexadecimal digits.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Placeholders and values for `IN (…)`.
///
/// The list is filled up to a power of two by repeating its last entry, so that few different texts of a statement
/// exist and each is prepared once per connection.
pub(crate) fn in_list<T: Into<Value>>(entries: impl IntoIterator<Item = T>) -> (String, Vec<Value>) {
    let mut args: Vec<Value> = entries.into_iter().map(Into::into).collect();
    if let Some(last) = args.last().cloned() {
        args.resize(args.len().next_power_of_two(), last);
    }
    // An empty list matches nothing.
    let marks = if args.is_empty() { "NULL".to_owned() } else { vec!["?"; args.len()].join(",") };
    (marks, args)
}
