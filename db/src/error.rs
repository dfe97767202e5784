//! What can go wrong with a database, by what the caller can do about it.

use rusqlite::{
    ErrorCode,
    ffi::{
        SQLITE_CONSTRAINT_CHECK, SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE,
    },
};

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
        source: rusqlite::Error,
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
    /// The commit of a group of writes failed, and nothing of them was kept; the disk may be full.
    #[error("the write could not be committed, and nothing of it was kept: {0}")]
    Commit(String),
    /// Anything else that the driver says.
    #[error("database error: {0}")]
    Driver(rusqlite::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => Self::Busy,
            Some(ErrorCode::ConstraintViolation) if is_rule(&error) => Self::Constraint(error.to_string()),
            _ => Self::Driver(error),
        }
    }
}

/// Whether a unique key, a foreign key or a check refused the write; a missing value would be a bug of ours.
fn is_rule(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|it| {
        matches!(
            it.extended_code,
            SQLITE_CONSTRAINT_UNIQUE
                | SQLITE_CONSTRAINT_PRIMARYKEY
                | SQLITE_CONSTRAINT_FOREIGNKEY
                | SQLITE_CONSTRAINT_CHECK
        )
    })
}
