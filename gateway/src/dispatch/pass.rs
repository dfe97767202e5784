//! What passes unread, with everything that calls get: turns, breakers, retries and fallbacks, as far as it can be sent
//! again. All of that ends with the head of an answer.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use futures::future::BoxFuture;
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

/// Sends something to an endpoint.
type Send<T> = dyn FnMut(Arc<Endpoint>) -> BoxFuture<'static, Result<T, Error>> + std::marker::Send;

/// What passes, and is answered with a `T`.
pub(crate) struct Parcel<T> {
    send: Box<Send<T>>,
    /// Whether it can be sent more than once; a body that streams through cannot.
    pub(crate) may_repeat: bool,
}

impl<T: 'static> Parcel<T> {
    pub(crate) fn new(
        may_repeat: bool,
        send: impl FnMut(Arc<Endpoint>) -> BoxFuture<'static, Result<T, Error>> + std::marker::Send + 'static,
    ) -> Self {
        Self { send: Box::new(send), may_repeat }
    }
}

impl Parcel<RawReply> {
    /// A request that is made for each endpoint that is asked.
    pub(crate) fn raw(
        may_repeat: bool,
        mut make: impl FnMut(&Endpoint) -> Result<Raw, Error> + std::marker::Send + 'static,
    ) -> Self {
        Self::new(may_repeat, move |endpoint| {
            let raw = make(&endpoint);
            Box::pin(async move { endpoint.provider.pass(raw?).await })
        })
    }
}

/// What counts as running at an endpoint for as long as it is held.
pub(crate) struct Hold {
    flight: Flight,
    _place: Option<Place>,
}

impl Hold {
    /// Notes how the rest of an answer failed.
    pub(crate) fn failed(&mut self, error: &Error) {
        if Failure::of(error).is_the_deployments(error) {
            self.flight.failed(Duration::ZERO);
        }
    }
}

/// An answer that has begun.
pub(crate) struct Passed<T> {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) answer: T,
    pub(crate) hold: Hold,
    /// What the caller is told of the attempts.
    pub(crate) headers: HeaderMap,
    pub(crate) meter: Meter,
}

/// Passes a request on. Whoever the request is pinned to is the only one asked.
pub(crate) async fn pass<T>(
    served: &Served,
    request: &Request,
    mut parcel: Parcel<T>,
    mut meter: Meter,
) -> Result<Passed<T>, Failed> {
    let mut tries = Tries::new();
    let outcome = passed(served, request, &mut parcel, &mut tries, &mut meter).await;
    let headers = tries.headers(meter.attempts());
    match outcome {
        Ok((endpoint, answer, hold)) => Ok(Passed { endpoint, answer, hold, headers, meter }),
        Err(refused) => Err(ended(&tries, refused, headers, meter)),
    }
}

type Won<T> = (Arc<Endpoint>, T, Hold);

async fn passed<T>(
    served: &Served,
    request: &Request,
    parcel: &mut Parcel<T>,
    tries: &mut Tries,
    meter: &mut Meter,
) -> Result<Won<T>, Refused> {
    let mut refused = match stage(served, request, true, parcel, tries, meter).await {
        Err(refused) => refused,
        Ok(won) => return Ok(won),
    };
    for fallback in served.fallbacks_of(request) {
        // What was never sent can still go elsewhere.
        let may_go_on = (parcel.may_repeat || !refused.was_asked) && tries.may_go_on(Duration::ZERO);
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

async fn stage<T>(
    served: &Served,
    request: &Request,
    is_admitted: bool,
    parcel: &mut Parcel<T>,
    tries: &mut Tries,
    meter: &mut Meter,
) -> Result<Won<T>, Refused> {
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
            Ok((answer, hold)) => return Ok((Arc::clone(endpoint), answer, hold)),
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
async fn send<T>(begun: &Begun, parcel: &mut Parcel<T>) -> (Option<Attempt>, Result<(T, Hold), Refused>) {
    let endpoint = begun.endpoint();
    let place = match place(endpoint).await {
        Ok(place) => place,
        Err(refused) => return (None, Err(refused)),
    };
    let mut flight = endpoint.health.begin();
    let asked = Instant::now();
    match (parcel.send)(Arc::clone(endpoint)).await {
        Ok(answer) => {
            flight.passed();
            (Some(begun.record(Outcome::Ok)), Ok((answer, Hold { flight, _place: place })))
        }
        Err(error) => {
            let refused = Refused::by_provider(error);
            judge(&mut flight, &refused, asked.elapsed());
            (Some(begun.record(Outcome::of(&refused.error))), Err(refused))
        }
    }
}
