//! Database servers: a pool of connections, transactions that run again where the server asks for it, snapshots.

mod pool;

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use rand::Rng;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{Error, Reader, Result, Tx};
pub(crate) use pool::Held;
use pool::Pool;

/// How often a transaction runs that the server takes back for the sake of another one. Each time at least one of
/// those that meet gets through, so this many are enough for as many writers of the same rows as there are connections.
const TRIES_MAX: u32 = 24;

/// The longest pause before the first repetition; it doubles with each, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// The pauses between tries to open the first connection.
const FIRST_PAUSES: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(700),
    Duration::from_millis(1500),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// How long a statement waits for a lock that another transaction holds, as on SQLite.
pub(crate) const LOCK_TIMEOUT_S: u64 = 20;

/// Prepared statements kept per connection: every fixed text of ours, and lists in each of their sizes.
pub(crate) const STATEMENTS_KEPT: usize = 384;

/// How long a new connection may take where the address does not say.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is silent before its other end is asked whether it is still there.
pub(crate) const KEEPALIVE: Duration = Duration::from_mins(1);

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading one moment of the database.
    Read,
    /// Everything; each statement sees what was committed before it.
    Write,
}

/// Why a statement failed, by what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The transaction met another one; it works when it runs again.
    Conflict,
    /// The connection is gone; nothing of the transaction is kept, so it may run again on another one.
    Lost,
    /// It would fail again.
    Statement,
}

/// One connection to a server. Its statements are methods of its own; here is what transactions need.
pub(crate) trait Session: Sized + Send + 'static {
    /// Where and how to connect.
    type Options: std::fmt::Debug + Send + Sync + 'static;

    /// Opens a connection.
    fn connect(options: &Arc<Self::Options>) -> impl Future<Output = Result<Self>> + Send;
    /// Lets the next statement begin a transaction.
    fn begin(&mut self, access: Access);
    /// Ends the transaction, if one was begun.
    fn end(&mut self, keep: bool) -> impl Future<Output = Result<()>> + Send;
    /// Why a statement of this transaction failed.
    fn failure(&self) -> Option<Failure>;
    /// Whether the connection is fine and nothing is running on it.
    fn is_idle(&self) -> bool;
    /// Marks a connection that has been used before, which the server may have closed in the meantime.
    fn reuse(&mut self);
    /// The session as the work of a write sees it.
    fn into_tx(self) -> Tx;
    /// The session back from there.
    fn from_tx(tx: Tx) -> Self;
    /// The session as the work of a read sees it.
    fn reader<'c>(&'c mut self, runtime: &'c Handle, gone: &'c CancellationToken) -> Reader<'c>;
}

/// An open database on a server. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Server<S: Session> {
    pool: Pool<S>,
}

impl<S: Session> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone() }
    }
}

impl<S: Session> Server<S> {
    /// A pool that begins with one open connection.
    pub(crate) fn new(options: Arc<S::Options>, first: S) -> Self {
        Self { pool: Pool::new(options, first) }
    }

    /// A connection for one statement outside of any transaction.
    pub(crate) async fn take(&self) -> Result<Held<S>> {
        self.pool.take().await
    }

    /// Runs `work` on a moment of the database, in a thread that may wait for the server.
    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T, E> + Send + 'static,
    {
        let mut held = self.pool.take().await?;
        let caller = CancellationToken::new();
        let gone = caller.clone();
        // Cancels when the caller goes away and drops this future.
        let caller = caller.drop_guard();
        let runtime = Handle::current();
        let outcome = tokio::task::spawn_blocking(move || {
            held.session.begin(Access::Read);
            let outcome = work(&held.session.reader(&runtime, &gone));
            if held.session.is_idle() && runtime.block_on(held.session.end(false)).is_ok() {
                held.give_back();
            }
            outcome
        })
        .await;
        drop(caller);
        match outcome {
            Ok(outcome) => outcome,
            Err(broken) if broken.is_panic() => std::panic::resume_unwind(broken.into_panic()),
            Err(_) => Err(Error::Abandoned.into()),
        }
    }

    /// Runs `work` in a transaction, again where the server takes it back for the sake of another one.
    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Clone + Send + 'static,
    {
        let mut tried = 0;
        loop {
            tried += 1;
            let (mut held, place) = self.pool.take().await?.split();
            held.begin(Access::Write);
            let mut tx = held.into_tx();
            // The panic was reported by the panic hook; the connection goes with it.
            let outcome = AssertUnwindSafe(work.clone()(&mut tx)).catch_unwind().await;
            let Ok(outcome) = outcome else { return Err(Error::Abandoned.into()) };
            let mut session = S::from_tx(tx);
            let (outcome, failure) = match (outcome, session.failure()) {
                (Ok(value), None) => match session.end(true).await {
                    Ok(()) => (Ok(value), None),
                    Err(error) => (Err(error.into()), session.failure().filter(|it| *it == Failure::Conflict)),
                },
                (outcome, failure) => {
                    let outcome = outcome.and_then(|_| {
                        Err(Error::driver("a statement failed and its error was not minded; nothing was kept").into())
                    });
                    if failure != Some(Failure::Lost) && session.end(false).await.is_err() {
                        tracing::debug!("a rollback failed; its connection is closed");
                    }
                    (outcome, failure)
                }
            };
            if session.is_idle() {
                place.give_back(session);
            } else {
                drop(session);
                drop(place);
            }
            match failure {
                Some(Failure::Conflict | Failure::Lost) if tried < TRIES_MAX => pause(tried).await,
                _ => return outcome,
            }
        }
    }
}

/// Opens the first connection, with some patience: often the database's server has been started together with ours.
pub(crate) async fn first_connection<S: Session>(options: &Arc<S::Options>, uri: &str) -> Result<S> {
    let mut pauses = FIRST_PAUSES.into_iter();
    loop {
        match (S::connect(options).await, pauses.next()) {
            (Err(Error::Unavailable(error)), Some(pause)) => {
                tracing::warn!("cannot reach the database {uri} yet, trying again: {error}");
                tokio::time::sleep(pause).await;
            }
            (outcome, _) => return outcome.map_err(|error| Error::open(uri, error)),
        }
    }
}

/// Waits for a random time, so that those who met do not meet again.
async fn pause(tried: u32) {
    let longest = PAUSE.saturating_mul(1 << tried.min(8)).min(PAUSE_MAX);
    let pause = longest.mul_f64(rand::rng().random_range(0.1..1.0));
    tokio::time::sleep(pause).await;
}
