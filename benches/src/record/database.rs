//! The databases that the servers write to: a file, or a database of its own on a server that the environment names.

use std::path::Path;

use anyhow::{Context, Result, bail};
use mysql_async::prelude::Queryable;

use crate::tree::Tree;

/// One kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Database {
    /// A file.
    Sqlite,
    /// The server of `$TIDEGATE_TEST_POSTGRES`.
    Postgres,
    /// The server of `$TIDEGATE_TEST_MYSQL`.
    MySql,
}

impl Database {
    /// All of them, in the order in which they are measured.
    pub(super) const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::MySql];

    /// As tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MariaDB",
        }
    }

    /// The address of its server, where it has one and the environment names it.
    fn server(self) -> Option<String> {
        let variable = match self {
            Self::Sqlite => return None,
            Self::Postgres => "TIDEGATE_TEST_POSTGRES",
            Self::MySql => "TIDEGATE_TEST_MYSQL",
        };
        std::env::var(variable).ok().filter(|it| !it.is_empty())
    }

    /// Whether it can be measured here.
    pub(super) fn is_there(self) -> bool {
        self == Self::Sqlite || self.server().is_some()
    }
}

/// An empty database; one on a server is dropped with the value.
#[derive(Debug)]
pub(super) struct Store {
    /// Where it is.
    pub(super) database: Database,
    /// As SQLAlchemy writes it, for `--backend-store-uri`.
    pub(super) uri: String,
    /// The processes of its server, where they run on this machine.
    pub(super) tree: Option<Tree>,
    /// The address of its server, and its name there.
    on_server: Option<(String, String)>,
}

impl Store {
    /// Makes an empty database: a file in the folder, or a new one on the server.
    pub(super) fn create(database: Database, folder: &Path) -> Result<Self> {
        if database == Database::Sqlite {
            let uri = format!("sqlite:///{}/mlflow.db", folder.display());
            return Ok(Self { database, uri, tree: None, on_server: None });
        }
        let server = database.server().with_context(|| format!("no server of {} is named", database.name()))?;
        let name = format!("tidegate_bench_{}", std::process::id());
        let tree = blocking(async {
            statement(database, &server, &format!("DROP DATABASE IF EXISTS {name}")).await?;
            statement(database, &server, &format!("CREATE DATABASE {name}")).await?;
            server_tree(database, &server).await
        })?;
        let (rest, _) = server.rsplit_once('/').context("the server's address names no database")?;
        let uri = format!("{rest}/{name}");
        Ok(Self { database, uri, tree, on_server: Some((server, name)) })
    }

    /// The address for drivers, which know no `+driver`.
    pub(super) fn plain_uri(&self) -> String {
        plain(&self.uri)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let Some((server, name)) = &self.on_server else { return };
        let force = if self.database == Database::Postgres { " WITH (FORCE)" } else { "" };
        let dropped = blocking(statement(self.database, server, &format!("DROP DATABASE IF EXISTS {name}{force}")));
        if let Err(error) = dropped {
            eprintln!("the database {name} stays behind: {error}");
        }
    }
}

/// Runs one piece of asynchronous work to its end.
pub(super) fn blocking<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Opens a connection to PostgreSQL.
pub(super) async fn postgres(uri: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(uri, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn statement(database: Database, server: &str, sql: &str) -> Result<()> {
    match database {
        Database::Postgres => postgres(&plain(server)).await?.batch_execute(sql).await?,
        Database::MySql => {
            let mut connection = mysql_async::Conn::from_url(plain(server)).await?;
            connection.query_drop(sql).await?;
            connection.disconnect().await?;
        }
        Database::Sqlite => bail!("SQLite has no server"),
    }
    Ok(())
}

/// The server's processes, if they are on this machine.
async fn server_tree(database: Database, server: &str) -> Result<Option<Tree>> {
    Ok(match database {
        Database::Postgres => {
            let row = postgres(&plain(server)).await?.query_one("SELECT pg_backend_pid()", &[]).await?;
            Tree::of_parent(u32::try_from(row.get::<_, i32>(0))?).ok()
        }
        Database::MySql => {
            let mut connection = mysql_async::Conn::from_url(plain(server)).await?;
            let file: Option<String> = connection.query_first("SELECT @@pid_file").await?;
            connection.disconnect().await?;
            let id = file.and_then(|file| std::fs::read_to_string(file).ok());
            id.and_then(|id| id.trim().parse().ok()).map(Tree::of)
        }
        Database::Sqlite => None,
    })
}

/// `mysql+pymysql://…` as `mysql://…`.
fn plain(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    format!("{}://{rest}", scheme.split('+').next().unwrap_or(scheme))
}
