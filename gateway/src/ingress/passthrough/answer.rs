//! The answer to what passed: read for what it counts, and else as it came.

use std::pin::Pin;

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use llm::sse::{Decoder, Event};
use llm::{Error, Usage};

use super::usage::{self, Counts};
use crate::answer::Failed;
use crate::cost::COST;
use crate::dispatch::{Hold, Passed};
use crate::handles::Seal;
use crate::metering::Meter;
use crate::provider::{RawReply, told};

/// Bytes of a JSON answer at most: several large images in base64.
const ANSWER_BYTES_MAX: usize = 128 << 20;
/// Bytes of one event at most: an image in base64.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// The response. A JSON answer and events are read for their counts; all else passes as it comes.
pub(super) async fn response(
    passed: Passed<RawReply>,
    seal: Option<Seal>,
    is_counted: bool,
) -> Result<Response, Failed> {
    let Passed { answer: RawReply { headers: theirs, body }, hold, headers: ours, meter, .. } = passed;
    let body = held(body, hold);
    let mut headers = told(&theirs);
    headers.extend(ours.clone());
    for name in [CONTENT_TYPE, CONTENT_DISPOSITION, CONTENT_ENCODING] {
        if let Some(value) = theirs.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if kind.starts_with("text/event-stream") {
        let events = Events::new(body, meter, seal, is_counted);
        return Ok((headers, Body::from_stream(events.passing())).into_response());
    }
    if !kind.starts_with("application/json") {
        return Ok((headers, Body::from_stream(metered(body, meter))).into_response());
    }
    match whole(body).await {
        Ok(body) => {
            let usage = if is_counted { usage::of(&body) } else { Some(Usage::default()) };
            if let Some(cost) = meter.passed(&body, usage).and_then(|it| it.to_string().parse().ok()) {
                headers.insert(COST, cost);
            }
            let body = match &seal {
                Some(seal) => seal.body(body),
                None => body,
            };
            Ok((headers, body).into_response())
        }
        Err(error) => {
            meter.fail(&error);
            // What was told of the answer does not hold for the error.
            Err(Failed { error, headers: ours })
        }
    }
}

type Bodied = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// The body, which counts as running until its end.
fn held(body: Bodied, hold: Hold) -> Bodied {
    Box::pin(stream::unfold((body, hold), |(mut body, mut hold)| async move {
        let next = body.next().await?;
        if let Err(error) = &next {
            hold.failed(error);
        }
        Some((next, (body, hold)))
    }))
}

async fn whole(body: Bodied) -> Result<Bytes, Error> {
    let read = body.try_fold(Vec::new(), |mut all, bytes| async move {
        if all.len() + bytes.len() > ANSWER_BYTES_MAX {
            let message =
                format!("the provider answered with more than {ANSWER_BYTES_MAX} bytes; ask for less at once");
            return Err(Error::Upstream { status: 502, message, body: None });
        }
        all.extend_from_slice(&bytes);
        Ok(all)
    });
    read.await.map(Bytes::from)
}

/// The bytes as they pass; the call ends with them.
fn metered(body: Bodied, meter: Meter) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    stream::unfold((body, Some(meter)), |(mut body, mut meter)| async move {
        match body.next().await {
            Some(Ok(bytes)) => Some((Ok(bytes), (body, meter))),
            Some(Err(error)) => {
                meter.take()?.fail(&error);
                Some((Err(error), (body, None)))
            }
            None => {
                let _ = meter.take()?.done();
                None
            }
        }
    })
}

/// Events that pass, looked at for what they count.
struct Events {
    body: Bodied,
    meter: Option<Meter>,
    /// `None` once something came that is no stream of events, which passes all the same.
    decoder: Option<Decoder>,
    scratch: Vec<Event>,
    counts: Counts,
    seal: Option<Seal>,
}

impl Events {
    fn new(body: Bodied, meter: Meter, seal: Option<Seal>, is_counted: bool) -> Self {
        Self {
            body,
            meter: Some(meter),
            decoder: Some(Decoder::new(EVENT_BYTES_MAX)),
            scratch: Vec::new(),
            counts: if is_counted { Counts::default() } else { Counts::nothing() },
            seal,
        }
    }

    fn passing(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        stream::unfold(self, |mut events| async move {
            loop {
                let Some(bytes) = events.body.next().await else {
                    events.end();
                    return None;
                };
                match bytes.and_then(|it| events.see(it)) {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => return Some((Ok(bytes), events)),
                    Err(error) => {
                        events.meter.take()?.fail(&error);
                        return Some((Err(error), events));
                    }
                }
            }
        })
    }

    /// Looks at bytes and gives those that go on: the same, unless ids in them become handles.
    fn see(&mut self, bytes: Bytes) -> Result<Bytes, Error> {
        let Some(decoder) = &mut self.decoder else { return Ok(bytes) };
        if let Err(error) = decoder.push(&bytes, &mut self.scratch) {
            if self.seal.is_some() {
                let message = format!("the provider streamed an event that is too large: {error}");
                return Err(Error::Upstream { status: 502, message, body: None });
            }
            self.decoder = None;
        }
        let mut out = Vec::new();
        for mut event in self.scratch.drain(..) {
            self.counts.see(&event.data);
            if let Some(seal) = &self.seal {
                seal.event(&mut event);
                llm::sse::encode(event.event.as_deref(), &event.data, &mut out);
            }
        }
        Ok(if self.seal.is_some() { out.into() } else { bytes })
    }

    fn end(&mut self) {
        let Some(mut meter) = self.meter.take() else { return };
        if let Some(usage) = std::mem::take(&mut self.counts).usage() {
            meter.has_counted(usage);
        }
        let _ = meter.done();
    }
}
