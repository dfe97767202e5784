//! MySQL and MariaDB: one connection, which keeps its prepared statements itself, and its transaction.

mod error;
mod insert;
mod options;
mod schema;
mod value;

use std::{future::Future, sync::Arc};

use mysql_async::{Conn, Error as DriverError, Params, prelude::Queryable};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Reader, Record, Result, Row, Tx, Value,
    schema::Revision,
    server::{Access, Failure, Server, Session as _, first_connection},
    uri::ServerUri,
};

use options::Options;
pub(crate) use value::{Wire, cell};

/// An open database. Cheap to clone.
pub(crate) type MySql = Server<Session>;

/// Opens the database at an address, creating the tables where there are none.
pub(crate) async fn open(uri: &ServerUri) -> Result<MySql> {
    let options = Arc::new(Options::of(uri)?);
    let mut first: Session = first_connection(&options, &uri.shown).await?;
    schema::create_or_check(&mut first, &uri.shown).await?;
    Ok(Server::new(options, first))
}

/// What the database at an address holds; nothing is created.
pub(crate) async fn inspect(uri: &ServerUri) -> Result<(Revision, Vec<String>)> {
    let options = Arc::new(Options::of(uri)?);
    let mut session = Session::connect(&options).await.map_err(|error| Error::open(&uri.shown, error))?;
    schema::inspect(&mut session).await
}

/// One connection.
pub(crate) struct Session {
    connection: Conn,
    options: Arc<Options>,
    /// What begins a transaction and has not been sent yet.
    begin: Option<&'static str>,
    in_transaction: bool,
    /// Whether the connection has waited in the pool and nothing has been sent on it since.
    may_be_stale: bool,
    /// Whether a statement is on its way, also one whose caller has gone away.
    is_busy: bool,
    failure: Option<Failure>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("mysql::Session").field("in_transaction", &self.in_transaction).finish_non_exhaustive()
    }
}

impl Session {
    /// Runs a statement and gives the number of rows that it changed, or found to be as it would make them.
    pub(crate) async fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64> {
        self.ready().await?;
        let outcome = self.connection.exec_drop(sql, positional(args)).await;
        self.done(outcome)?;
        // The count leaves out rows that an update found to be right already.
        let info = self.connection.info();
        let matched = info.strip_prefix("Rows matched: ").and_then(|it| it.split(' ').next()?.parse().ok());
        Ok(matched.unwrap_or_else(|| self.connection.affected_rows()))
    }

    /// Notes that the transaction met another one.
    pub(crate) fn conflict(&mut self) {
        self.failure = Some(Failure::Conflict);
    }

