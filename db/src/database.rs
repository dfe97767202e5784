//! The database: opened once, read and written from many places.

use futures::future::BoxFuture;

use crate::{
    Dialect, Error, Reader, Record, Result, Tx, Value, mysql,
    mysql::MySql,
    postgres,
    postgres::Postgres,
    sqlite::Sqlite,
    uri::{self, Address},
};

/// An open database with MLflow's schema. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    driver: Driver,
}

#[derive(Clone, Debug)]
enum Driver {
    Sqlite(Sqlite),
    Postgres(Postgres),
    MySql(MySql),
}

impl Db {
    /// Opens the database at an MLflow address (`sqlite:///file.db`, `postgresql://user:password@host/database`,
    /// `mysql://…`), creating file and tables where there are none.
    ///
    /// A database of another schema revision is refused with what to do.
    pub async fn open(uri: &str) -> Result<Self> {
        let driver = match uri::parse(uri)? {
            Address::Sqlite(file) => Driver::Sqlite(Sqlite::open(file, uri).await?),
            Address::Postgres(uri) => Driver::Postgres(Box::pin(postgres::open(&uri)).await?),
            Address::MySql(uri) => Driver::MySql(Box::pin(mysql::open(&uri)).await?),
        };
        Ok(Self { driver })
    }

    /// Which kind of database it is.
    pub fn dialect(&self) -> Dialect {
        match self.driver {
            Driver::Sqlite(_) => Dialect::Sqlite,
            Driver::Postgres(_) => Dialect::Postgres,
            Driver::MySql(_) => Dialect::MySql,
        }
    }

    // What the servers' drivers keep while they wait is boxed: it would make every caller's future large.

    /// All rows of a query.
    pub async fn fetch_all<T: Record>(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<Vec<T>> {
        let sql = sql.into();
        let mut records = Vec::new();
        if !matches!(self.driver, Driver::Sqlite(_)) {
            tracing::trace!(target: "db::statement", sql);
        }
        match &self.driver {
            Driver::Sqlite(sqlite) => return sqlite.read(move |reader| reader.fetch_all(&sql, &args)).await,
            Driver::Postgres(server) => {
                let mut held = Box::pin(server.take()).await?;
                let outcome = Box::pin(held.session.for_each(&sql, &args, |record| records.push(record))).await;
                held.give_back();
                outcome?;
            }
            Driver::MySql(server) => {
                let mut held = Box::pin(server.take()).await?;
                let outcome = Box::pin(held.session.for_each(&sql, &args, |record| records.push(record))).await;
                held.give_back();
                outcome?;
            }
        }
        Ok(records)
    }

    /// The first row of a query, if it has one.
    pub async fn fetch_optional<T: Record>(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<Option<T>> {
        let sql = sql.into();
        match &self.driver {
            Driver::Sqlite(sqlite) => sqlite.read(move |reader| reader.fetch_optional(&sql, &args)).await,
            Driver::Postgres(_) | Driver::MySql(_) => Ok(self.fetch_all(sql, args).await?.into_iter().next()),
        }
    }

    /// The first row of a query that always has one, such as a count.
    pub async fn fetch_one<T: Record>(&self, sql: impl Into<String>, args: Vec<Value>) -> Result<T> {
        self.fetch_optional(sql, args).await?.ok_or_else(no_row)
    }

    /// Runs several queries that all see the database at the same moment, with one wait for all of them.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T, E> + Send + 'static,
    {
        match &self.driver {
            Driver::Sqlite(sqlite) => sqlite.read(work).await,
            Driver::Postgres(server) => Box::pin(server.read(work)).await,
            Driver::MySql(server) => Box::pin(server.read(work)).await,
        }
    }

    /// Runs `work` in a transaction: all of it is kept and on disk when this returns `Ok`, or nothing of it.
    ///
    /// An `Err` from `work` takes its statements back. Work of concurrent callers may share a commit, so it should only
    /// talk to the database: no network, no long computing. It can be cloned because a database server may take a
    /// transaction back for another one's sake; the work then runs again from its beginning. For the same reason a
    /// statement's error must not be swallowed: on some databases it ends the transaction.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Clone + Send + 'static,
    {
        match &self.driver {
            Driver::Sqlite(sqlite) => sqlite.write(work).await,
            Driver::Postgres(server) => Box::pin(server.write(work)).await,
            Driver::MySql(server) => Box::pin(server.write(work)).await,
        }
    }
}

/// The error for a query that should have had a row.
pub(crate) fn no_row() -> Error {
    Error::driver("a query that always has a row had none")
}
