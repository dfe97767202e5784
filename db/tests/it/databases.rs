//! A database of its own for each test, of each kind: SQLite, PostgreSQL, MySQL.
//!
//! The servers are those that `TIDEGATE_TEST_POSTGRES` and `TIDEGATE_TEST_MYSQL` name, with a user who may create
//! databases; `scripts/services.sh` starts some.

use std::sync::atomic::{AtomicU32, Ordering};

use mysql_async::prelude::Queryable;
use tempfile::TempDir;

tokio::task_local! {
    static KIND: Kind;
}

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    MySql,
}

/// Makes a test of an `async fn` on each kind of database; [`TestDatabase::create`] makes one of the test's kind.
macro_rules! each_database {
    ($name:ident) => {
        mod $name {
            use crate::databases::{Kind, on};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                on(Kind::Sqlite, super::$name()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgresql() {
                on(Kind::Postgres, super::$name()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mysql() {
                on(Kind::MySql, super::$name()).await;
            }
        }
    };
}

/// Runs a test on one kind of database.
pub(crate) async fn on(kind: Kind, test: impl Future<Output = ()>) {
    KIND.scope(kind, test).await;
}

/// The kind of database that this test is for; SQLite where it does not say.
pub(crate) fn kind() -> Kind {
    KIND.try_with(|it| *it).unwrap_or(Kind::Sqlite)
}

/// An empty database, gone with this value.
pub(crate) struct TestDatabase {
    kind: Kind,
    /// Its address as MLflow writes it.
    pub(crate) uri: String,
    admin: String,
    name: String,
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// A database of the test's kind.
    pub(crate) async fn create() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let kind = kind();
        let name = format!("tidegate_test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let (variable, start) = match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let uri = format!("sqlite:///{}/sub/t.db", folder.path().display());
                return Self { kind, uri, admin: String::new(), name, _folder: Some(folder) };
            }
            Kind::Postgres => ("TIDEGATE_TEST_POSTGRES", "postgresql"),
            Kind::MySql => ("TIDEGATE_TEST_MYSQL", "mysql"),
        };
        let admin = std::env::var(variable).unwrap_or_else(|_| {
            panic!("{variable} is not set: run `scripts/services.sh` and set what it prints, or name a {start} server")
        });
        let letters = if kind == Kind::MySql { " CHARACTER SET utf8mb4" } else { "" };
        run(kind, &admin, &[format!("CREATE DATABASE {name}{letters}")]).await;
        let (server, _) = admin.rsplit_once('/').expect("the address names a database");
        Self { kind, uri: format!("{server}/{name}"), admin, name, _folder: None }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (kind, admin) = (self.kind, self.admin.clone());
        let sql = match kind {
            Kind::Sqlite => return,
            Kind::Postgres => format!("DROP DATABASE {} WITH (FORCE)", self.name),
            Kind::MySql => format!("DROP DATABASE {}", self.name),
        };
        // The test's own runtime is about to end.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(kind, &admin, &[sql]));
        });
        let _ = dropped.join();
    }
}

async fn run(kind: Kind, uri: &str, statements: &[String]) {
    match kind {
        Kind::Sqlite => unreachable!("a file needs no server"),
        Kind::Postgres => {
            let client = postgres(uri).await;
            for sql in statements {
                client.batch_execute(sql).await.unwrap();
            }
        }
        Kind::MySql => {
            let mut connection = mysql(uri).await;
            for sql in statements {
                connection.query_drop(sql).await.unwrap();
            }
            connection.disconnect().await.unwrap();
        }
    }
}

/// A connection past the one that is tested.
pub(crate) async fn postgres(uri: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&plain("postgresql", uri), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A connection past the one that is tested.
pub(crate) async fn mysql(uri: &str) -> mysql_async::Conn {
    mysql_async::Conn::from_url(plain("mysql", uri)).await.unwrap()
}

/// The address without the driver that Python would use.
fn plain(scheme: &str, uri: &str) -> String {
    let (_, rest) = uri.split_once("://").expect("an address");
    format!("{scheme}://{rest}")
}
