//! Errors in the shape of MLflow's REST API: a status, `error_code` and `message`.

use std::error::Error as _;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use uuid::Uuid;

use crate::admin::Error;

/// The body of every error answer; clients branch on `error_code` and show `message`.
#[derive(Serialize)]
struct Body {
    error_code: &'static str,
    message: String,
    sqlstate: &'static str,
    error_class: &'static str,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, error_code, sqlstate, error_class) = classify(&self);
        let message = match &self {
            Self::Database(db::Error::Value(words)) => words.clone(),
            Self::Database(_) | Self::Internal { .. } => logged(&self),
            error => error.to_string(),
        };
        (status, Json(Body { error_code, message, sqlstate, error_class })).into_response()
    }
}

/// MLflow's client repeats 429 and 5xx for minutes, so a mistake of the caller must never be one of those.
fn classify(error: &Error) -> (StatusCode, &'static str, &'static str, &'static str) {
    let invalid = "INVALID_PARAMETER_VALUE";
    match error {
        Error::Invalid(_) | Error::Database(db::Error::Value(_)) => {
            (StatusCode::BAD_REQUEST, invalid, "KAM00", invalid)
        }
        Error::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, invalid, "KAM00", invalid),
        Error::NoSuchMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST", "KAM00", invalid),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", "KAM00", "RESOURCE_NOT_FOUND"),
        Error::AlreadyExists(_) => {
            (StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS", "KAM00", "RESOURCE_ALREADY_EXISTS")
        }
        Error::InvalidState(_) => (StatusCode::BAD_REQUEST, "INVALID_STATE", "XXM00", "CLIENT_INTERNAL_ERROR"),
        Error::Database(db::Error::Busy | db::Error::Unavailable(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE", "XXM00", "CLIENT_INTERNAL_ERROR")
        }
        Error::Database(_) | Error::Internal { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "XXM00", "CLIENT_INTERNAL_ERROR")
        }
    }
}

/// Logs the whole chain of causes under a fresh id and gives the words that carry the id to the user.
fn logged(error: &Error) -> String {
    let id = Uuid::new_v4().simple().to_string();
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        chain.push_str(": ");
        chain.push_str(&inner.to_string());
        cause = inner.source();
    }
    tracing::error!(id, error = chain, "an administration request failed");
    format!("{error}; the server's log has the cause under id {id}")
}
