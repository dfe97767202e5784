//! What SQLite's errors mean.

use rusqlite::{
    ErrorCode,
    ffi::{
        SQLITE_CONSTRAINT_CHECK, SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE,
    },
};

use crate::Error;

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => Self::Busy,
            Some(ErrorCode::ConstraintViolation) if is_rule(&error) => Self::Constraint(error.to_string()),
            _ => Self::driver(error),
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
