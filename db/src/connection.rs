//! Statements on one connection: binding, running, reading rows.

use std::{path::Path, time::Duration};

use sqlx::{
    AssertSqlSafe, FromRow, Sqlite,
    query::Query,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous},
};

use crate::Value;

/// How long a statement waits for another program's write lock; MLflow waits as long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// Prepared statements kept per connection: every fixed text of ours, and the bulk inserts in each of their sizes.
const STATEMENTS_KEPT: usize = 512;

/// A row type that the database can produce; `#[derive(sqlx::FromRow)]` is enough, and so is a tuple.
pub trait Record: Send + Unpin + for<'r> FromRow<'r, SqliteRow> {}

impl<T> Record for T where T: Send + Unpin + for<'r> FromRow<'r, SqliteRow> {}

/// How every connection is opened: write-ahead log, commits that reach the disk, keys enforced, `LIKE` that minds case.
pub(crate) fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("case_sensitive_like", "true")
        .with_regexp()
        .statement_cache_capacity(STATEMENTS_KEPT)
}

/// A statement with its values bound.
///
/// The text is ours by contract: values travel as binds, never inside it.
pub(crate) fn bind<'q>(sql: String, args: Vec<Value>) -> Query<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments> {
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for arg in args {
        query = match arg {
            Value::Null => query.bind(None::<String>),
            Value::Bool(it) => query.bind(it),
            Value::Int(it) => query.bind(it),
            Value::Real(it) => query.bind(it),
            Value::Text(it) => query.bind(it),
            Value::Bytes(it) => query.bind(it),
        };
    }
    query
}

/// Reads rows into records.
pub(crate) fn records<T: Record>(rows: &[SqliteRow]) -> Result<Vec<T>, sqlx::Error> {
    rows.iter().map(T::from_row).collect()
}
