//! What can go wrong in administration, by what the caller can do about it.

use std::error::Error as StdError;

pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of an administration RPC. The text is what the user reads.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The request is wrong and stays wrong until the caller changes it.
    #[error("{0}")]
    Invalid(String),
    /// The named thing does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken.
    #[error("{0}")]
    AlreadyExists(String),
    /// The thing is in a state that forbids the operation: a model definition that endpoints use.
    #[error("{0}")]
    InvalidState(String),
    /// The address is right, the method is not.
    #[error("{0}")]
    NoSuchMethod(String),
    /// The request is bigger than this server accepts.
    #[error("{0}")]
    TooLarge(String),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] db::Error),
    /// Something broke that the caller can do nothing about.
    #[error("{what}")]
    Internal {
        /// What this server was doing.
        what: String,
        /// Why it failed.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// In MLflow's words: `GatewaySecret not found (secret_id='s-1')`.
    pub(super) fn not_found(what: &str, key: &str, value: &str) -> Self {
        Self::NotFound(format!("{what} not found ({key}='{value}')"))
    }

    pub(super) fn internal(what: impl Into<String>, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal { what: what.into(), source: source.into() }
    }

    /// A unique key that is taken means what the caller says; any other failure stays what it is.
    pub(super) fn taken(error: db::Error, message: impl FnOnce() -> String) -> Self {
        match error {
            db::Error::Constraint(_) => Self::AlreadyExists(message()),
            error => error.into(),
        }
    }
}
