//! What can go wrong with a database, by what the caller can do about it.

use std::error::Error as StdError;

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
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A unique key, foreign key or check refused the write.
    #[error("{0}")]
    Constraint(String),
    /// The database cannot hold a value: too long a text, too large a number, a character that it does not know.
    #[error("{0}")]
    Value(String),
    /// Others hold what the write needs for longer than we wait.
    #[error("the database is busy: another program holds a lock that the request needs; try again")]
    Busy,
    /// The database's server cannot be reached, or does not answer.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The writer has stopped: the server shuts down, or the write's own code broke.
    #[error("the write was abandoned before it was committed; nothing of it was kept")]
    Abandoned,
    /// The commit of a group of writes failed, and nothing of them was kept; the disk may be full.
    #[error("the write could not be committed, and nothing of it was kept: {0}")]
    Commit(String),
    /// The connection broke while the database committed.
    #[error("the connection to the database broke during the commit, so that the write may or may not be kept: {0}")]
    CommitUnknown(String),
    /// Anything else that the driver says.
    #[error("database error: {0}")]
    Driver(Box<dyn StdError + Send + Sync>),
}

impl Error {
    pub(crate) fn driver(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Driver(error.into())
    }

    pub(crate) fn open(uri: &str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Open { uri: uri.to_owned(), source: source.into() }
    }
}
