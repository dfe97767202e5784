//! One attempt at one endpoint, until the first piece of its answer has come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use llm::Error;

use super::failure::{Failure, Refused};
use super::gate::Place;
use crate::answer;
use crate::health::Flight;
use crate::metering::{Attempt, Outcome, unix_ns};
use crate::provider::{Frame, Frames, Reply, ReplyBody};
use crate::request::Request;
use crate::served::Endpoint;

/// An attempt that came to an end, or was given up.
pub(super) struct Made {
    /// Its record; `None` where nobody was asked.
    pub(super) record: Option<Attempt>,
    pub(super) result: Result<Reply, Refused>,
}

/// When an attempt began, and with whom.
pub(super) struct Begun {
    endpoint: Arc<Endpoint>,
    at: Instant,
    unix_ns: u64,
}

impl Begun {
    pub(super) fn now(endpoint: &Arc<Endpoint>) -> Self {
        Self { endpoint: Arc::clone(endpoint), at: Instant::now(), unix_ns: unix_ns() }
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.at.elapsed()
    }

    /// The record of it, as it stands now.
    pub(super) fn record(&self, outcome: Outcome) -> Attempt {
        let info = &self.endpoint.info;
        Attempt {
            endpoint: info.name.clone(),
            provider: info.provider.clone(),
            model: info.model.clone(),
            started_unix_ns: self.unix_ns,
            duration: self.elapsed(),
            outcome,
        }
    }
}

/// Asks, and waits for the first piece of the answer. Dropping it ends the provider's work.
pub(super) async fn make(begun: &Begun, request: &Request) -> Made {
    let endpoint = &begun.endpoint;
    let place = match place(endpoint).await {
        Ok(place) => place,
        Err(refused) => return Made { record: None, result: Err(refused) },
    };
    let mut flight = endpoint.health.begin();
    let asked = Instant::now();
    let result = match endpoint.provider.call(request).await {
        Ok(reply) => first_piece(endpoint, reply).await,
        Err(error) => Err(error),
    };
    match result {
        Ok((reply, first)) => {
            flight.answered(asked.elapsed(), request.stream);
            let record = Some(begun.record(Outcome::Ok));
            Made { record, result: Ok(held(reply, first, flight, place)) }
        }
        Err(error) => {
            let refused = Refused::by_provider(error);
            judge(&mut flight, &refused, asked.elapsed());
            Made { record: Some(begun.record(Outcome::of(&refused.error))), result: Err(refused) }
        }
    }
}

/// Waits for a turn, where the endpoint is asked only so much at once.
pub(super) async fn place(endpoint: &Endpoint) -> Result<Option<Place>, Refused> {
    match &endpoint.gate {
        None => Ok(None),
        Some(gate) => gate.enter().await.map(Some),
    }
}

pub(super) fn judge(flight: &mut Flight, refused: &Refused, after: Duration) {
    if refused.failure == Failure::RateLimit {
        flight.limited(refused.retry_after());
    } else if refused.failure.is_the_deployments(&refused.error) {
        flight.failed(after);
    }
}

/// Looks whether an answer is one, as far as can be told before any of it is passed on: a whole answer that is no
/// error in disguise, a stream that begins.
async fn first_piece(endpoint: &Endpoint, mut reply: Reply) -> Result<(Reply, Option<Frame>), Error> {
    let first = match &mut reply.body {
        ReplyBody::Whole(body) => {
            answer::sound(body, reply.form, endpoint)?;
            None
        }
        ReplyBody::Stream(frames) => match frames.next().await {
            Some(Ok(frame)) => {
                if let Frame::Chunk(chunk) = &frame {
                    answer::sound_chunk(chunk, endpoint)?;
                }
                Some(frame)
            }
            Some(Err(error)) => return Err(error),
            None => return Err(answer::cut_short(endpoint)),
        },
    };
    Ok((reply, first))
}

/// The reply with its first piece back in its place. A stream counts as running until its end.
fn held(mut reply: Reply, first: Option<Frame>, flight: Flight, place: Option<Place>) -> Reply {
    if let ReplyBody::Stream(rest) = reply.body {
        reply.body = ReplyBody::Stream(Box::pin(Held { first, rest, flight, _place: place }));
    }
    reply
}

struct Held {
    first: Option<Frame>,
    rest: Frames,
    flight: Flight,
    _place: Option<Place>,
}

impl Stream for Held {
    type Item = llm::Result<Frame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let next = self.rest.as_mut().poll_next(context);
        if let Poll::Ready(Some(Err(error))) = &next
            && Failure::of(error).is_the_deployments(error)
        {
            self.flight.failed(Duration::ZERO);
        }
        next
    }
}
