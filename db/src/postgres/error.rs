//! What PostgreSQL's errors mean.

use std::error::Error as _;

use tokio_postgres::{Error as DriverError, error::SqlState};

use crate::{Error, server::Failure};

/// What helps against an error.
pub(super) fn failure(error: &DriverError) -> Failure {
    let Some(code) = error.code() else {
        // The driver's own errors: a broken connection, or a value that does not fit.
        return if is_broken(error) { Failure::Lost } else { Failure::Statement };
    };
    match code.code() {
        "40001" | "40P01" => Failure::Conflict,
        // A table was changed under a prepared statement, as an upgrade does; a new connection prepares it anew.
        "0A000" if error.as_db_error().is_some_and(|it| it.message().contains("cached plan")) => Failure::Lost,
        "26000" => Failure::Lost,
        // The server shuts down, starts, or has too many connections.
        "57P01" | "57P02" | "57P03" | "53300" => Failure::Lost,
        code if code.starts_with("08") => Failure::Lost,
        _ => Failure::Statement,
    }
}

/// The error in the words of this crate.
pub(super) fn translate(error: DriverError) -> Error {
    match failure(&error) {
        Failure::Conflict => return Error::Busy,
        Failure::Lost => return Error::Unavailable(words(&error)),
        Failure::Statement => {}
    }
    let Some(said) = error.as_db_error() else {
        return match error.source() {
            // A value that the statement cannot take.
            Some(_) if error.to_string().starts_with("error serializing parameter") => Error::Value(words(&error)),
            _ => Error::driver(error),
        };
    };
    let text = match said.detail() {
        Some(detail) => format!("{}: {detail}", said.message()),
        None => said.message().to_owned(),
    };
    match *said.code() {
        SqlState::UNIQUE_VIOLATION
        | SqlState::FOREIGN_KEY_VIOLATION
        | SqlState::CHECK_VIOLATION
        | SqlState::EXCLUSION_VIOLATION => Error::Constraint(text),
        // It has waited long enough not to wait again.
        SqlState::LOCK_NOT_AVAILABLE => Error::Busy,
        SqlState::STRING_DATA_RIGHT_TRUNCATION
        | SqlState::NUMERIC_VALUE_OUT_OF_RANGE
        | SqlState::CHARACTER_NOT_IN_REPERTOIRE
        | SqlState::UNTRANSLATABLE_CHARACTER
        | SqlState::INVALID_TEXT_REPRESENTATION
        | SqlState::INVALID_REGULAR_EXPRESSION
        | SqlState::PROGRAM_LIMIT_EXCEEDED => {
            Error::Value(format!("The database cannot take a value of the request: {text}."))
        }
        _ => Error::driver(format!("{text} (SQLSTATE {})", said.code().code())),
    }
}

/// The error with its causes; the driver names no passwords.
pub(super) fn words(error: &DriverError) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        cause = inner.source();
    }
    words
}

fn is_broken(error: &DriverError) -> bool {
    let is_io = error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
    error.is_closed() || is_io
}
