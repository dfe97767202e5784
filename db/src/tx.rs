//! A transaction in progress, as the work inside [`crate::Db::write`] sees it.

use rusqlite::Connection;

use crate::{Record, Result, Value, connection};

/// A transaction in progress: all of its statements are kept, or none.
#[derive(Debug)]
pub struct Tx {
    pub(crate) connection: Connection,
}

#[expect(clippy::unused_async, reason = "SQLite answers at once, on the writer's own thread; other databases will not")]
impl Tx {
    /// Runs a statement and gives the number of rows that it changed.
    pub async fn execute(&mut self, sql: impl AsRef<str>, args: Vec<Value>) -> Result<u64> {
        self.run(sql.as_ref(), &args)
    }

    /// All rows of a query.
    pub async fn fetch_all<T: Record>(&mut self, sql: impl AsRef<str>, args: Vec<Value>) -> Result<Vec<T>> {
        self.rows(sql.as_ref(), &args)
    }

    /// The first row of a query, if it has one.
    pub async fn fetch_optional<T: Record>(&mut self, sql: impl AsRef<str>, args: Vec<Value>) -> Result<Option<T>> {
        connection::query(&self.connection, sql.as_ref(), &args, connection::first)
    }

    /// Inserts many rows and gives the number of rows that changed.
    ///
    /// `head` is the text up to `VALUES`, `tail` what follows the row (an `ON CONFLICT` clause, or nothing); `values`
    /// holds the rows one after another, `columns` values each. One short statement runs once for each row: SQLite
    /// takes that faster than a long one with all rows, which it would also have to be able to take back alone.
    pub async fn insert_rows(&mut self, head: &str, columns: usize, tail: &str, values: Vec<Value>) -> Result<u64> {
        debug_assert!(columns > 0 && values.len().is_multiple_of(columns), "whole rows of {columns} columns");
        if values.is_empty() {
            return Ok(0);
        }
        let marks = vec!["?"; columns].join(",");
        connection::execute_many(&self.connection, &format!("{head} VALUES ({marks}) {tail}"), columns, &values)
    }

    /// All rows of a query, for the database layer itself, which has nothing to await.
    pub(crate) fn rows<T: Record>(&mut self, sql: &str, args: &[Value]) -> Result<Vec<T>> {
        connection::query(&self.connection, sql, args, |mut rows| {
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(T::from_row(row)?);
            }
            Ok(records)
        })
    }

    /// Runs a statement, for the database layer itself, which has nothing to await.
    pub(crate) fn run(&mut self, sql: &str, args: &[Value]) -> Result<u64> {
        connection::execute(&self.connection, sql, args)
    }
}
