//! A transaction in progress, as the work inside [`crate::Db::write`] sees it.

use rusqlite::Connection;

use crate::{
    Dialect, OnConflict, Record, Result, Value,
    database::no_row,
    insert::{head, push_marks, push_tail},
    sqlite,
};

/// A transaction in progress: all of its statements are kept, or none.
#[derive(Debug)]
pub struct Tx {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Sqlite(Connection),
}

impl Tx {
    pub(crate) fn on_sqlite(connection: Connection) -> Self {
        Self { inner: Inner::Sqlite(connection) }
    }

    /// The connection of a transaction on SQLite.
    pub(crate) fn sqlite(&self) -> &Connection {
        match &self.inner {
            Inner::Sqlite(connection) => connection,
        }
    }

    /// Gives the connection of a transaction on SQLite back.
    pub(crate) fn into_sqlite(self) -> Connection {
        match self.inner {
            Inner::Sqlite(connection) => connection,
        }
    }
}

#[expect(clippy::unused_async, reason = "SQLite answers at once, on the writer's own thread; other databases will not")]
impl Tx {
    /// Which kind of database it is.
    pub fn dialect(&self) -> Dialect {
        match self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Runs a statement and gives the number of rows that it changed, or found to be as it would make them.
    pub async fn execute(&mut self, sql: impl AsRef<str>, args: Vec<Value>) -> Result<u64> {
        match &mut self.inner {
            Inner::Sqlite(connection) => sqlite::execute(connection, sql.as_ref(), &args),
        }
    }

    /// All rows of a query.
    pub async fn fetch_all<T: Record>(&mut self, sql: impl AsRef<str>, args: Vec<Value>) -> Result<Vec<T>> {
        match &mut self.inner {
            Inner::Sqlite(connection) => sqlite::query(connection, sql.as_ref(), &args, sqlite::all),
        }
    }

    /// The first row of a query, if it has one.
    pub async fn fetch_optional<T: Record>(&mut self, sql: impl AsRef<str>, args: Vec<Value>) -> Result<Option<T>> {
        match &mut self.inner {
            Inner::Sqlite(connection) => sqlite::query(connection, sql.as_ref(), &args, sqlite::first),
        }
    }

    /// Inserts many rows and gives the number of rows that were inserted or changed: with [`OnConflict::Ignore`] those
    /// that are new.
    ///
    /// `values` holds the rows one after another, a value for each column. No two rows may have the same key.
    pub async fn insert_rows(
        &mut self,
        table: &str,
        columns: &[&str],
        on_conflict: OnConflict<'_>,
        values: Vec<Value>,
    ) -> Result<u64> {
        debug_assert!(values.len().is_multiple_of(columns.len()), "whole rows of {} columns", columns.len());
        if values.is_empty() {
            return Ok(0);
        }
        match &mut self.inner {
            Inner::Sqlite(connection) => {
                // One short statement runs once for each row: SQLite takes that faster than a long one with all rows,
                // which it would also have to be able to take back alone.
                let sql = one_row(Dialect::Sqlite, table, columns, on_conflict);
                sqlite::execute_many(connection, &sql, columns.len(), &values)
            }
        }
    }

    /// Inserts one row into a table that counts its rows, and gives the row's number, which is in the column `id`.
    pub async fn insert_id(&mut self, table: &str, id: &str, columns: &[&str], values: Vec<Value>) -> Result<i64> {
        let mut sql = one_row(self.dialect(), table, columns, OnConflict::Error);
        match self.inner {
            Inner::Sqlite(_) => {
                sql.push_str(" RETURNING ");
                sql.push_str(id);
                self.fetch_optional::<(i64,)>(sql, values).await?.map(|(id,)| id).ok_or_else(no_row)
            }
        }
    }
}

/// The text that inserts one row.
fn one_row(dialect: Dialect, table: &str, columns: &[&str], on_conflict: OnConflict<'_>) -> String {
    let mut sql = head(table, columns);
    sql.push_str("VALUES ");
    push_marks(&mut sql, columns.len());
    push_tail(&mut sql, dialect, table, columns, on_conflict);
    sql
}
