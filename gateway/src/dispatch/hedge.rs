//! A second attempt beside a slow first one: the first answer wins, and the other attempt ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::{self, Begun, Made};
use super::candidates::Candidates;
use crate::metering::{Meter, Outcome};
use crate::request::Request;
use crate::served::Endpoint;

/// Makes an attempt, and a second one beside it if no answer has begun after `after`. Gives the one that the call goes
/// on with; both are recorded.
pub(super) async fn race(
    first: &Begun,
    after: Duration,
    candidates: &mut Candidates<'_>,
    request: &Request,
    meter: &mut Meter,
) -> (Arc<Endpoint>, Made) {
    let by = |begun: &Begun| Arc::clone(begun.endpoint());
    let mut one = pin!(attempt::make(first, request));
    tokio::select! {
        made = one.as_mut() => return (by(first), made),
        () = tokio::time::sleep(after) => {}
    }
    let Some(endpoint) = candidates.beside() else { return (by(first), one.await) };
    let second = Begun::now(endpoint);
    let mut other = pin!(attempt::make(&second, request));
    let (is_first, made) = tokio::select! {
        made = one.as_mut() => (true, made),
        made = other.as_mut() => (false, made),
    };
    if made.result.is_ok() {
        let given_up = if is_first { &second } else { first };
        meter.tried(given_up.record(Outcome::Cancelled));
        return (by(if is_first { first } else { &second }), made);
    }
    // One has failed: all hope is in the other.
    meter.all_tried(made.record);
    if is_first { (by(&second), other.await) } else { (by(first), one.await) }
}
