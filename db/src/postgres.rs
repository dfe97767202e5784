//! PostgreSQL: one connection, its prepared statements, its transaction.

mod decode;
mod encode;
mod error;
mod insert;
mod options;
mod schema;
mod tls;

use std::{future::Future, pin::pin, sync::Arc};

use futures::TryStreamExt;
use lru::LruCache;
use tokio::runtime::Handle;
use tokio_postgres::{Client, Error as DriverError, RowStream, Statement};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Reader, Record, Result, Row, Tx, Value,
    schema::Revision,
    server::{Access, Failure, STATEMENTS_KEPT, Server, Session as _, first_connection},
    uri::ServerUri,
};

pub(crate) use decode::cell;
use encode::{AnyParam, params};
use options::Options;

/// An open database. Cheap to clone.
pub(crate) type Postgres = Server<Session>;

/// Opens the database at an address, creating the tables where there are none.
pub(crate) async fn open(uri: &ServerUri) -> Result<Postgres> {
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
    client: Client,
    /// By the text with `?` marks.
    statements: LruCache<String, Statement>,
    options: Arc<Options>,
    /// What begins a transaction and has not been sent yet: it goes along with the first statement.
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
        f.debug_struct("postgres::Session").field("in_transaction", &self.in_transaction).finish_non_exhaustive()
    }
}

impl Session {
    /// Runs a statement and gives the number of rows that it changed.
    pub(crate) async fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64> {
        let rows = self.run(sql, &params(args)).await?;
        self.changed(rows).await
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
        let rows = self.run(sql, &params(args)).await?;
        let mut rows = pin!(rows);
        self.is_busy = true;
        loop {
            match rows.try_next().await {
                Ok(Some(row)) => match T::from_row(&Row::of_postgres(&row)) {
                    Ok(record) => take(record),
                    Err(error) => return Err(error),
                },
                Ok(None) => break,
                Err(error) => return Err(self.failed(error)),
            }
        }
        self.is_busy = false;
        Ok(())
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

    /// Waits for the end of a statement that gives no rows.
    async fn changed(&mut self, rows: RowStream) -> Result<u64> {
        let mut rows = pin!(rows);
        self.is_busy = true;
        loop {
            match rows.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return Err(self.failed(error)),
            }
        }
        self.is_busy = false;
        Ok(rows.rows_affected().unwrap_or_default())
    }

    /// Sends a statement, along with the transaction's begin if that has not been sent; once more on a new connection
    /// where the server had closed this one before anything was sent.
    async fn run(&mut self, sql: &str, params: &[AnyParam<'_>]) -> Result<RowStream> {
        let begin = self.begin;
        let may_be_stale = std::mem::take(&mut self.may_be_stale);
        match self.run_once(sql, params).await {
            Err(error) if may_be_stale && error::failure(&error) == Failure::Lost => {
                *self = Self::connect(&self.options).await.inspect_err(|_| self.failure = Some(Failure::Lost))?;
                self.begin = begin;
                self.run_once(sql, params).await.map_err(|error| self.failed(error))
            }
            outcome => outcome.map_err(|error| self.failed(error)),
        }
    }

    async fn run_once(&mut self, sql: &str, params: &[AnyParam<'_>]) -> Result<RowStream, DriverError> {
        self.is_busy = true;
        let statement = self.prepared(sql, params).await?;
        let sent = self.client.query_raw(&statement, params.iter().copied());
        let rows = match self.begin.take() {
            None => sent.await?,
            Some(begin) => {
                self.in_transaction = true;
                // Polled in this order, they are sent in this order and wait for the server once.
                let (begun, rows) = futures::join!(self.client.batch_execute(begin), sent);
                begun?;
                rows?
            }
        };
        self.is_busy = false;
        Ok(rows)
    }

    async fn prepared(&mut self, sql: &str, params: &[AnyParam<'_>]) -> Result<Statement, DriverError> {
        let statement = if let Some(statement) = self.statements.get(sql) {
            statement.clone()
        } else {
            let statement = self.client.prepare(&encode::numbered(sql)).await?;
            self.statements.put(sql.to_owned(), statement.clone());
            statement
        };
        // Few requests name such a number, and theirs need not push the usual statement out.
        match encode::widened(statement.params(), params) {
            Some(types) => self.client.prepare_typed(&encode::numbered(sql), &types).await,
            None => Ok(statement),
        }
    }

    fn failed(&mut self, error: DriverError) -> Error {
        let failure = error::failure(&error);
        self.failure = Some(failure);
        self.is_busy = failure == Failure::Lost;
        error::translate(error)
    }
}

impl crate::server::Session for Session {
    type Options = Options;

    fn connect(options: &Arc<Options>) -> impl Future<Output = Result<Self>> + Send {
        let options = options.clone();
        async move {
            let client = options.connect().await?;
            Ok(Self {
                client,
                statements: LruCache::new(STATEMENTS_KEPT.try_into().expect("the constant is not zero")),
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
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        });
    }

    async fn end(&mut self, keep: bool) -> Result<()> {
        self.begin = None;
        if !std::mem::take(&mut self.in_transaction) {
            return Ok(());
        }
        self.is_busy = true;
        match self.client.batch_execute(if keep { "COMMIT" } else { "ROLLBACK" }).await {
            Ok(()) => {
                self.is_busy = false;
                Ok(())
            }
            Err(error) if !keep => Err(self.failed(error)),
            Err(error) => {
                let failure = error::failure(&error);
                Err(match (failure, self.failed(error)) {
                    (Failure::Lost, words) => Error::CommitUnknown(words.to_string()),
                    (Failure::Conflict, error) => error,
                    (Failure::Statement, error @ Error::Constraint(_)) => error,
                    (Failure::Statement, words) => Error::Commit(words.to_string()),
                })
            }
        }
    }

    fn failure(&self) -> Option<Failure> {
        self.failure
    }

    fn is_idle(&self) -> bool {
        !self.is_busy && !self.client.is_closed()
    }

    fn reuse(&mut self) {
        self.may_be_stale = true;
        self.failure = None;
    }

    fn into_tx(self) -> Tx {
        Tx::on_postgres(self)
    }

    fn from_tx(tx: Tx) -> Self {
        tx.into_postgres()
    }

    fn reader<'c>(&'c mut self, runtime: &'c Handle, gone: &'c CancellationToken) -> Reader<'c> {
        Reader::on_postgres(self, runtime, gone)
    }
}

impl Drop for Session {
    /// A statement whose caller has gone away need not be finished.
    fn drop(&mut self) {
        if !self.is_busy || self.client.is_closed() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let (cancel, options) = (self.client.cancel_token(), self.options.clone());
            runtime.spawn(async move { options.cancel(cancel).await });
        }
    }
}
