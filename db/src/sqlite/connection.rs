//! One connection: how it is opened, and how statements run on it.

use std::{path::Path, time::Duration};

use regex::Regex;
use rusqlite::{CachedStatement, Connection, OpenFlags, Rows, functions::FunctionFlags, params_from_iter};

use crate::{Record, Result, Row, Value};

/// How long a statement waits for another program's write lock; MLflow waits as long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// Prepared statements kept per connection: every fixed text of ours, and lists in each of their sizes.
const STATEMENTS_KEPT: usize = 512;

/// The writer's page cache (KiB). Metrics are stored by their keys, so that a batch touches a page for each; a cache
/// that holds these pages need not read them again for every batch.
const WRITER_CACHE_KIB: i64 = 8 * 1024;

/// Bytes in the write-ahead log before they are copied into the database. A page that many commits changed is copied
/// once, so a longer log means fewer copies; a longer one still would make the first start after a crash slow.
const CHECKPOINT_BYTES: i64 = 16 * 1024 * 1024;

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything, also creating the file.
    Write,
    /// Reading, whatever a query says.
    Read,
}

/// Opens a connection: write-ahead log, commits that reach the disk, keys enforced, `LIKE` that minds case.
pub(crate) fn open(file: &Path, access: Access) -> rusqlite::Result<Connection> {
    // Each connection is used by one thread at a time, which is all that SQLite's own mutex would ensure.
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if access == Access::Write {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "case_sensitive_like", true)?;
    match access {
        Access::Write => {
            connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
            let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_BYTES / page_bytes)?;
        }
        Access::Read => connection.pragma_update(None, "query_only", true)?,
    }
    add_regexp(&connection)?;
    Ok(connection)
}

/// Runs a statement and gives the number of rows that it changed.
pub(crate) fn execute(connection: &Connection, sql: &str, args: &[Value]) -> Result<u64> {
    Ok(changed(connection.prepare_cached(sql)?.execute(params_from_iter(args))?))
}

/// Runs a statement once for each row of values and gives the number of rows that it changed.
pub(crate) fn execute_many(connection: &Connection, sql: &str, columns: usize, values: &[Value]) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut all = 0;
    for row in values.chunks_exact(columns) {
        all += changed(statement.execute(params_from_iter(row))?);
    }
    Ok(all)
}

/// Runs a query and hands its rows to `read`.
pub(crate) fn query<T>(
    connection: &Connection,
    sql: &str,
    args: &[Value],
    read: impl FnOnce(Rows<'_>) -> Result<T>,
) -> Result<T> {
    let mut statement: CachedStatement<'_> = connection.prepare_cached(sql)?;
    read(statement.query(params_from_iter(args))?)
}

/// All rows of a query.
pub(crate) fn all<T: Record>(mut rows: Rows<'_>) -> Result<Vec<T>> {
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(T::from_row(&Row::of_sqlite(row))?);
    }
    Ok(records)
}

/// The first row of a query, if it has one.
pub(crate) fn first<T: Record>(mut rows: Rows<'_>) -> Result<Option<T>> {
    rows.next()?.map(|row| T::from_row(&Row::of_sqlite(row))).transpose()
}

fn changed(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// Adds the function behind `text REGEXP pattern`, which SQLite leaves to its users; a pattern is compiled once a query.
fn add_regexp(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("regexp", 2, flags, |context| {
        let pattern = context
            .get_or_create_aux(0, |pattern| -> Result<Regex, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Regex::new(pattern.as_str()?)?)
            })?;
        Ok(context.get_raw(1).as_str_or_null()?.map(|text| pattern.is_match(text)))
    })
}
