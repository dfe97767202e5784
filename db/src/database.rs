//! The database: opened once, read from many places, written through one.

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Error, Reader, Record, Result, Tx, Value,
    connection::{self, Access},
    readers::Readers,
    schema, uri,
    writer::{self, Done, Job},
};

/// An open database with MLflow's schema. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    readers: Readers,
    writer: mpsc::Sender<Job>,
}

impl Db {
    /// Opens the database at an MLflow address (`sqlite:///file.db`), creating file and tables where there are none.
    ///
    /// A database of another schema revision is refused with what to do.
    pub async fn open(uri: &str) -> Result<Self> {
        let file = uri::sqlite_file(uri)?;
        create_folder(&file)?;
        let uri = uri.to_owned();
        let opened = tokio::task::spawn_blocking(move || open_both(file, &uri)).await;
        let (writer, readers) = opened.map_err(|_| Error::Abandoned)??;
        Ok(Self { readers, writer: writer::start(writer)? })
    }

    /// All rows of a query.
    pub async fn fetch_all<T: Record>(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<Vec<T>> {
        let sql = sql.into();
        self.read(move |reader| reader.fetch_all(&sql, &args)).await
    }

    /// The first row of a query, if it has one.
    pub async fn fetch_optional<T: Record>(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<Option<T>> {
        let sql = sql.into();
        self.read(move |reader| reader.fetch_optional(&sql, &args)).await
    }

    /// The first row of a query that always has one, such as a count.
    pub async fn fetch_one<T: Record>(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<T> {
        let sql = sql.into();
        self.read(move |reader| reader.fetch_one(&sql, &args)).await
    }

    /// Runs several queries that all see the database at the same moment, with one wait for all of them.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T, E> + Send + 'static,
    {
        self.readers.run(work).await
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

/// Opens the writer's connection, which makes the schema, and the first reader's.
fn open_both(file: PathBuf, uri: &str) -> Result<(Tx, Readers)> {
    let failed = |source| Error::Open { uri: uri.to_owned(), source };
    let connection = connection::open(&file, Access::Write).map_err(failed)?;
    let mut tx = Tx { connection };
    schema::create_or_check(&mut tx, uri)?;
    Ok((tx, Readers::open(file).map_err(failed)?))
}

fn create_folder(file: &Path) -> Result<()> {
    let Some(folder) = file.parent().filter(|it| !it.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::Uri(format!("cannot create the database's folder {}: {error}", folder.display())))
}
