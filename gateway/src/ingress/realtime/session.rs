//! A realtime session: what one side says, the other hears, until either leaves.

use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use llm::Error;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::counts::Counts;
use crate::dispatch::{Hold, Passed};
use crate::metering::Meter;

/// Bytes of one event at most: OpenAI takes 15 MiB of sound in one.
const EVENT_BYTES_MAX: usize = 16 << 20;
/// Bytes that wait to be written to a side that reads slowly; then the other side is not read any more.
const WAITING_BYTES_MAX: usize = EVENT_BYTES_MAX + (1 << 20);
/// How often each side is asked whether it is still there.
const BEAT: Duration = Duration::from_secs(20);
/// A side that was not heard for this long, not even to say that it is there, is gone.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// The longest session; OpenAI ends its own after an hour.
const SESSION_MAX: Duration = Duration::from_hours(2);
/// How long each side has to take the end.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// A session whose provider has agreed to it.
pub(super) struct Session {
    provider: reqwest::Upgraded,
    who: String,
    hold: Hold,
    meter: Meter,
}

/// Why a session ended.
enum End {
    /// One side said so, and perhaps why.
    Closed(Option<CloseFrame>),
    /// The caller is gone.
    Left,
    Failed(Error),
}

impl Session {
    pub(super) fn new(passed: Passed<reqwest::Upgraded>) -> Self {
        let Passed { endpoint, answer, hold, meter, .. } = passed;
        Self { provider: answer, who: format!("provider `{}`", endpoint.info.provider), hold, meter }
    }

    /// Runs until either side leaves, and settles what the session took.
    pub(super) async fn run(self, upgrade: OnUpgrade, _place: OwnedSemaphorePermit) {
        let Self { provider, who, mut hold, mut meter } = self;
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(EVENT_BYTES_MAX);
        config.max_frame_size = Some(EVENT_BYTES_MAX);
        config.max_write_buffer_size = WAITING_BYTES_MAX;
        // A caller who is gone before it began was cancelled, as the meter says when it is dropped.
        let Ok(Ok(caller)) = timeout(SILENCE_MAX, upgrade).await else { return };
        let caller = WebSocketStream::from_raw_socket(TokioIo::new(caller), Role::Server, Some(config)).await;
        let provider = WebSocketStream::from_raw_socket(provider, Role::Client, Some(config)).await;
        let (mut to_caller, from_caller) = caller.split();
        let (mut to_provider, from_provider) = provider.split();
        let mut counts = Counts::default();
        let end = tokio::select! {
            end = pump(from_caller, &mut to_provider, |_| {}) => end.of_caller(),
            end = pump(from_provider, &mut to_caller, |event| counts.see(event)) => end.of_provider(&who),
            () = tokio::time::sleep(SESSION_MAX) => End::Failed(Error::Timeout(format!(
                "the session has run for {SESSION_MAX:?}, as long as one may; begin another one"
            ))),
        };
        let (frame, event) = match &end {
            End::Closed(frame) => (frame.clone(), None),
            End::Left => (None, None),
            End::Failed(error) => (Some(failed_frame()), Some(error_event(error))),
        };
        // Both at once: neither side has to wait for the other's goodbye.
        let _ = tokio::join!(
            timeout(GOODBYE_MAX, say_goodbye(to_caller, event, frame.clone())),
            timeout(GOODBYE_MAX, say_goodbye(to_provider, None, frame)),
        );
        if let Some(usage) = counts.usage() {
            meter.has_counted(usage);
        }
        match end {
            End::Failed(error) => {
                hold.failed(&error);
                meter.fail(&error);
            }
            End::Closed(_) | End::Left => {
                let _ = meter.done();
            }
        }
    }
}

/// Why one direction ended.
enum Over {
    Closed(Option<CloseFrame>),
    Gone(String),
    /// The other side does not take any more.
    Unheard(String),
}

impl Over {
    fn of_caller(self) -> End {
        match self {
            Self::Closed(frame) => End::Closed(frame),
            Self::Gone(_) => End::Left,
            Self::Unheard(words) => {
                End::Failed(Error::Unavailable(format!("the provider broke off the session: {words}")))
            }
        }
    }

    fn of_provider(self, who: &str) -> End {
        match self {
            Self::Closed(frame) => End::Closed(frame),
            Self::Gone(words) => End::Failed(Error::Unavailable(format!("{who} broke off the session: {words}"))),
            Self::Unheard(_) => End::Left,
        }
    }
}

/// Hands on what one side says. One message at a time is on its way, so that a side that does not read is not written to.
async fn pump<From, To>(
    mut from: SplitStream<WebSocketStream<From>>,
    to: &mut SplitSink<WebSocketStream<To>, Message>,
    mut see: impl FnMut(&str),
) -> Over
where
    From: AsyncRead + AsyncWrite + Unpin,
    To: AsyncRead + AsyncWrite + Unpin,
{
    let mut heard = Instant::now();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            message = from.next() => {
                heard = Instant::now();
                message
            }
            _ = beat.tick() => {
                if heard.elapsed() > SILENCE_MAX {
                    return Over::Gone(format!("nothing was heard for {SILENCE_MAX:?}"));
                }
                // Whoever is there answers, which is then heard in the other direction.
                Some(Ok(Message::Ping(Vec::new().into())))
            }
        };
        let message = match message {
            None => return Over::Gone("the connection ended".to_owned()),
            Some(Err(error)) => return Over::Gone(error.to_string()),
            Some(Ok(Message::Close(frame))) => return Over::Closed(frame),
            // Each side's connection answers for itself.
            Some(Ok(Message::Pong(_))) => continue,
            Some(Ok(message)) => message,
        };
        if let Message::Text(text) = &message {
            see(text);
        }
        if let Err(error) = to.send(message).await {
            return Over::Unheard(error.to_string());
        }
    }
}

async fn say_goodbye<S>(
    mut to: SplitSink<WebSocketStream<S>, Message>,
    event: Option<String>,
    frame: Option<CloseFrame>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Some(event) = event {
        let _ = to.send(Message::Text(event.into())).await;
    }
    let _ = to.send(Message::Close(frame)).await;
    let _ = to.close().await;
}

fn failed_frame() -> CloseFrame {
    CloseFrame { code: CloseCode::Error, reason: Utf8Bytes::from_static("the session broke off") }
}

/// The event by which OpenAI tells of errors.
fn error_event(error: &Error) -> String {
    let error = json!({"type": "server_error", "code": null, "message": error.to_string(), "param": null});
    json!({"type": "error", "error": error}).to_string()
}
