//! An answer as the cache keeps it: the provider's bytes or events, replayed as they came.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use llm::ChatChunk;
use llm::sse::Event;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

use super::{Cache, Key, Meaning};
use crate::dialect::Dialect;
use crate::losses::Losses;
use crate::metering::facts::WholeFacts;
use crate::metering::unix_ns;
use crate::provider::{Frame, Frames, Reply, ReplyBody};
use crate::served::Endpoint;

/// A kept answer.
pub(crate) struct Stored {
    /// Who gave it, and from which model.
    pub(crate) provider: String,
    pub(crate) model: String,
    form: Dialect,
    losses: Losses,
    /// When it came, nanoseconds since the epoch.
    at_unix_ns: u64,
    body: Body,
}

enum Body {
    Whole(Bytes),
    Stream(Vec<Piece>),
}

#[derive(Clone)]
enum Piece {
    Chunk(String),
    Native(Event, Vec<ChatChunk>),
}

/// An answer as it is written where other processes read it.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    provider: Cow<'a, str>,
    model: Cow<'a, str>,
    form: Dialect,
    losses: Vec<(String, String)>,
    at_unix_ns: u64,
    body: WrittenBody<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenBody<'a> {
    Whole(Cow<'a, str>),
    Stream(Vec<WrittenPiece<'a>>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenPiece<'a> {
    Chunk(Cow<'a, str>),
    /// Name and data of an event, and what it says.
    Event(Option<Cow<'a, str>>, Cow<'a, str>, Cow<'a, [ChatChunk]>),
}

impl Stored {
    fn new(head: Head, body: Body) -> Self {
        let Head { provider, model, form, losses } = head;
        Self { provider, model, form, losses, at_unix_ns: unix_ns(), body }
    }

    /// The answer as text; `None` for what is no text.
    pub(super) fn to_json(&self) -> Option<String> {
        let body = match &self.body {
            Body::Whole(body) => WrittenBody::Whole(std::str::from_utf8(body).ok()?.into()),
            Body::Stream(pieces) => WrittenBody::Stream(pieces.iter().map(Piece::written).collect()),
        };
        let written = Written {
            provider: Cow::Borrowed(&self.provider),
            model: Cow::Borrowed(&self.model),
            form: self.form,
            losses: self.losses.as_slice().iter().map(|it| (it.field.clone(), it.why.clone())).collect(),
            at_unix_ns: self.at_unix_ns,
            body,
        };
        serde_json::to_string(&written).ok()
    }

    /// Reads what [`Self::to_json`] wrote; `None` for what another version wrote otherwise.
    pub(super) fn from_json(json: &str) -> Option<Self> {
        let Written { provider, model, form, losses, at_unix_ns, body } = serde_json::from_str(json).ok()?;
        let mut lost = Losses::default();
        for (field, why) in losses {
            lost.add(field, why);
        }
        let body = match body {
            WrittenBody::Whole(body) => Body::Whole(body.into_owned().into()),
            WrittenBody::Stream(pieces) => Body::Stream(pieces.into_iter().map(Piece::read).collect()),
        };
        Some(Self { provider: provider.into_owned(), model: model.into_owned(), form, losses: lost, at_unix_ns, body })
    }

    /// How long ago it came.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_nanos(unix_ns().saturating_sub(self.at_unix_ns))
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.provider.len()
            + self.model.len()
            + match &self.body {
                Body::Whole(body) => body.len(),
                Body::Stream(pieces) => pieces.iter().map(Piece::bytes).sum(),
            }
    }

    /// The answer once more. A stream is replayed as fast as it is read.
    pub(crate) fn reply(self: &Arc<Self>) -> Reply {
        let body = match &self.body {
            Body::Whole(body) => ReplyBody::Whole(body.clone()),
            Body::Stream(_) => {
                let stored = Arc::clone(self);
                ReplyBody::Stream(Box::pin(stream::unfold(0, move |index| {
                    let frame = stored.frame(index);
                    async move { Some((Ok(frame?), index + 1)) }
                })))
            }
        };
        Reply { form: self.form, headers: HeaderMap::new(), losses: self.losses.clone(), body }
    }

    fn frame(&self, index: usize) -> Option<Frame> {
        let Body::Stream(pieces) = &self.body else { return None };
        match pieces.get(index) {
            Some(Piece::Chunk(chunk)) => Some(Frame::Chunk(chunk.clone())),
            Some(Piece::Native(event, facts)) => Some(Frame::Native(event.clone(), facts.clone())),
            None if index == pieces.len() => Some(Frame::Done),
            None => None,
        }
    }
}

impl Piece {
    fn of(frame: &Frame) -> Option<Self> {
        match frame {
            Frame::Chunk(chunk) => Some(Self::Chunk(chunk.clone())),
            Frame::Native(event, facts) => Some(Self::Native(event.clone(), facts.clone())),
            Frame::Done => None,
        }
    }

    fn written(&self) -> WrittenPiece<'_> {
        match self {
            Self::Chunk(chunk) => WrittenPiece::Chunk(chunk.into()),
            Self::Native(Event { event, data }, facts) => {
                WrittenPiece::Event(event.as_deref().map(Cow::Borrowed), data.into(), facts.into())
            }
        }
    }

    fn read(written: WrittenPiece<'_>) -> Self {
        match written {
            WrittenPiece::Chunk(chunk) => Self::Chunk(chunk.into_owned()),
            WrittenPiece::Event(event, data, facts) => {
                Self::Native(Event { event: event.map(Cow::into_owned), data: data.into_owned() }, facts.into_owned())
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Chunk(chunk) => size_of::<Self>() + chunk.len(),
            // What an event says takes about as much again in types.
            Self::Native(event, facts) => {
                size_of::<Self>() + 2 * event.data.len() + facts.len() * size_of::<ChatChunk>()
            }
        }
    }
}

/// What is known of an answer before its body.
struct Head {
    provider: String,
    model: String,
    form: Dialect,
    losses: Losses,
}

/// Keeps an answer that passes, if it is whole and good: at once, or when its stream has come to its end.
pub(crate) fn keep(cache: &Arc<Cache>, key: Key, meaning: Option<Meaning>, endpoint: &Endpoint, reply: Reply) -> Reply {
    let Reply { form, headers, losses, body } = reply;
    let info = &endpoint.info;
    let head = Head { provider: info.provider.clone(), model: info.model.clone(), form, losses: losses.clone() };
    let body = match body {
        ReplyBody::Whole(body) => {
            let is_good = serde_json::from_slice::<WholeFacts<'_>>(&body).is_ok_and(|it| it.error().is_none());
            if is_good {
                // A copy: a part of a connection's buffer would hold on to all of it.
                cache.put(key, meaning, Stored::new(head, Body::Whole(Bytes::copy_from_slice(&body))));
            }
            ReplyBody::Whole(body)
        }
        ReplyBody::Stream(frames) => {
            let recording = Recording { cache: Arc::clone(cache), key, meaning, head, pieces: Vec::new(), bytes: 0 };
            ReplyBody::Stream(Box::pin(Kept { frames, recording: Some(recording) }))
        }
    };
    Reply { form, headers, losses, body }
}

/// A stream that is written down while it passes.
struct Kept {
    frames: Frames,
    /// `None` once it is kept, or cannot be.
    recording: Option<Recording>,
}

struct Recording {
    cache: Arc<Cache>,
    key: Key,
    meaning: Option<Meaning>,
    head: Head,
    pieces: Vec<Piece>,
    bytes: usize,
}

impl Stream for Kept {
    type Item = llm::Result<Frame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = futures::ready!(self.frames.as_mut().poll_next(context));
        self.recording = match (self.recording.take(), &next) {
            (Some(recording), Some(Ok(frame))) => recording.with(frame),
            // Whoever met an error, or an end that nobody announced, has no whole answer.
            _ => None,
        };
        Poll::Ready(next)
    }
}

impl Recording {
    fn with(mut self, frame: &Frame) -> Option<Self> {
        let Some(piece) = Piece::of(frame) else {
            self.cache.put(self.key, self.meaning, Stored::new(self.head, Body::Stream(self.pieces)));
            return None;
        };
        self.bytes += piece.bytes();
        if self.bytes > self.cache.config.entry_bytes_max {
            return None;
        }
        self.pieces.push(piece);
        Some(self)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A whole answer of so many bytes.
    pub(in crate::cache) fn whole(bytes: usize) -> Stored {
        let head = Head {
            provider: "openai".to_owned(),
            model: "m".to_owned(),
            form: Dialect::OpenAi,
            losses: Losses::default(),
        };
        Stored::new(head, Body::Whole(vec![b'x'; bytes].into()))
    }

    #[test]
    fn what_is_written_is_read() {
        let chunk: ChatChunk = serde_json::from_str(r#"{"id":"c","choices":[],"x":1}"#).unwrap();
        let event = Event { event: Some("message_start".to_owned()), data: "{\"a\":\"\u{0}é\"}".to_owned() };
        let mut stored = whole(3);
        stored.losses.add("seed", "is left out");
        stored.form = Dialect::Messages;
        let pieces = vec![Piece::Chunk("{\"b\": 1.50}".to_owned()), Piece::Native(event.clone(), vec![chunk.clone()])];
        for body in [Body::Whole("{\"c\" :1}".into()), Body::Stream(pieces)] {
            stored.body = body;
            let json = stored.to_json().unwrap();
            let read = Stored::from_json(&json).unwrap();
            assert_eq!(read.to_json().unwrap(), json);
            assert_eq!((read.provider.as_str(), read.form), ("openai", Dialect::Messages));
            match read.body {
                Body::Whole(body) => assert_eq!(body, "{\"c\" :1}"),
                Body::Stream(pieces) => {
                    assert!(matches!(&pieces[0], Piece::Chunk(it) if it == "{\"b\": 1.50}"));
                    assert!(matches!(&pieces[1], Piece::Native(it, facts) if *it == event && facts[0] == chunk));
                }
            }
        }
        assert!(Stored::from_json("{}").is_none());
    }
}
