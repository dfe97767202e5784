//! An upstream that answers at once, on a thread of its own: what is left of a call's time is the gateway's.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use futures::StreamExt as _;

/// Deltas in a streamed answer.
pub const STREAM_CHUNKS: usize = 50;

/// Bytes of what a unary answer says, so that the answer as a whole has about a kibibyte.
const ANSWER_TEXT_BYTES: usize = 700;

/// The events of a streamed answer. They are made once, so that the mock takes little of the machine.
static EVENTS: LazyLock<Vec<Bytes>> = LazyLock::new(|| (0..=STREAM_CHUNKS + 1).map(event).collect());
static UNARY: LazyLock<Bytes> = LazyLock::new(|| unary().into());

/// A text of so many bytes.
pub fn text(bytes: usize) -> String {
    "The tide comes in twice a day, and goes out again as often. ".chars().cycle().take(bytes).collect()
}

/// Between two events of the slow upstream: that of a model which writes five tokens each second.
const SLOW_EVENT: Duration = Duration::from_millis(200);

/// Starts the upstream; it lives as long as the process.
pub fn start() -> Result<SocketAddr> {
    start_with(post(answer))
}

/// Starts an upstream whose streams come slowly.
pub fn start_slow() -> Result<SocketAddr> {
    start_with(post(answer_slowly))
}

/// Starts an upstream whose streams say one thing and then nothing more. It tells when each was left.
pub fn start_silent(tell: Sender<Instant>) -> Result<SocketAddr> {
    start_with(post(move |body: Bytes| {
        let tell = tell.clone();
        async move {
            if !wants_stream(&body) {
                return answer(body).await;
            }
            let left = Left(tell);
            let events = futures::stream::once(async { Ok::<_, Infallible>(EVENTS[0].clone()) })
                .chain(futures::stream::pending())
                .inspect(move |_| {
                    let _ = &left;
                });
            ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
        }
    }))
}

/// Tells when it is dropped.
struct Left(Sender<Instant>);

impl Drop for Left {
    fn drop(&mut self) {
        // Nobody listens once the measurement is over.
        let _ = self.0.send(Instant::now());
    }
}

fn start_with(answer: MethodRouter) -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("binding the mock upstream")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name("mock upstream".to_owned()).spawn(move || serve(listener, answer))?;
    Ok(address)
}

fn serve(listener: std::net::TcpListener, answer: MethodRouter) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Each chunk goes out at once, as real providers send them.
        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, Router::new().route("/v1/chat/completions", answer)).await?;
        Ok(())
    })
}

async fn answer(body: Bytes) -> Response {
    // Looking for the flag is cheaper than parsing.
    if wants_stream(&body) {
        let events = futures::stream::iter(EVENTS.iter().cloned().map(Ok::<_, Infallible>));
        ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], UNARY.clone()).into_response()
    }
}

async fn answer_slowly(body: Bytes) -> Response {
    if !wants_stream(&body) {
        return answer(body).await;
    }
    let events = futures::stream::unfold(EVENTS.iter(), |mut events| async {
        let event = events.next()?.clone();
        tokio::time::sleep(SLOW_EVENT).await;
        Some((Ok::<_, Infallible>(event), events))
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

fn wants_stream(body: &[u8]) -> bool {
    let Some(at) = body.windows(STREAM_FLAG.len()).position(|window| window == STREAM_FLAG) else { return false };
    body[at + STREAM_FLAG.len()..].trim_ascii_start().starts_with(b"true")
}

const STREAM_FLAG: &[u8] = b"\"stream\":";

fn unary() -> String {
    let text = text(ANSWER_TEXT_BYTES);
    format!(
        "{{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"bench-1\",\
         \"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\
         \"finish_reason\":\"stop\"}}],\
         \"usage\":{{\"prompt_tokens\":210,\"completion_tokens\":160,\"total_tokens\":370}}}}"
    )
}

fn event(index: usize) -> Bytes {
    if index > STREAM_CHUNKS {
        return Bytes::from_static(b"data: [DONE]\n\n");
    }
    let (delta, finish) = if index == STREAM_CHUNKS { ("{}", r#""stop""#) } else { (r#"{"content":" tide"}"#, "null") };
    Bytes::from(format!(
        "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\
         \"model\":\"bench-1\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    ))
}
