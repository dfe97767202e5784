//! What can go wrong with a database, by what the caller can do about it.

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address names no database that Tidegate can open.
    #[error("{0}")]
    Uri(String),
    /// The database holds another schema than ours; the message says how to bring it there.
    #[error("{0}")]
    Schema(String),
    /// The database could not be opened.
    #[error("cannot open the database {uri}: {source}")]
    Open {
        /// The database's address, without a password.
        uri: String,
        /// The driver's words.
        source: sqlx::Error,
    },
    /// A unique key, foreign key or check refused the write.
    #[error("{0}")]
    Constraint(String),
    /// Another program holds the database's write lock for longer than we wait.
    #[error("the database is busy: another program holds its write lock; try again")]
    Busy,
    /// The writer has stopped: the server shuts down, or the write's own code broke.
    #[error("the write was abandoned before it was committed; nothing of it was kept")]
    Abandoned,
    /// Anything else that the driver says.
    #[error("database error: {0}")]
    Driver(sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(it) = &error {
            // SQLite's primary result code for "locked" by another connection is 5 (SQLITE_BUSY), in the low byte.
            let busy = it.code().and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5);
            if busy {
                return Self::Busy;
            }
            if it.is_unique_violation() || it.is_foreign_key_violation() || it.is_check_violation() {
                return Self::Constraint(it.message().to_owned());
            }
        }
        Self::Driver(error)
    }
}
