//! What can go wrong behind MLflow's REST API, by what the caller can do about it.

use std::error::Error as StdError;

use crate::python;

/// What calls behind the REST API give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a store or of the REST API before it. The text is what the user reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is wrong and stays wrong until the caller changes it.
    #[error("{0}")]
    Invalid(String),
    /// The request sorts by something that the things do not have.
    #[error("{0}")]
    UnknownAttribute(String),
    /// The named thing does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken.
    #[error("{0}")]
    AlreadyExists(String),
    /// The thing exists but is in a state that forbids the operation, e.g. renaming a deleted experiment.
    #[error("{0}")]
    InvalidState(String),
    /// The caller may not do this.
    #[error("{0}")]
    Denied(String),
    /// Nothing is served at this address.
    #[error("{0}")]
    NoSuchEndpoint(String),
    /// The address is right, the method is not.
    #[error("{0}")]
    NoSuchMethod(String),
    /// The request is bigger than this server accepts.
    #[error("{0}")]
    TooLarge(String),
    /// The request did not come in time.
    #[error("{0}")]
    TooSlow(String),
    /// The protocol knows this operation, this server does not.
    #[error("{0}")]
    Unsupported(String),
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
    /// The request is wrong; `message` says what and how to put it right.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// The named thing does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound(message.into())
    }

    /// The named thing does not exist, in MLflow's words: `GatewaySecret not found (secret_id='s-1')`.
    pub fn no_such(what: &str, key: &str, value: &str) -> Self {
        Self::NotFound(format!("{what} not found ({key}='{value}')"))
    }

    /// A unique key that is taken means what the caller says; any other failure stays what it is.
    pub fn taken(error: db::Error, message: impl FnOnce() -> String) -> Self {
        match error {
            db::Error::Constraint(_) => Self::AlreadyExists(message()),
            error => error.into(),
        }
    }

    /// Something broke inside while doing `what`.
    pub fn internal(what: impl Into<String>, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal { what: what.into(), source: source.into() }
    }

    /// A required request parameter was absent or empty.
    pub fn missing(parameter: &str) -> Self {
        Self::Invalid(format!("Missing value for required parameter '{parameter}'.{SEE_DOCS}"))
    }

    /// A request parameter had the wrong type, or a value outside its set.
    pub fn wrong_type(parameter: &str, value: &serde_json::Value) -> Self {
        let kind = python::type_name(value);
        Self::Invalid(format!(
            "Invalid value {value} for parameter '{parameter}' supplied:  Hint: Value was of type '{kind}'.{SEE_DOCS}"
        ))
    }
}

/// MLflow ends its request-schema messages with this; clients show it to the user.
pub const SEE_DOCS: &str = " See the API docs for more information about request parameters.";
