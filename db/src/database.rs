//! The database: opened once, read from many places, written through one.

use std::path::Path;

use futures::future::BoxFuture;
use sqlx::{
    ConnectOptions, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Error, Record, Result, Tx, Value,
    connection::{bind, options, records},
    schema, uri,
    writer::{self, Done, Job},
};

/// Connections that read at once; SQLite readers do not block each other, and each holds a page cache.
const READERS_MAX: u32 = 4;

/// An open database with MLflow's schema. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    readers: SqlitePool,
    writer: mpsc::Sender<Job>,
}

impl Db {
    /// Opens the database at an MLflow address (`sqlite:///file.db`), creating file and tables where there are none.
    ///
    /// A database of another schema revision is refused with what to do.
    pub async fn open(uri: &str) -> Result<Self> {
        let file = uri::sqlite_file(uri)?;
        create_folder(&file)?;
        let failed = |source| Error::Open { uri: uri.to_owned(), source };
        let connection = options(&file).connect().await.map_err(failed)?;
        let mut tx = Tx { connection };
        schema::create_or_check(&mut tx, uri).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(1)
            .connect_with(reader_options(&file))
            .await
            .map_err(failed)?;
        Ok(Self { readers, writer: writer::start(tx.connection) })
    }

    /// All rows of a query.
    pub async fn fetch_all<T: Record>(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<Vec<T>> {
        Ok(records(&bind(sql.into(), args).fetch_all(&self.readers).await?)?)
    }

    /// The first row of a query, if it has one.
    pub async fn fetch_optional<T: Record>(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<Option<T>> {
        let row = bind(sql.into(), args).fetch_optional(&self.readers).await?;
        Ok(row.as_ref().map(T::from_row).transpose()?)
    }

    /// The first row of a query that always has one, such as a count.
    pub async fn fetch_one<T: Record>(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<T> {
        Ok(T::from_row(&bind(sql.into(), args).fetch_one(&self.readers).await?)?)
    }

    /// Runs `work` in a transaction: all of it is kept and on disk when this returns `Ok`, or nothing of it.
    ///
    /// An `Err` from `work` takes its statements back. Work of concurrent callers shares a commit, so it should only
    /// talk to the database: no network, no long computing.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            Box::pin(async move {
                let outcome = match tx {
                    Ok(tx) => work(tx).await,
                    Err(error) => Err(error.into()),
                };
                let keep = outcome.is_ok();
                let answer = move |committed: Result<()>| {
                    let outcome = outcome.and_then(|it| committed.map(|()| it).map_err(E::from));
                    // A caller that has gone away does not want to know.
                    let _ = answer.send(outcome);
                };
                Done { keep, answer: Box::new(answer) }
            })
        });
        self.writer.send(job).await.map_err(|_| Error::Abandoned)?;
        answered.await.unwrap_or_else(|_| Err(Error::Abandoned.into()))
    }
}

/// Readers cannot write, whatever a query says.
fn reader_options(file: &Path) -> SqliteConnectOptions {
    options(file).create_if_missing(false).pragma("query_only", "true")
}

fn create_folder(file: &Path) -> Result<()> {
    let Some(folder) = file.parent().filter(|it| !it.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::Uri(format!("cannot create the database's folder {}: {error}", folder.display())))
}
