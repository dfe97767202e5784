//! A second attempt beside a slow first one: the first answer wins, and the other attempt ends.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::attempt::{self, Begun, Made};
use super::candidates::Candidates;
use crate::health::Health;
use crate::metering::{Meter, Outcome};
use crate::request::Request;
use crate::served::Endpoint;

/// Second attempts that may be made at once after a time without any, whatever their share is.
const SAVED_MAX: u32 = 10;
/// What a second attempt takes of what attempts save: each saves as many hundredths as the share is percent.
const WHOLE: u32 = 100;

/// The `hedge` of an endpoint or a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HedgeConfig {
    /// After how long, where what is usual is not known or not asked for.
    pub(crate) after: Option<Duration>,
    /// After how long by what is usual.
    pub(crate) usual: Option<Usual>,
    /// How many of a hundred attempts may get company.
    pub(crate) percent_max: u32,
}

/// A wait that follows what answers of the deployment usually take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usual {
    /// How many of a hundred answers come sooner.
    pub(crate) percent: u32,
    /// Answers that must have been seen before.
    pub(crate) samples_min: u32,
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

/// The same, with what was saved for second attempts.
#[derive(Debug)]
pub(crate) struct Hedge {
    config: HedgeConfig,
    /// In hundredths of an attempt.
    saved: AtomicU32,
}

impl Hedge {
    pub(super) fn new(config: HedgeConfig) -> Self {
        Self { config, saved: AtomicU32::new(SAVED_MAX * WHOLE) }
    }

    /// After how long an attempt there gets company; `None` for never.
    fn after(&self, health: &Health, is_streamed: bool) -> Option<Duration> {
        let usual = self.config.usual.and_then(|it| {
            let usual = health.usual(it.percent, it.samples_min, is_streamed)?;
            Some(usual.max(it.min).min(it.max))
        });
        usual.or(self.config.after)
    }

    /// An attempt begins that may get company.
    fn save(&self) {
        let save = |saved: u32| Some((saved + self.config.percent_max).min(SAVED_MAX * WHOLE));
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, save);
    }

    /// Whether one more second attempt keeps to the share.
    fn take(&self) -> bool {
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(WHOLE)).is_ok()
    }

    fn give_back(&self) {
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| {
            Some(it.saturating_add(WHOLE).min(SAVED_MAX * WHOLE))
        });
    }
}

/// Makes an attempt, and a second one beside it if no answer has begun after a while. Gives the one that the call goes
/// on with; both are recorded.
pub(super) async fn race(
    first: &Begun,
    hedge: &Hedge,
    candidates: &mut Candidates<'_>,
    request: &Request,
    meter: &mut Meter,
) -> (Arc<Endpoint>, Made) {
    let by = |begun: &Begun| Arc::clone(begun.endpoint());
    hedge.save();
    let mut one = pin!(attempt::make(first, request));
    let Some(after) = hedge.after(&first.endpoint().health, request.stream) else { return (by(first), one.await) };
    tokio::select! {
        made = one.as_mut() => return (by(first), made),
        () = tokio::time::sleep(after) => {}
    }
    if !hedge.take() {
        return (by(first), one.await);
    }
    let Some(endpoint) = candidates.beside() else {
        hedge.give_back();
        return (by(first), one.await);
    };
    let second = Begun::now(endpoint);
    let mut other = pin!(attempt::make(&second, request));
    let (is_first, made) = tokio::select! {
        made = one.as_mut() => (true, made),
        made = other.as_mut() => (false, made),
    };
    if made.result.is_ok() {
        let given_up = if is_first { &second } else { first };
        if !is_first {
            // It would have taken longer still: were it forgotten, what is usual would look ever faster.
            first.endpoint().health.gave_up(first.elapsed(), request.stream);
        }
        meter.tried(given_up.record(Outcome::Cancelled));
        return (by(if is_first { first } else { &second }), made);
    }
    // One has failed: all hope is in the other.
    meter.all_tried(made.record);
    if is_first { (by(&second), other.await) } else { (by(first), one.await) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::BreakerConfig;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn second_attempts_keep_to_their_share() {
        let hedge = Hedge::new(HedgeConfig { after: Some(MS(1)), usual: None, percent_max: 5 });
        let made = |calls: u32| (0..calls).filter(|_| (hedge.save(), hedge.take()).1).count();
        // Ten are saved at first, then one in twenty.
        assert_eq!(made(1000), 59);
        assert_eq!(made(1000), 50);
        // What is not needed is saved, but not without end.
        (0..10_000).for_each(|_| hedge.save());
        assert_eq!((0..100).filter(|_| hedge.take()).count(), 10);
        assert!(!hedge.take());
        hedge.give_back();
        assert!(hedge.take());
    }

    #[test]
    fn the_wait_is_what_is_usual_within_its_bounds() {
        let health = Arc::new(Health::new("openai gpt".to_owned(), BreakerConfig::default()));
        let usual = Usual { percent: 95, samples_min: 20, min: MS(50), max: MS(2000) };
        let after = |after: Option<Duration>, is_streamed: bool| {
            let hedge = Hedge::new(HedgeConfig { after, usual: Some(usual), percent_max: 10 });
            hedge.after(&health, is_streamed)
        };
        assert_eq!((after(None, false), after(Some(MS(700)), false)), (None, Some(MS(700))));
        (0..20).for_each(|_| health.begin().answered(MS(1), false));
        assert_eq!((after(Some(MS(700)), false), after(None, true)), (Some(MS(50)), None));
        (0..20).for_each(|_| health.begin().answered(MS(60_000), true));
        assert_eq!(after(None, true), Some(MS(2000)));
    }
}
