//! A streamed answer on the wire: server-sent events, one for each chunk.

mod turn;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{FutureExt, stream};
use llm::Error;

use crate::gateway::Chunks;

/// Room for the first event of a write; most streams say a word at a time.
const FIRST_EVENT_BYTES: usize = 512;

/// What comes next in a stream: a chunk, its end, or an error in its midst.
type Next = Result<Option<String>, Error>;

/// How a protocol writes a stream.
pub(super) struct Writer {
    /// A chunk as this protocol has it.
    pub(super) chunk: Box<dyn Fn(String) -> String + Send>,
    /// An error in the middle of the stream.
    pub(super) error: fn(&Error) -> String,
}

/// Bytes that go out together at most; a stream that comes faster than it is sent must not gather without end.
const TOGETHER_BYTES_MAX: usize = 16 << 10;

/// The response. Chunks are fetched as fast as the caller reads; a caller who leaves ends the provider's work.
pub(super) fn response(chunks: Box<Chunks>, writer: Writer) -> Response {
    let events = stream::unfold(Some((chunks, writer)), |state| async {
        let (mut chunks, writer) = state?;
        let mut events = Vec::with_capacity(FIRST_EVENT_BYTES);
        let mut is_open = write(chunks.next().await, &writer, &mut events);
        while is_open && events.len() < TOGETHER_BYTES_MAX {
            let Some(next) = at_hand(&mut chunks).await else { break };
            is_open = write(next, &writer, &mut events);
        }
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(events)), is_open.then_some((chunks, writer))))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        // nginx would otherwise hold the stream back until its buffer is full.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

/// What comes without waiting for the provider: each write to the caller costs more than all the work on a chunk, so
/// that chunks which came together leave together.
async fn at_hand(chunks: &mut Chunks) -> Option<Next> {
    if let Some(next) = chunks.next().now_or_never() {
        return Some(next);
    }
    // The provider's connection hands over one chunk and goes on reading when it is its turn again.
    turn::next().await;
    chunks.next().now_or_never()
}

/// Writes what came as an event; gives whether the stream goes on.
fn write(next: Next, writer: &Writer, events: &mut Vec<u8>) -> bool {
    let (data, is_open) = match next {
        Ok(Some(chunk)) => ((writer.chunk)(chunk), true),
        Ok(None) => ("[DONE]".to_owned(), false),
        // No `[DONE]`: a caller who waits for it knows that something is missing.
        Err(error) => ((writer.error)(&error), false),
    };
    llm::sse::encode(None, &data, events);
    is_open
}
