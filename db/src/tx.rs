//! A transaction in progress, as the work inside [`crate::Db::write`] sees it.

use rusqlite::Connection;

use crate::{
    Dialect, Error, OnConflict, Record, Result, Value,
    database::no_row,
    insert::{head, in_key_order, push_marks, push_tail},
    mysql, postgres, sqlite,
};

/// A transaction in progress: all of its statements are kept, or none.
#[derive(Debug)]
pub struct Tx {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Sqlite(Connection),
    Postgres(Box<postgres::Session>),
    MySql(Box<mysql::Session>),
}

impl Tx {
    pub(crate) fn on_sqlite(connection: Connection) -> Self {
        Self { inner: Inner::Sqlite(connection) }
    }

    pub(crate) fn on_postgres(session: postgres::Session) -> Self {
        Self { inner: Inner::Postgres(Box::new(session)) }
    }

    pub(crate) fn on_mysql(session: mysql::Session) -> Self {
        Self { inner: Inner::MySql(Box::new(session)) }
    }

    /// The connection of a transaction on SQLite.
    pub(crate) fn sqlite(&self) -> &Connection {
        match &self.inner {
            Inner::Sqlite(connection) => connection,
            _ => unreachable!("SQLite's writer made this transaction"),
        }
    }

    /// Gives the connection of a transaction on SQLite back.
    pub(crate) fn into_sqlite(self) -> Connection {
        match self.inner {
            Inner::Sqlite(connection) => connection,
            _ => unreachable!("SQLite's writer made this transaction"),
        }
    }

    pub(crate) fn into_postgres(self) -> postgres::Session {
        match self.inner {
            Inner::Postgres(session) => *session,
            _ => unreachable!("PostgreSQL's session made this transaction"),
        }
    }

    pub(crate) fn into_mysql(self) -> mysql::Session {
        match self.inner {
            Inner::MySql(session) => *session,
            _ => unreachable!("MySQL's session made this transaction"),
        }
    }

    /// Which kind of database it is.
    pub fn dialect(&self) -> Dialect {
        match self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
            Inner::MySql(_) => Dialect::MySql,
        }
    }

    /// What ends a query whose rows nobody else shall change or lock until this transaction has ended.
    ///
    /// On SQLite nobody could: there one write runs after the other.
    pub fn for_update(&self) -> &'static str {
        match self.dialect() {
            Dialect::Sqlite => "",
            Dialect::Postgres | Dialect::MySql => " FOR UPDATE",
        }
    }

    /// The error with which the work gives up because another transaction was faster; it then runs again from its
    /// beginning and sees what that one did.
    pub fn run_again(&mut self) -> Error {
        match &mut self.inner {
            // Nobody can have been faster; the caller is told to try again himself.
            Inner::Sqlite(_) => {}
            Inner::Postgres(session) => session.conflict(),
            Inner::MySql(session) => session.conflict(),
        }
        Error::Busy
    }

    /// Runs a statement and gives the number of rows that it changed, or found to be as it would make them.
    pub async fn execute(&mut self, sql: impl AsRef<str>, args: Vec<Value>) -> Result<u64> {
        match &mut self.inner {
            Inner::Sqlite(connection) => sqlite::execute(connection, sql.as_ref(), &args),
            Inner::Postgres(session) => session.execute(sql.as_ref(), &args).await,
            Inner::MySql(session) => session.execute(sql.as_ref(), &args).await,
        }
    }

    /// All rows of a query.
    pub async fn fetch_all<T: Record>(&mut self, sql: impl AsRef<str>, args: Vec<Value>) -> Result<Vec<T>> {
        let mut records = Vec::new();
        let sql = sql.as_ref();
        match &mut self.inner {
            Inner::Sqlite(connection) => return sqlite::query(connection, sql, &args, sqlite::all),
            Inner::Postgres(session) => session.for_each(sql, &args, |record| records.push(record)).await?,
            Inner::MySql(session) => session.for_each(sql, &args, |record| records.push(record)).await?,
        }
        Ok(records)
    }

    /// The first row of a query, if it has one.
    pub async fn fetch_optional<T: Record>(&mut self, sql: impl AsRef<str>, args: Vec<Value>) -> Result<Option<T>> {
        match &mut self.inner {
            Inner::Sqlite(connection) => sqlite::query(connection, sql.as_ref(), &args, sqlite::first),
            Inner::Postgres(session) => session.first(sql.as_ref(), &args).await,
            Inner::MySql(session) => session.first(sql.as_ref(), &args).await,
        }
    }

    /// Inserts many rows and gives the number of rows that were inserted or changed: with [`OnConflict::Ignore`] those
    /// that are new.
    ///
    /// `values` holds the rows one after another, a value for each column. No two rows may have the same key. Columns of
    /// the key come first, so that writers of the same rows take their locks one after the other.
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
            Inner::Postgres(session) => {
                let values = in_key_order(columns, on_conflict, values);
                session.insert_rows(table, columns, on_conflict, &values).await
            }
            Inner::MySql(session) => {
                let values = in_key_order(columns, on_conflict, values);
                session.insert_rows(table, columns, on_conflict, values).await
            }
        }
    }

    /// Inserts one row into a table that counts its rows, and gives the row's number, which is in the column `id`.
    pub async fn insert_id(&mut self, table: &str, id: &str, columns: &[&str], values: Vec<Value>) -> Result<i64> {
        let mut sql = one_row(self.dialect(), table, columns, OnConflict::Error);
        if let Inner::MySql(session) = &mut self.inner {
            session.execute(&sql, &values).await?;
            return session.last_id().ok_or_else(no_row);
        }
        sql.push_str(" RETURNING ");
        sql.push_str(id);
        self.fetch_optional::<(i64,)>(sql, values).await?.map(|(id,)| id).ok_or_else(no_row)
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
