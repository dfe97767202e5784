//! The readers: connections that only read, on threads that may wait for the disk.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::{
    Error, Reader, Record, Result, Row, Value,
    sqlite::{
        connection::{self, Access},
        memory::{Answer, Memory},
    },
};

/// Connections that read at once; SQLite readers do not block each other, and each holds a page cache.
const READERS_MAX: usize = 4;

/// The connections that read. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    file: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Idle>>>,
    permits: Arc<Semaphore>,
}

/// A connection, and what it found before.
#[derive(Debug)]
struct Idle {
    connection: Connection,
    memory: RefCell<Memory>,
}

/// The database as it was when a read began.
#[derive(Debug)]
pub(crate) struct Snapshot<'c> {
    connection: &'c Connection,
    memory: &'c RefCell<Memory>,
    /// Gone when nobody waits for the answer any more.
    wanted: Weak<()>,
}

impl Readers {
    /// Opens the first connection, so that what is wrong shows now.
    pub(crate) fn open(file: PathBuf) -> rusqlite::Result<Self> {
        let first = Idle::open(&file)?;
        Ok(Self {
            file: Arc::new(file),
            idle: Arc::new(Mutex::new(vec![first])),
            permits: Arc::new(Semaphore::new(READERS_MAX)),
        })
    }

    /// Runs `work` on a connection and a thread of its own; it is cut short when its caller goes away.
    pub(crate) async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T, E> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Abandoned)?;
        let waiting = Arc::new(());
        let wanted = Arc::downgrade(&waiting);
        let readers = self.clone();
        let outcome = tokio::task::spawn_blocking(move || {
            let Idle { connection, memory } = readers.take()?;
            let outcome = in_snapshot(Snapshot { connection: &connection, memory: &memory, wanted }, work);
            // One whose snapshot could not be ended would show old data for ever.
            if connection.is_autocommit() {
                readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(Idle { connection, memory });
            }
            drop(permit);
            outcome
        })
        .await;
        drop(waiting);
        match outcome {
            Ok(outcome) => outcome,
            Err(broken) if broken.is_panic() => std::panic::resume_unwind(broken.into_panic()),
            Err(_) => Err(Error::Abandoned.into()),
        }
    }

    fn take(&self) -> Result<Idle> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(idle.map_or_else(|| Idle::open(&self.file), Ok)?)
    }
}

impl Idle {
    fn open(file: &Path) -> rusqlite::Result<Self> {
        Ok(Self { connection: connection::open(file, Access::Read)?, memory: RefCell::default() })
    }
}

/// Runs `work` in a transaction, so that all that it reads belongs together.
fn in_snapshot<T, E: From<Error>>(
    snapshot: Snapshot<'_>,
    work: impl FnOnce(&Reader<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let connection = snapshot.connection;
    connection::execute(connection, "BEGIN", &[])?;
    let outcome = work(&Reader::on_sqlite(snapshot));
    connection::execute(connection, "COMMIT", &[])?;
    outcome
}

impl Snapshot<'_> {
    /// Hands each row of a query to `take`.
    pub(crate) fn for_each<T: Record>(&self, sql: &str, args: &[Value], mut take: impl FnMut(T)) -> Result<()> {
        connection::query(self.connection, sql, args, |mut rows| {
            while let Some(row) = rows.next()? {
                if self.wanted.strong_count() == 0 {
                    return Err(Error::Abandoned);
                }
                take(T::from_row(&Row::of_sqlite(row))?);
            }
            Ok(())
        })
    }

    /// The numbers that a query gives, when it is asked again and nothing was written since.
    pub(crate) fn numbers(&self, sql: &str, args: &[Value]) -> Result<Option<Arc<[i64]>>> {
        // It changes with each commit of any other connection, in this program or another, and this one only reads.
        let version: Option<(i64,)> = self.first("PRAGMA data_version", &[])?;
        let Some((version,)) = version else { return Ok(None) };
        let query = format!("{sql}{args:?}");
        let known = self.memory.borrow_mut().recall(version, &query);
        match known {
            None => {
                self.memory.borrow_mut().keep(query, Answer::Asked);
                Ok(None)
            }
            Some(Answer::Asked) => {
                tracing::trace!(target: "db::statement", sql);
                let mut numbers = Vec::new();
                self.for_each(sql, args, |(number,): (i64,)| numbers.push(number))?;
                let numbers: Arc<[i64]> = numbers.into();
                self.memory.borrow_mut().keep(query, Memory::whole(&numbers));
                Ok(Some(numbers))
            }
            Some(Answer::Whole(numbers)) => Ok(Some(numbers)),
            Some(Answer::TooLong) => Ok(None),
        }
    }

    /// The first row of a query, if it has one.
    pub(crate) fn first<T: Record>(&self, sql: &str, args: &[Value]) -> Result<Option<T>> {
        connection::query(self.connection, sql, args, connection::first)
    }
}
