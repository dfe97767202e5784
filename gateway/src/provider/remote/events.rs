//! A vendor's events as frames: as chunks of a chat, or as they came with what they say beside them.

use std::collections::VecDeque;
use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use llm::sse::Event;
use llm::{ChatChunk, Error};

use super::completions;
use crate::dialect::EventReader;
use crate::provider::scrub::Scrub;
use crate::provider::upstream::{Body, drain, events};
use crate::provider::{Frame, Frames, Framing};

struct State {
    events: Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>,
    reader: Box<dyn EventReader>,
    ready: VecDeque<Frame>,
    scratch: Vec<ChatChunk>,
    how: How,
    who: String,
    scrub: Scrub,
    is_over: bool,
}

/// What becomes of an event.
#[derive(Clone, Copy)]
enum How {
    AsItIs,
    AsChunks { of_completion: bool },
}

/// The events as they come.
pub(in crate::provider) fn native(body: Body, framing: Framing, reader: Box<dyn EventReader>) -> Frames {
    frames(body, framing, reader, How::AsItIs)
}

/// What the events say, as OpenAI's chunks.
pub(super) fn chunks(body: Body, framing: Framing, reader: Box<dyn EventReader>, of_completion: bool) -> Frames {
    frames(body, framing, reader, How::AsChunks { of_completion })
}

fn frames(body: Body, framing: Framing, reader: Box<dyn EventReader>, how: How) -> Frames {
    let (who, scrub) = (body.who().to_owned(), body.scrub().clone());
    let state = State {
        events: Box::pin(events(body, framing)),
        reader,
        ready: VecDeque::new(),
        scratch: Vec::new(),
        how,
        who,
        scrub,
        is_over: false,
    };
    Box::pin(stream::try_unfold(Some(state), |state| async move {
        let Some(mut state) = state else { return Ok(None) };
        match state.next().await? {
            Frame::Done => {
                drain(state.events);
                Ok(Some((Frame::Done, None)))
            }
            frame => Ok(Some((frame, Some(state)))),
        }
    }))
}

impl State {
    async fn next(&mut self) -> Result<Frame, Error> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(frame);
            }
            if self.is_over {
                return Ok(Frame::Done);
            }
            let Some(event) = self.events.next().await.transpose()? else {
                if self.reader.is_done() {
                    return Ok(Frame::Done);
                }
                return Err(Error::Unavailable(format!(
                    "{} cut its stream short: it ended before its last event",
                    self.who
                )));
            };
            self.reader.read(&event, &mut self.scratch).map_err(|error| self.scrub.error(error))?;
            self.is_over = self.reader.is_done() && !self.reader.ends_with_connection();
            match self.how {
                How::AsItIs => self.ready.push_back(Frame::Native(event, std::mem::take(&mut self.scratch))),
                How::AsChunks { of_completion } => {
                    for chunk in self.scratch.drain(..) {
                        self.ready.push_back(frame(chunk, of_completion)?);
                    }
                }
            }
        }
    }
}

fn frame(chunk: ChatChunk, of_completion: bool) -> Result<Frame, Error> {
    let json =
        if of_completion { serde_json::to_string(&completions::chunk(chunk)) } else { serde_json::to_string(&chunk) };
    json.map(Frame::Chunk).map_err(|error| Error::Internal(format!("a chunk could not be written as JSON: {error}")))
}
