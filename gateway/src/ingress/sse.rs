//! A streamed answer on the wire: server-sent events, one for each chunk.

mod turn;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{FutureExt, stream};
use llm::Error;

use crate::answer::{Chunks, Piece};
use crate::cost::{COST, Usd};
use crate::dialect::EventWriter;
use crate::handles::Seal;

/// Room for the first event of a write; most streams say a word at a time.
const FIRST_EVENT_BYTES: usize = 512;

/// What comes next in a stream: a chunk, its end, or an error in its midst.
type Next = Result<Option<Piece>, Error>;

/// How a protocol writes a stream.
pub(super) trait PieceWriter: Send + 'static {
    /// A piece of the answer.
    fn piece(&mut self, piece: Piece, events: &mut Vec<u8>);
    /// What the call cost, just before the end. A comment, which no client takes for an event: the head, where a
    /// whole answer tells it, is long gone.
    fn cost(&mut self, cost: Usd, events: &mut Vec<u8>) {
        events.extend_from_slice(format!(": {COST} {cost}\n\n").as_bytes());
    }
    /// The end of a stream to which nothing is missing.
    fn done(&mut self, events: &mut Vec<u8>);
    /// An error in the middle of the stream.
    fn error(&mut self, error: &Error, events: &mut Vec<u8>);
}

/// Chunks in OpenAI's manner, changed a little.
pub(super) struct Writer {
    /// A piece as this protocol has it.
    pub(super) chunk: Box<dyn Fn(Piece) -> String + Send>,
    /// An error in the middle of the stream.
    pub(super) error: fn(&Error) -> String,
}

impl PieceWriter for Writer {
    fn piece(&mut self, piece: Piece, events: &mut Vec<u8>) {
        llm::sse::encode(None, &(self.chunk)(piece), events);
    }

    fn done(&mut self, events: &mut Vec<u8>) {
        llm::sse::encode(None, "[DONE]", events);
    }

    fn error(&mut self, error: &Error, events: &mut Vec<u8>) {
        // No `[DONE]`: a caller who waits for it knows that something is missing.
        llm::sse::encode(None, &(self.error)(error), events);
    }
}

/// Another format: its own events pass as they came, and OpenAI's chunks are translated.
pub(super) struct Translated {
    writer: Box<dyn EventWriter>,
    /// Whether the provider's own events came, and with them their end.
    is_native: bool,
    /// What makes handles of the ids in the provider's own events.
    seal: Option<Seal>,
}

impl Translated {
    pub(super) fn new(writer: Box<dyn EventWriter>) -> Self {
        Self { writer, is_native: false, seal: None }
    }

    /// The same, with handles in the place of the provider's ids.
    pub(super) fn sealed(self, seal: Option<Seal>) -> Self {
        Self { seal, ..self }
    }
}

impl PieceWriter for Translated {
    fn piece(&mut self, piece: Piece, events: &mut Vec<u8>) {
        match piece {
            Piece::Event(mut event) => {
                self.is_native = true;
                if let Some(seal) = &self.seal {
                    seal.event(&mut event);
                }
                llm::sse::encode(event.event.as_deref(), &event.data, events);
            }
            // A chunk in no known shape has nothing to say in another format.
            Piece::Chunk(chunk) => {
                if let Ok(chunk) = serde_json::from_str(&chunk) {
                    self.writer.chunk(chunk, events);
                }
            }
        }
    }

    fn done(&mut self, events: &mut Vec<u8>) {
        if !self.is_native {
            self.writer.done(events);
        }
    }

    fn error(&mut self, error: &Error, events: &mut Vec<u8>) {
        let sealed = self.seal.as_ref().and_then(|it| it.error(error));
        self.writer.error(sealed.as_ref().unwrap_or(error), events);
    }
}

/// Bytes that go out together at most; a stream that comes faster than it is sent must not gather without end.
const TOGETHER_BYTES_MAX: usize = 16 << 10;

/// The response. Chunks are fetched as fast as the caller reads; a caller who leaves ends the provider's work.
pub(super) fn response(chunks: Box<Chunks>, writer: impl PieceWriter) -> Response {
    let events = stream::unfold(Some((chunks, writer)), |state| async {
        let (mut chunks, mut writer) = state?;
        let mut events = Vec::with_capacity(FIRST_EVENT_BYTES);
        let next = chunks.next().await;
        let mut is_open = write(next, &chunks, &mut writer, &mut events);
        while is_open && events.len() < TOGETHER_BYTES_MAX {
            let Some(next) = at_hand(&mut chunks).await else { break };
            is_open = write(next, &chunks, &mut writer, &mut events);
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

/// Writes what came as events; gives whether the stream goes on.
fn write(next: Next, chunks: &Chunks, writer: &mut impl PieceWriter, events: &mut Vec<u8>) -> bool {
    match next {
        Ok(Some(piece)) => {
            writer.piece(piece, events);
            return true;
        }
        Ok(None) => {
            if let Some(cost) = chunks.cost() {
                writer.cost(cost, events);
            }
            writer.done(events);
        }
        Err(error) => writer.error(&error, events),
    }
    false
}
