//! A streamed answer as events, and OpenAI's events as frames.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use llm::Error;
use llm::sse::{Decoder, Event};
use tokio::time::timeout;

use super::{Body, bad_gateway, failure};
use crate::provider::{Frame, Framing};

/// Bytes of one event at most: inline images and long tool arguments come in one.
const EVENT_BYTES_MAX: usize = 8 << 20;

struct Reader {
    body: Body,
    decoder: Decoder,
    events: VecDeque<Event>,
    scratch: Vec<Event>,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let Some(bytes) = self.body.next().await? else { return Ok(None) };
            self.decoder
                .push(&bytes, &mut self.scratch)
                .map_err(|error| bad_gateway(format!("{} sent too much: {error}", self.body.who)))?;
            self.events.extend(self.scratch.drain(..));
        }
    }
}

fn reader(body: Body) -> Reader {
    Reader { body, decoder: Decoder::new(EVENT_BYTES_MAX), events: VecDeque::new(), scratch: Vec::new() }
}

/// What comes after the last event is on its way already; nobody waits longer for it.
const DRAIN_MAX: Duration = Duration::from_millis(500);

/// The events of a stream. An event of the type `error` becomes an error.
pub(in crate::provider) fn events(body: Body, framing: Framing) -> impl Stream<Item = Result<Event, Error>> + Send {
    match framing {
        Framing::Sse => rest(reader(body)),
    }
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
    let frames = stream::try_unfold(Some(reader(body)), |reader| async move {
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
        return Err(failure::in_event(&body.who, &event.data, body.secret.as_ref()));
    }
    Ok(event)
}
