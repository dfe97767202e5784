//! A streamed answer as events, and OpenAI's events as frames.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use llm::Error;
use llm::sse::Event;
use tokio::time::timeout;

use super::cutting::Cutter;
use super::{Body, bad_gateway, failure};
use crate::provider::{Frame, Framing};

struct Reader {
    body: Body,
    cutter: Cutter,
    events: VecDeque<Event>,
    scratch: Vec<Event>,
    is_over: bool,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if self.is_over {
                return Ok(None);
            }
            if let Some(bytes) = self.body.next().await? {
                self.cutter
                    .push(&bytes, &mut self.scratch)
                    .map_err(|what| bad_gateway(format!("{} {what}", self.body.who)))?;
            } else {
                self.is_over = true;
                self.cutter.finish(&mut self.scratch);
            }
            self.events.extend(self.scratch.drain(..));
        }
    }
}

fn reader(body: Body, framing: Framing) -> Reader {
    Reader { body, cutter: Cutter::new(framing), events: VecDeque::new(), scratch: Vec::new(), is_over: false }
}

/// What comes after the last event is on its way already; nobody waits longer for it.
const DRAIN_MAX: Duration = Duration::from_millis(500);

/// The events of a stream. An event of the type `error` becomes an error.
pub(in crate::provider) fn events(body: Body, framing: Framing) -> impl Stream<Item = Result<Event, Error>> + Send {
    rest(reader(body, framing))
}

fn rest(reader: Reader) -> impl Stream<Item = Result<Event, Error>> + Send {
    stream::try_unfold(reader, |mut reader| async move {
        match reader.next().await? {
            Some(event) => refuse_error(event, &reader.body).map(|it| Some((it, reader))),
            None => Ok(None),
        }
    })
}

/// The frames of a stream in OpenAI's protocol.
pub(in crate::provider) fn data_frames(body: Body) -> impl Stream<Item = Result<Frame, Error>> + Send {
    let frames = stream::try_unfold(Some(reader(body, Framing::Sse)), |reader| async move {
        let Some(mut reader) = reader else { return Ok(None) };
        let Some(event) = reader.next().await? else { return Ok(None) };
        let event = refuse_error(event, &reader.body)?;
        if event.data.trim() == "[DONE]" {
            drain(Box::pin(rest(reader)));
            return Ok(Some((Frame::Done, None)));
        }
        Ok(Some((Frame::Chunk(event.data), Some(reader))))
    });
    // Data lines without data are keep-alives of some servers.
    frames.filter(|it| std::future::ready(!matches!(it, Ok(Frame::Chunk(data)) if data.trim().is_empty())))
}

/// Reads what is left after the last event that matters, so that the connection can be used again.
pub(in crate::provider) fn drain(mut rest: impl Stream<Item = Result<Event, Error>> + Send + Unpin + 'static) {
    tokio::spawn(timeout(DRAIN_MAX, async move { while let Some(Ok(_)) = rest.next().await {} }));
}

fn refuse_error(event: Event, body: &Body) -> Result<Event, Error> {
    if event.event.as_deref() == Some("error") {
        return Err(failure::in_event(&body.who, &event.data, &body.scrub));
    }
    Ok(event)
}
