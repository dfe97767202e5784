//! Which endpoint takes a call, and what is tried until one has answered.
//!
//! A call goes to the endpoint that it names, or to one of its route's. A failed attempt is made again as `retries`
//! says, elsewhere where there is an elsewhere; then the fallbacks are asked in their order. All of that ends with the
//! first piece of an answer: what has begun to answer is never asked twice.

mod attempt;
mod candidates;
mod failure;
mod gate;
mod hedge;
mod pass;
mod policy;
mod retries;

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use llm::Error;
use tokio::time::Instant;

use crate::answer::{self, Answer, AnswerBody, Chunks, Failed};
use crate::limits::retry_after_s;
use crate::metering::Meter;
use crate::provider::{Reply, ReplyBody};
use crate::request::Request;
use crate::screen::Watch;
use crate::served::{Endpoint, Served};
use attempt::{Begun, Made};
use candidates::Candidates;
use failure::Refused;

pub(crate) use failure::{Failure, Failures};
pub(crate) use gate::{Gate, GateConfig};
pub(crate) use hedge::{HedgeConfig, Usual};
pub(crate) use pass::{Hold, Parcel, Passed, pass};
pub(crate) use policy::{Fallback, FallbackConfig, Policy, PolicyConfig};
pub(crate) use retries::Retries;

/// The endpoint that answered, or was asked last.
pub(crate) const ENDPOINT: HeaderName = HeaderName::from_static("x-tidegate-endpoint");
/// How many attempts it took.
const ATTEMPTS: HeaderName = HeaderName::from_static("x-tidegate-attempts");

/// Attempts of one call at most, whatever retries and fallbacks add up to: more only keeps a caller waiting.
const ATTEMPTS_MAX: u32 = 20;

/// Makes the call, and hands the meter on to the answer that it belongs to.
pub(crate) async fn run(
    served: &Served,
    request: &Request,
    mut meter: Meter,
    mut watch: Watch,
) -> Result<Answer, Failed> {
    let mut tries = Tries::new();
    let outcome = tried(served, request, &mut tries, &mut meter).await;
    let headers = tries.headers(meter.attempts());
    let error = match outcome {
        Ok((endpoint, reply)) => match watch.reply(&endpoint, request, reply, &mut meter).await {
            Ok(reply) => {
                return match answered(&endpoint, request, reply, meter).await {
                    Ok(mut answer) => {
                        answer.headers.extend(headers);
                        Ok(answer)
                    }
                    Err(mut failed) => {
                        failed.headers.extend(headers);
                        Err(failed)
                    }
                };
            }
            Err(error) => error,
        },
        Err(refused) => return Err(ended(&tries, refused, headers, meter)),
    };
    meter.fail(&error);
    Err(Failed { error, headers })
}

/// Asks a name, then its fallbacks.
async fn tried(
    served: &Served,
    request: &Request,
    tries: &mut Tries,
    meter: &mut Meter,
) -> Result<(Arc<Endpoint>, Reply), Refused> {
    let mut refused = match tries.stage(served, request, true, meter).await {
        Err(refused) => refused,
        Ok(won) => return Ok(won),
    };
    for fallback in served.fallbacks_of(request) {
        if fallback.on.contains(refused.failure) && tries.may_go_on(Duration::ZERO) {
            match tries.stage(&fallback.target, request, false, meter).await {
                Ok(won) => return Ok(won),
                // What a limit of ours says of the last hope is not what went wrong.
                Err(next) if next.was_asked || !refused.was_asked => refused = next,
                Err(_) => {}
            }
        }
    }
    Err(refused)
}

/// The attempts of one call.
struct Tries {
    made: u32,
    started: Instant,
    /// Who was asked last, and how long the whole call may take there.
    last: Option<Arc<Endpoint>>,
}

