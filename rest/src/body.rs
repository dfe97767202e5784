//! Reads the body of a request, up to its limit, and makes [`Fields`] of it.

use std::error::Error as StdError;
use std::io;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};

use crate::{Error, Fields, Result};

/// Bytes that a body has at most where its router says nothing, which is axum's own default.
const DEFAULT_BYTES_MAX: usize = 2 << 20;

#[derive(Clone, Copy, Debug)]
struct BytesMax(usize);

/// The layer that refuses bodies of more bytes, in words that name the limit.
pub fn body_limit(bytes_max: usize) -> (DefaultBodyLimit, Extension<impl Clone + Send + Sync + 'static>) {
    (DefaultBodyLimit::max(bytes_max), Extension(BytesMax(bytes_max)))
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_read && !query.is_empty() {
            return Ok(Self::from_query(query));
        }
        let (headers, body) = read(request, state).await?;
        if is_read && body.is_empty() {
            return Ok(Self::from_query(""));
        }
        check_content_type(&headers)?;
        Self::from_json(&body)
    }
}

/// The parameters of a request whose body has them whatever its method.
#[derive(Debug)]
pub struct Body(pub Fields);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        Fields::from_json(&read_json(request, state).await?).map(Self)
    }
}

/// Reads a body that says that it is JSON.
pub async fn read_json<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes> {
    let (headers, body) = read(request, state).await?;
    check_content_type(&headers)?;
    Ok(body)
}

/// Reads the whole body, up to its limit.
async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<(HeaderMap, Bytes)> {
    let headers = request.headers().clone();
    let BytesMax(bytes_max) = request.extensions().get().copied().unwrap_or(BytesMax(DEFAULT_BYTES_MAX));
    let too_large =
        || Error::TooLarge(format!("The request body is larger than {bytes_max} bytes; split the request."));
    // A client that says so beforehand need not send it first.
    if content_length(&headers).is_some_and(|it| it > bytes_max as u64) {
        return Err(too_large());
    }
    let body = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ if is_timeout(&rejection) => too_slow(),
        _ => Error::invalid(format!("The request body could not be read: {}", rejection.body_text())),
    })?;
    Ok((headers, body))
}

/// What reading a body gives when its client keeps the server waiting.
pub fn too_slow() -> Error {
    Error::TooSlow(
        "The request's body did not come in time. Send it again over a connection that is faster.".to_owned(),
    )
}

/// Whether reading failed because the client was too slow.
pub fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn check_content_type(headers: &HeaderMap) -> Result<()> {
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return Err(Error::invalid("Bad Request. Content-Type header is missing."));
    };
    let essence = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Error::invalid("Bad Request. Content-Type must be one of ['application/json']."))
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
