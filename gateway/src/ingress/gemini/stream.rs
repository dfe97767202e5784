//! A stream as Google sends it to those who do not ask for events: a JSON list that grows.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use llm::sse::Decoder;

/// Bytes of one event at most; they were written here from events of no more.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// The events as the items of a list. A stream that fails ends with the error as its last item.
pub(super) fn as_list(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    let state = Some((body.into_data_stream(), Decoder::new(EVENT_BYTES_MAX), true));
    let items = stream::unfold(state, |state| async {
        let (mut body, mut decoder, mut is_first) = state?;
        let mut events = Vec::new();
        loop {
            let bytes = match body.next().await {
                None => return Some((Ok(Bytes::from_static(if is_first { b"[]" } else { b"]" })), None)),
                Some(Err(error)) => return Some((Err(error), None)),
                Some(Ok(bytes)) => bytes,
            };
            if let Err(error) = decoder.push(&bytes, &mut events) {
                return Some((Err(axum::Error::new(error)), None));
            }
            if events.is_empty() {
                continue;
            }
            let mut out = Vec::new();
            for event in events {
                out.extend_from_slice(if is_first { b"[" } else { b",\r\n" });
                out.extend_from_slice(event.data.as_bytes());
                is_first = false;
            }
            return Some((Ok::<_, axum::Error>(Bytes::from(out)), Some((body, decoder, is_first))));
        }
    });
    Response::from_parts(head, Body::from_stream(items))
}