    /// Hands each row of a query to `take`.
    pub(crate) async fn for_each<T: Record>(
        &mut self,
        sql: &str,
        args: &[Value],
        mut take: impl FnMut(T),
    ) -> Result<()> {
        self.ready().await?;
        let outcome = match self.connection.exec_iter(sql, positional(args)).await {
            Err(error) => Err(error),
            Ok(mut rows) => loop {
                match rows.next().await {
                    Ok(Some(row)) => take(T::from_row(&Row::of_mysql(&row))?),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            },
        };
        self.done(outcome)
    }

    /// The first row of a query, if it has one.
    pub(crate) async fn first<T: Record>(&mut self, sql: &str, args: &[Value]) -> Result<Option<T>> {
        let mut first = None;
        self.for_each(sql, args, |record| {
            if first.is_none() {
                first = Some(record);
            }
        })
        .await?;
        Ok(first)
    }

    /// The number that the last insert gave its row.
    pub(crate) fn last_id(&self) -> Option<i64> {
        self.connection.last_insert_id().and_then(|it| i64::try_from(it).ok())
    }

    /// Makes the connection ready for a statement: begins the transaction if that is still to be done, on a new
    /// connection where the server has closed this one in the meantime.
    async fn ready(&mut self) -> Result<()> {
        let begin = self.begin.take();
        let may_be_stale = std::mem::take(&mut self.may_be_stale);
        if begin.is_none() && !may_be_stale {
            self.is_busy = true;
            return Ok(());
        }
        match self.start(begin, may_be_stale).await {
            Err(error) if may_be_stale && error::failure(&error) == Failure::Lost => {
                *self = Self::connect(&self.options).await.inspect_err(|_| self.failure = Some(Failure::Lost))?;
                let outcome = self.start(begin, false).await;
                self.done(outcome)?;
            }
            outcome => self.done(outcome)?,
        }
        self.is_busy = true;
        Ok(())
    }

    async fn start(&mut self, begin: Option<&'static str>, may_be_stale: bool) -> Result<(), DriverError> {
        self.is_busy = true;
        match begin {
            Some(begin) => {
                self.in_transaction = true;
                self.connection.query_drop(begin).await
            }
            // A statement alone cannot be sent twice where it is not known whether the first one arrived; reads could,
            // but a look at the connection costs little.
            None if may_be_stale => self.connection.ping().await,
            None => Ok(()),
        }
    }

    /// Notes how a statement ended.
    fn done<T>(&mut self, outcome: Result<T, DriverError>) -> Result<T> {
        match outcome {
            Ok(value) => {
                self.is_busy = false;
                Ok(value)
            }
            Err(error) => {
                let failure = error::failure(&error);
                self.failure = Some(failure);
                self.is_busy = failure == Failure::Lost;
                Err(error::translate(error))
            }
        }
    }
}

/// Values as parameters.
fn positional(args: &[Value]) -> Params {
    if args.is_empty() { Params::Empty } else { Params::Positional(args.iter().map(value::to_wire).collect()) }
}

impl crate::server::Session for Session {
    type Options = Options;

    fn connect(options: &Arc<Options>) -> impl Future<Output = Result<Self>> + Send {
        let options = options.clone();
        async move {
            let connection = options.connect().await?;
            Ok(Self {
                connection,
                options,
                begin: None,
                in_transaction: false,
                may_be_stale: false,
                is_busy: false,
                failure: None,
            })
        }
    }

    fn begin(&mut self, access: Access) {
        self.failure = None;
        self.begin = Some(match access {
            Access::Read => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION READ ONLY",
            // The session's own isolation level, under which each statement sees what was committed before it.
            Access::Write => "START TRANSACTION",
        });
    }

    async fn end(&mut self, keep: bool) -> Result<()> {
        self.begin = None;
        if !std::mem::take(&mut self.in_transaction) {
            return Ok(());
        }
        self.is_busy = true;
        let outcome = self.connection.query_drop(if keep { "COMMIT" } else { "ROLLBACK" }).await;
        let outcome = self.done(outcome);
        match (outcome, self.failure) {
            (Err(words), Some(Failure::Lost)) if keep => Err(Error::CommitUnknown(words.to_string())),
            (Err(words), Some(Failure::Statement)) if keep => Err(Error::Commit(words.to_string())),
            (outcome, _) => outcome,
        }
    }

    fn failure(&self) -> Option<Failure> {
        self.failure
    }

    fn is_idle(&self) -> bool {
        !self.is_busy && !self.connection.is_disconnected()
    }

    fn reuse(&mut self) {
        self.may_be_stale = true;
        self.failure = None;
    }

    fn into_tx(self) -> Tx {
        Tx::on_mysql(self)
    }

    fn from_tx(tx: Tx) -> Self {
        tx.into_mysql()
    }

    fn reader<'c>(&'c mut self, runtime: &'c Handle, gone: &'c CancellationToken) -> Reader<'c> {
        Reader::on_mysql(self, runtime, gone)
    }
}

impl Drop for Session {
    /// A statement whose caller has gone away need not be finished.
    fn drop(&mut self) {
        if !self.is_busy || self.connection.is_disconnected() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let (id, options) = (self.connection.id(), self.options.clone());
            runtime.spawn(async move { options.cancel(id).await });
        }
    }
}
