//! Maps [`Error`] to MLflow's JSON error body and HTTP status.

use std::error::Error as _;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Serialize;

use crate::Error;

/// The body of every error answer; clients branch on `error_code` and show `message`.
#[derive(Serialize)]
struct Body {
    error_code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_class: Option<&'static str>,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, error_code) = classify(&self);
        let message = self.words();
        let (sqlstate, error_class) = match self {
            Error::UnknownAttribute(_) => (Some("KAM04"), Some("ATTRIBUTE_NOT_FOUND")),
            _ => sql_classes(error_code),
        };
        (status, Json(Body { error_code, message, sqlstate, error_class })).into_response()
    }
}

impl Error {
    /// What the user reads; the causes of this server's own failures go into the log.
    pub fn words(&self) -> String {
        match self {
            Self::Database(db::Error::Value(words)) => words.clone(),
            error if is_ours(error) => log_failure(error),
            error => error.to_string(),
        }
    }
}

/// MLflow's Python client retries 429 and 5xx for minutes, so a mistake of the caller must never be one of those.
fn classify(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Invalid(_) | Error::UnknownAttribute(_) => (StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST"),
        Error::AlreadyExists(_) => (StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS"),
        Error::InvalidState(_) => (StatusCode::BAD_REQUEST, "INVALID_STATE"),
        Error::Denied(_) => (StatusCode::FORBIDDEN, "PERMISSION_DENIED"),
        Error::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "INVALID_PARAMETER_VALUE"),
        Error::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "BAD_REQUEST"),
        Error::NoSuchEndpoint(_) => (StatusCode::NOT_FOUND, "ENDPOINT_NOT_FOUND"),
        Error::NoSuchMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST"),
        Error::Unsupported(_) => (StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED"),
        Error::Database(db::Error::Value(_)) => (StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE"),
        Error::Database(db::Error::Busy | db::Error::Unavailable(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE")
        }
        Error::Database(_) | Error::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
    }
}

/// Whether the failure is this server's own, whose details belong in the log and not in the answer.
fn is_ours(error: &Error) -> bool {
    matches!(error, Error::Database(_) | Error::Internal { .. })
}

/// Logs the whole chain of causes under a fresh id and gives the words that carry the id to the user.
fn log_failure(error: &Error) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        chain.push_str(": ");
        chain.push_str(&inner.to_string());
        cause = inner.source();
    }
    tracing::error!(id, error = chain, "request failed");
    let what = match error {
        Error::Database(db::Error::Unavailable(_)) => {
            "the database cannot be reached at the moment; try again, the server goes on when it is back".to_owned()
        }
        // These name no table and no text of the request.
        Error::Database(error @ (db::Error::Busy | db::Error::CommitUnknown(_))) => error.to_string(),
        error => error.to_string(),
    };
    format!("{what}; the server's log has the cause under id {id}")
}

/// MLflow's lookup of SQLSTATE and error class by error code; codes that it does not classify carry neither.
fn sql_classes(error_code: &str) -> (Option<&'static str>, Option<&'static str>) {
    match error_code {
        "INVALID_PARAMETER_VALUE" => (Some("KAM00"), Some("INVALID_PARAMETER_VALUE")),
        "RESOURCE_DOES_NOT_EXIST" | "ENDPOINT_NOT_FOUND" => (Some("KAM00"), Some("RESOURCE_NOT_FOUND")),
        "RESOURCE_ALREADY_EXISTS" => (Some("KAM00"), Some("RESOURCE_ALREADY_EXISTS")),
        "PERMISSION_DENIED" => (Some("KAM00"), Some("PERMISSION_DENIED")),
        "BAD_REQUEST" => (Some("KAM00"), Some("INVALID_PARAMETER_VALUE")),
        "INVALID_STATE" | "INTERNAL_ERROR" | "TEMPORARILY_UNAVAILABLE" => {
            (Some("XXM00"), Some("CLIENT_INTERNAL_ERROR"))
        }
        _ => (None, None),
    }
}
