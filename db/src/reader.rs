//! What reads see: one moment of the database.

use std::{cell::RefCell, sync::Arc};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{Dialect, Error, Record, Result, Value, database::no_row, mysql, postgres, sqlite};

/// What the work inside [`crate::Db::read`] sees: the database as it was when the work began.
#[derive(Debug)]
pub struct Reader<'c> {
    inner: Inner<'c>,
}

#[derive(Debug)]
enum Inner<'c> {
    Sqlite(sqlite::Snapshot<'c>),
    Postgres(OnServer<'c, postgres::Session>),
    MySql(OnServer<'c, mysql::Session>),
}

/// A connection to a server, from a thread that may wait for it.
#[derive(Debug)]
struct OnServer<'c, S> {
    session: RefCell<&'c mut S>,
    runtime: &'c Handle,
    /// Cancelled when nobody waits for the answer any more.
    gone: &'c CancellationToken,
}

impl<S> OnServer<'_, S> {
    /// Waits for a statement, but no longer than somebody wants it.
    fn wait<T>(&self, statement: impl AsyncFnOnce(&mut S) -> Result<T>) -> Result<T> {
        let mut session = self.session.borrow_mut();
        self.runtime.block_on(async {
            tokio::select! {
                outcome = statement(&mut session) => outcome,
                () = self.gone.cancelled() => Err(Error::Abandoned),
            }
        })
    }
}

impl<'c> Reader<'c> {
    pub(crate) fn on_sqlite(snapshot: sqlite::Snapshot<'c>) -> Self {
        Self { inner: Inner::Sqlite(snapshot) }
    }

    pub(crate) fn on_postgres(
        session: &'c mut postgres::Session,
        runtime: &'c Handle,
        gone: &'c CancellationToken,
    ) -> Self {
        Self { inner: Inner::Postgres(OnServer { session: RefCell::new(session), runtime, gone }) }
    }

    pub(crate) fn on_mysql(session: &'c mut mysql::Session, runtime: &'c Handle, gone: &'c CancellationToken) -> Self {
        Self { inner: Inner::MySql(OnServer { session: RefCell::new(session), runtime, gone }) }
    }
}

impl Reader<'_> {
    /// Which kind of database it is.
    pub fn dialect(&self) -> Dialect {
        match self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
            Inner::MySql(_) => Dialect::MySql,
        }
    }

    /// All rows of a query.
    pub fn fetch_all<T: Record>(&self, sql: &str, args: &[Value]) -> Result<Vec<T>> {
        let mut records = Vec::new();
        self.for_each(sql, args, |record| records.push(record))?;
        Ok(records)
    }

    /// Hands each row of a query to `take`, which must not read itself.
    pub fn for_each<T: Record>(&self, sql: &str, args: &[Value], take: impl FnMut(T)) -> Result<()> {
        tracing::trace!(target: "db::statement", sql);
        match &self.inner {
            Inner::Sqlite(snapshot) => snapshot.for_each(sql, args, take),
            Inner::Postgres(server) => server.wait(async |session| session.for_each(sql, args, take).await),
            Inner::MySql(server) => server.wait(async |session| session.for_each(sql, args, take).await),
        }
    }

    /// The first row of a query, if it has one.
    pub fn fetch_optional<T: Record>(&self, sql: &str, args: &[Value]) -> Result<Option<T>> {
        tracing::trace!(target: "db::statement", sql);
        match &self.inner {
            Inner::Sqlite(snapshot) => snapshot.first(sql, args),
            Inner::Postgres(server) => server.wait(async |session| session.first(sql, args).await),
            Inner::MySql(server) => server.wait(async |session| session.first(sql, args).await),
        }
    }

    /// All numbers that a query gives, out of memory: only when it was asked before and nothing was written since, by
    /// whomever. A database server sorts by itself, and never has such an answer.
    pub fn remembered(&self, sql: &str, args: &[Value]) -> Result<Option<Arc<[i64]>>> {
        match &self.inner {
            Inner::Sqlite(snapshot) => snapshot.numbers(sql, args),
            Inner::Postgres(_) | Inner::MySql(_) => Ok(None),
        }
    }

    /// The first row of a query that always has one, such as a count.
    pub fn fetch_one<T: Record>(&self, sql: &str, args: &[Value]) -> Result<T> {
        self.fetch_optional(sql, args)?.ok_or_else(no_row)
    }
}
