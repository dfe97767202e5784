//! What passes unread, with everything that calls get: turns, breakers, retries and fallbacks, as far as it can be sent
//! again. All of that ends with the head of an answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::HeaderMap;
use bytes::Bytes;
use futures::Stream;
use llm::Error;
use tokio::time::Instant;

use super::attempt::{Begun, judge, place};
use super::candidates::Candidates;
use super::failure::{Failure, Refused};
use super::gate::Place;
use super::{Tries, at_rest, ended};
use crate::answer::Failed;
use crate::health::Flight;
use crate::metering::{Attempt, Meter, Outcome};
use crate::provider::{Raw, RawReply};
use crate::request::Request;
use crate::served::{Endpoint, Served};

/// Makes what is sent to an endpoint.
type Make = dyn FnMut(&Endpoint) -> Result<Raw, Error> + Send;

/// What passes: made for each endpoint that is asked.
pub(crate) struct Parcel {
    pub(crate) make: Box<Make>,
    /// Whether it can be made more than once; a body that streams through cannot.
    pub(crate) may_repeat: bool,
}

/// An answer whose head has come.
pub(crate) struct Passed {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) reply: RawReply,
    /// What the caller is told of the attempts.
    pub(crate) headers: HeaderMap,
    pub(crate) meter: Meter,
}

/// Passes a request on. Whoever the request is pinned to is the only one asked.
pub(crate) async fn pass(
    served: &Served,
    request: &Request,
    mut parcel: Parcel,
    mut meter: Meter,
) -> Result<Passed, Failed> {
    let mut tries = Tries::new();
    let outcome = passed(served, request, &mut parcel, &mut tries, &mut meter).await;
    let headers = tries.headers(meter.attempts());
    match outcome {
        Ok((endpoint, reply)) => Ok(Passed { endpoint, reply, headers, meter }),
        Err(refused) => Err(ended(&tries, refused, headers, meter)),
    }
}

async fn passed(
    served: &Served,
    request: &Request,
    parcel: &mut Parcel,
    tries: &mut Tries,
    meter: &mut Meter,
) -> Result<(Arc<Endpoint>, RawReply), Refused> {
    let mut refused = match stage(served, request, true, parcel, tries, meter).await {
        Err(refused) => refused,
        Ok(won) => return Ok(won),
    };
    for fallback in served.fallbacks_of(request) {
        // What was never sent can still go elsewhere.
        let may_go_on = (parcel.may_repeat || !refused.was_asked) && tries.may_go_on(std::time::Duration::ZERO);
        if fallback.on.contains(refused.failure) && may_go_on {
            match stage(&fallback.target, request, false, parcel, tries, meter).await {
                Ok(won) => return Ok(won),
                Err(next) if next.was_asked || !refused.was_asked => refused = next,
                Err(_) => {}
            }
        }
    }
    Err(refused)
}

async fn stage(
    served: &Served,
    request: &Request,
    is_admitted: bool,
    parcel: &mut Parcel,
    tries: &mut Tries,
    meter: &mut Meter,
) -> Result<(Arc<Endpoint>, RawReply), Refused> {
    let mut candidates = Candidates::of(served, request, is_admitted);
    if let Some(refused) = at_rest(served, request, &candidates) {
        return Err(refused);
    }
    let mut made_here = 0;
    let mut before = None;
    loop {
        let endpoint = candidates.next().map_err(|refused| before.take().unwrap_or(refused))?;
        meter.is_for(endpoint);
        tries.asks(endpoint);
        made_here += 1;
        let begun = Begun::now(endpoint);
        let (record, result) = send(&begun, parcel).await;
        meter.all_tried(record);
        let refused = match result {
            Ok(reply) => return Ok((Arc::clone(endpoint), reply)),
            Err(refused) => refused,
        };
        if refused.was_asked && !parcel.may_repeat {
            return Err(refused);
        }
        let Some(wait) = served.policy().retries.wait(made_here, &refused, candidates.has_more()) else {
            return Err(refused);
        };
        if !tries.may_go_on(wait) {
            return Err(refused);
        }
        before = Some(refused);
        tokio::time::sleep(wait).await;
    }
}

/// One attempt. Its record is `None` where nobody was asked.
async fn send(begun: &Begun, parcel: &mut Parcel) -> (Option<Attempt>, Result<RawReply, Refused>) {
    let endpoint = begun.endpoint();
    let place = match place(endpoint).await {
        Ok(place) => place,
        Err(refused) => return (None, Err(refused)),
    };
    let raw = match (parcel.make)(endpoint) {
        Ok(raw) => raw,
        Err(error) => return (None, Err(Refused::here(error))),
    };
    let mut flight = endpoint.health.begin();
    let asked = Instant::now();
    match endpoint.provider.pass(raw).await {
        Ok(reply) => {
            flight.passed();
            let RawReply { headers, body } = reply;
            let body = Box::pin(Held { rest: body, flight, _place: place });
            (Some(begun.record(Outcome::Ok)), Ok(RawReply { headers, body }))
        }
        Err(error) => {
            let refused = Refused::by_provider(error);
            judge(&mut flight, &refused, asked.elapsed());
            (Some(begun.record(Outcome::of(&refused.error))), Err(refused))
        }
    }
}

/// A body that counts as running until its end.
struct Held {
    rest: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
    flight: Flight,
    _place: Option<Place>,
}

impl Stream for Held {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.rest.as_mut().poll_next(context);
        if let Poll::Ready(Some(Err(error))) = &next
            && Failure::of(error).is_the_deployments(error)
        {
            self.flight.failed(std::time::Duration::ZERO);
        }
        next
    }
}
