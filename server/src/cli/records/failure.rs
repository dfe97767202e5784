//! Why a server or a database did not do what a verb asked.

use http::StatusCode;
use reqwest::Url;
use serde_json::Value;

/// An error page is cut to its beginning.
const SHOWN_CHARS_MAX: usize = 2000;

/// Why a verb's request failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum Failure {
    /// The request was understood and refused, in MLflow's error shape.
    #[error("{message}")]
    Refused {
        /// MLflow's name of the error.
        code: String,
        /// Its words.
        message: String,
    },
    /// There was no usable answer.
    #[error(transparent)]
    Broken(#[from] anyhow::Error),
}

impl Failure {
    /// Whether the thing does not exist.
    pub(in crate::cli) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "RESOURCE_DOES_NOT_EXIST")
    }

    /// The same refusal, with what to do about it.
    pub(in crate::cli) fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Refused { code, message } => {
                let message = format!("{}; {}", message.trim_end_matches('.'), hint.into());
                Self::Refused { code, message }
            }
            broken @ Self::Broken(_) => broken,
        }
    }

    /// The thing that was asked for does not exist.
    pub(in crate::cli) fn missing(message: impl Into<String>) -> Self {
        Self::Refused { code: "RESOURCE_DOES_NOT_EXIST".to_owned(), message: message.into() }
    }
}

/// The failure that an answer's status and body tell.
pub(super) fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    if let (Some(code), Some(message)) = (parsed["error_code"].as_str(), parsed["message"].as_str()) {
        return Failure::Refused { code: code.to_owned(), message: message.to_owned() };
    }
    let words: String = String::from_utf8_lossy(body).chars().take(SHOWN_CHARS_MAX).collect();
    let hint = match status.as_u16() {
        401 | 403 => "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
        404 => "; is this an MLflow server?",
        _ => "",
    };
    let message = format!("the server answered {}: {}{hint}", status.as_u16(), words.trim());
    if status.is_client_error() {
        Failure::Refused { code: status.as_u16().to_string(), message }
    } else {
        Failure::Broken(anyhow::anyhow!(message))
    }
}

/// The failure of a request that got no answer; the address is shown without user and password.
pub(super) fn unreachable(base: &Url, error: &reqwest::Error) -> Failure {
    use std::error::Error as _;
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    let cause = cause.map(|it| format!(" ({it})")).unwrap_or_default();
    let place = format!(
        "{}://{}{}",
        base.scheme(),
        base.host_str().unwrap_or_default(),
        base.port().map(|it| format!(":{it}")).unwrap_or_default()
    );
    Failure::Broken(anyhow::anyhow!(
        "the server {place} cannot be reached{cause}; is it running? Name another with --tracking-uri or \
         MLFLOW_TRACKING_URI"
    ))
}
