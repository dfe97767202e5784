//! What reads see: one moment of the database.

use crate::{Dialect, Record, Result, Value, database::no_row, sqlite};

/// What the work inside [`crate::Db::read`] sees: the database as it was when the work began.
#[derive(Debug)]
pub struct Reader<'c> {
    inner: Inner<'c>,
}

#[derive(Debug)]
enum Inner<'c> {
    Sqlite(sqlite::Snapshot<'c>),
}

impl<'c> Reader<'c> {
    pub(crate) fn on_sqlite(snapshot: sqlite::Snapshot<'c>) -> Self {
        Self { inner: Inner::Sqlite(snapshot) }
    }
}

impl Reader<'_> {
    /// Which kind of database it is.
    pub fn dialect(&self) -> Dialect {
        match self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// All rows of a query.
    pub fn fetch_all<T: Record>(&self, sql: &str, args: &[Value]) -> Result<Vec<T>> {
        let mut records = Vec::new();
        self.for_each(sql, args, |record| records.push(record))?;
        Ok(records)
    }

    /// Hands each row of a query to `take`.
    pub fn for_each<T: Record>(&self, sql: &str, args: &[Value], take: impl FnMut(T)) -> Result<()> {
        match &self.inner {
            Inner::Sqlite(snapshot) => snapshot.for_each(sql, args, take),
        }
    }

    /// The first row of a query, if it has one.
    pub fn fetch_optional<T: Record>(&self, sql: &str, args: &[Value]) -> Result<Option<T>> {
        match &self.inner {
            Inner::Sqlite(snapshot) => snapshot.first(sql, args),
        }
    }

    /// The first row of a query that always has one, such as a count.
    pub fn fetch_one<T: Record>(&self, sql: &str, args: &[Value]) -> Result<T> {
        self.fetch_optional(sql, args)?.ok_or_else(no_row)
    }
}
