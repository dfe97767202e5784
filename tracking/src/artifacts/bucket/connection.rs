//! How the services behind buckets are talked to: time limits, retries, certificates.

use std::{fs, time::Duration};

use object_store::{Certificate, ClientOptions, RetryConfig};

use super::environment::Environment;
use crate::{Error, Result};

/// A service that does not take a connection for so long is not there.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A service that sends nothing for so long has stopped; also the most that one part of an upload may take. There is
/// no limit on a whole transfer, since a large file to a slow client takes hours.
const SILENCE_MAX: Duration = Duration::from_mins(2);

/// Retries of one request, with pauses that grow from a tenth of a second; clients of this server retry as well.
const RETRIES_MAX: usize = 4;

/// No retry starts so long after the first try, since somebody waits for the answer.
const RETRY_TIME_MAX: Duration = Duration::from_mins(1);

/// Settings of the HTTP client. `allow_http` is for services that the operator addressed by `http://`.
pub(super) fn options(environment: &Environment, allow_http: bool, ignore_tls: bool) -> Result<ClientOptions> {
    // The connection's cryptography is chosen once in a process; it may be chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut options = ClientOptions::new()
        .with_connect_timeout(CONNECT_MAX)
        .with_read_timeout(SILENCE_MAX)
        .with_timeout_disabled()
        .with_allow_http(allow_http)
        .with_allow_invalid_certificates(ignore_tls);
    if let Some(path) = environment.get("AWS_CA_BUNDLE") {
        let failed = |error: &dyn std::fmt::Display| {
            Error::invalid(format!("AWS_CA_BUNDLE names `{path}`, which cannot be used: {error}"))
        };
        let pem = fs::read(path).map_err(|error| failed(&error))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error))? {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}

/// How often and how long requests are retried.
pub(super) fn retries() -> RetryConfig {
    RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIME_MAX, ..RetryConfig::default() }
}

/// Checks an address of a service and says whether it is plain HTTP.
pub(super) fn is_plain_http(variable: &str, address: &str) -> Result<bool> {
    let parsed = url::Url::parse(address).ok().filter(url::Url::has_host);
    match parsed.as_ref().map(url::Url::scheme) {
        Some("http") => Ok(true),
        Some("https") => Ok(false),
        _ => Err(Error::invalid(format!(
            "{variable} must be an address such as https://host:9000, got `{}`",
            super::failure::redact(address)
        ))),
    }
}
