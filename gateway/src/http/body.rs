//! Reading a request's body, bounded, and only where it says that it is JSON.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;

use crate::caller::Caller;
use crate::explain;

/// Bytes of a request at most: a long conversation with several inline images.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Why a body was not read.
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

/// The caller and the body of a request.
pub(crate) async fn read(request: Request) -> Result<(Caller, Bytes), Refused> {
    let (parts, body) = request.into_parts();
    // A page of some other site can make a browser post text here unasked, but not JSON.
    if !is_json(&parts.headers) {
        return Err(Refused {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message: "the body must be JSON; send it with the header `Content-Type: application/json`".to_owned(),
        });
    }
    if let Some(packing) = parts.headers.get(CONTENT_ENCODING).filter(|it| *it != "identity") {
        return Err(Refused {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message: format!(
                "the body is packed as {packing:?}, which is not read here; send it without Content-Encoding"
            ),
        });
    }
    if content_length(&parts.headers).is_some_and(|it| it > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let caller = Caller {
        wants_explanation: explain::is_wanted(&parts.uri),
        ..Caller::of(&parts.headers, parts.extensions.get().cloned())
    };
    Ok((caller, collect(body).await?))
}

async fn collect(body: Body) -> Result<Bytes, Refused> {
    to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| {
        let is_limit = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if is_limit {
            return too_large();
        }
        Refused { status: StatusCode::BAD_REQUEST, message: format!("the body broke off: {error}") }
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Refused {
    Refused {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        message: format!("the body is larger than {BODY_BYTES_MAX} bytes; send less in one call"),
    }
}
