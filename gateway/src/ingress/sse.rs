//! A streamed answer on the wire: server-sent events, one for each chunk.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use llm::Error;

use crate::gateway::Chunks;

/// How a protocol writes a stream.
pub(super) struct Writer {
    /// A chunk as this protocol has it.
    pub(super) chunk: Box<dyn Fn(String) -> String + Send>,
    /// An error in the middle of the stream.
    pub(super) error: fn(&Error) -> String,
}

/// The response. Chunks are fetched as fast as the caller reads; a caller who leaves ends the provider's work.
pub(super) fn response(chunks: Box<Chunks>, writer: Writer) -> Response {
    let events = stream::unfold(Some((chunks, writer)), |state| async {
        let (mut chunks, writer) = state?;
        let (data, state) = match chunks.next().await {
            Ok(Some(chunk)) => ((writer.chunk)(chunk), Some((chunks, writer))),
            Ok(None) => ("[DONE]".to_owned(), None),
            // No `[DONE]`: a caller who waits for it knows that something is missing.
            Err(error) => ((writer.error)(&error), None),
        };
        let mut event = Vec::with_capacity(data.len() + 8);
        llm::sse::encode(None, &data, &mut event);
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(event)), state))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        // nginx would otherwise hold the stream back until its buffer is full.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events)).into_response()
}