impl Tries {
    /// Asks one name, as often as its retries say.
    async fn stage(
        &mut self,
        served: &Served,
        request: &Request,
        is_admitted: bool,
        meter: &mut Meter,
    ) -> Result<(Arc<Endpoint>, Reply), Refused> {
        let policy = served.policy();
        let mut candidates = Candidates::of(served, request, is_admitted);
        if let Some(refused) = at_rest(served, request, &candidates) {
            return Err(refused);
        }
        let mut made_here = 0;
        let mut before = None;
        loop {
            // A limit of ours that keeps the next attempt from being made is not what went wrong.
            let endpoint = candidates.next().map_err(|refused| before.take().unwrap_or(refused))?;
            meter.is_for(endpoint);
            self.asks(endpoint);
            made_here += 1;
            let begun = Begun::now(endpoint);
            let (asked, Made { record, result }) = match &policy.hedge {
                Some(hedge) => hedge::race(&begun, hedge, &mut candidates, request, meter).await,
                None => (Arc::clone(endpoint), attempt::make(&begun, request).await),
            };
            meter.all_tried(record);
            if !Arc::ptr_eq(&asked, endpoint) {
                meter.is_for(&asked);
                self.last = Some(Arc::clone(&asked));
            }
            let refused = match result {
                Ok(reply) => return Ok((asked, reply)),
                Err(refused) => refused,
            };
            let Some(wait) = policy.retries.wait(made_here, &refused, candidates.has_more()) else {
                return Err(refused);
            };
            if !self.may_go_on(wait) {
                return Err(refused);
            }
            before = Some(refused);
            tokio::time::sleep(wait).await;
        }
    }

    fn new() -> Self {
        Self { made: 0, started: Instant::now(), last: None }
    }

    /// One more attempt, at this endpoint.
    fn asks(&mut self, endpoint: &Arc<Endpoint>) {
        self.made += 1;
        self.last = Some(Arc::clone(endpoint));
    }

    /// Whether there is room and time for one more attempt.
    fn may_go_on(&self, wait: Duration) -> bool {
        let total = self.last.as_ref().map_or(Duration::MAX, |it| it.total);
        self.made < ATTEMPTS_MAX && self.started.elapsed().saturating_add(wait) < total
    }

    fn headers(&self, attempts: usize) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(2);
        if let Some(name) = self.last.as_ref().and_then(|it| HeaderValue::from_str(&it.info.name).ok()) {
            headers.insert(ENDPOINT, name);
        }
        headers.insert(ATTEMPTS, attempts.into());
        headers
    }
}

/// The end of a call that nobody answered.
fn ended(tries: &Tries, refused: Refused, mut headers: HeaderMap, meter: Meter) -> Failed {
    if tries.made == 0 && matches!(refused.error, Error::Limited { .. }) {
        // Nobody was asked: what a limit turns away leaves no record.
        meter.forget();
        return refused.error.into();
    }
    if let (Error::Unavailable(_), Some(wait)) = (&refused.error, refused.retry_after()) {
        headers.insert(RETRY_AFTER, retry_after_s(wait).into());
    }
    meter.fail(&refused.error);
    Failed { error: refused.error, headers }
}

/// Whether all candidates are left alone just now, so that the fallbacks may as well be asked at once.
fn at_rest(served: &Served, request: &Request, candidates: &Candidates<'_>) -> Option<Refused> {
    let failure = candidates.all_rest()?;
    let is_caught = served.fallbacks_of(request).iter().any(|it| it.on.contains(failure));
    is_caught.then(|| resting(served, failure))
}

fn resting(served: &Served, failure: Failure) -> Refused {
    let error = Error::Unavailable(format!(
        "`{}` has failed, or was asked, too often a moment ago, and is left alone for a while; try again later",
        served.name()
    ));
    Refused { failure, ..Refused::here(error) }
}

/// The answer that a reply is, once it is seen to be one.
pub(crate) async fn answered(
    endpoint: &Arc<Endpoint>,
    request: &Request,
    reply: Reply,
    mut meter: Meter,
) -> Result<Answer, Failed> {
    let Reply { form, mut headers, losses, body } = reply;
    meter.lost(&losses);
    let body = match body {
        ReplyBody::Whole(body) => answer::whole(body, form, meter, endpoint, &mut headers)?,
        ReplyBody::Stream(frames) => {
            let chunks = Chunks::open(frames, meter, request.include_usage, endpoint).await?;
            AnswerBody::Stream(Box::new(chunks))
        }
    };
    Ok(Answer::new(endpoint, form, headers, &losses, body))
}
