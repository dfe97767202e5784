//! SQLite: many connections that read, one that writes.

mod connection;
mod error;
mod memory;
mod readers;
mod schema;
mod upgrade;
mod value;
mod writer;

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::{Error, Reader, Result, Tx};

use connection::Access;
pub(crate) use connection::{all, execute, execute_many, first, query};
pub(crate) use readers::{Readers, Snapshot};
pub(crate) use upgrade::{inspect, upgrade};
pub(crate) use value::cell;
use writer::{Done, Job};

/// An open file. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    readers: Readers,
    writer: mpsc::Sender<Job>,
}

impl Sqlite {
    /// Opens a file, creating file and tables where there are none.
    pub(crate) async fn open(file: PathBuf, uri: &str) -> Result<Self> {
        create_folder(&file)?;
        let uri = uri.to_owned();
        // The writer's connection makes the schema, which the readers' then find.
        let opened = tokio::task::spawn_blocking(move || {
            let failed = |source| Error::open(&uri, source);
            let connection = connection::open(&file, Access::Write).map_err(failed)?;
            schema::create_or_check(&connection, &uri)?;
            Ok::<_, Error>((connection, Readers::open(file).map_err(failed)?))
        })
        .await;
        let (connection, readers) = opened.map_err(|_| Error::Abandoned)??;
        Ok(Self { readers, writer: writer::start(Tx::on_sqlite(connection))? })
    }

    /// Runs `work` on a moment of the database.
    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T, E> + Send + 'static,
    {
        self.readers.run(work).await
    }

    /// Runs `work` in a transaction.
    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
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

fn create_folder(file: &Path) -> Result<()> {
    let Some(folder) = file.parent().filter(|it| !it.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::Uri(format!("cannot create the database's folder {}: {error}", folder.display())))
}
