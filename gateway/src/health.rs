//! How a deployment is: whether its breaker lets calls through, how fast it answers, how many calls it has.

mod breaker;
mod latency;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use breaker::Breaker;
pub(crate) use breaker::BreakerConfig;
pub use breaker::BreakerState;
use latency::{PeakEwma, Spread};

/// A failure counts as an answer that took this long at least, so that a deployment that fails fast does not look fast.
const FAILURE_COUNTS_AS: Duration = Duration::from_secs(5);
/// How long a deployment that said that it is asked too much is left alone, where it did not say how long.
const LIMITED_FOR: Duration = Duration::from_secs(1);
/// How long it is left alone at most, whatever it said.
const LIMITED_FOR_MAX: Duration = Duration::from_mins(1);

/// How an endpoint's deployment is, for who watches.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointHealth {
    /// The endpoint.
    pub endpoint: String,
    /// What its breaker lets through. Where there is no other endpoint to turn to, calls pass nevertheless.
    pub breaker: BreakerState,
    /// How often the breaker has opened since the start, half-open probes that failed included.
    pub opened: u64,
    /// Calls that run now.
    pub in_flight: u32,
    /// Calls that wait for their turn now.
    pub waiting: u32,
    /// How long it takes to the first piece of an answer; `None` before the first one.
    pub latency: Option<Duration>,
    /// Whether it said a moment ago that it is asked too much.
    pub is_limited: bool,
}

/// How a deployment is. Shared by all who ask it, and kept across reloads.
pub(crate) struct Health {
    /// What it stands for: another deployment under the same name begins anew.
    deployment: String,
    config: BreakerConfig,
    known: Mutex<Known>,
    in_flight: AtomicU32,
}

struct Known {
    breaker: Breaker,
    latency: PeakEwma,
    /// How answers spread that come as a whole, and the first pieces of streams, which come much sooner.
    spreads: [Spread; 2],
    limited_until: Option<Instant>,
    opened: u64,
}

impl Health {
    pub(crate) fn new(deployment: String, config: BreakerConfig) -> Self {
        let known = Known {
            breaker: Breaker::new(config, Instant::now()),
            latency: PeakEwma::default(),
            spreads: [Spread::default(), Spread::default()],
            limited_until: None,
            opened: 0,
        };
        Self { deployment, config, known: Mutex::new(known), in_flight: AtomicU32::new(0) }
    }

    pub(crate) fn is_of(&self, deployment: &str, config: BreakerConfig) -> bool {
        self.deployment == deployment && self.config == config
    }

    /// Whether a call would better go elsewhere.
    pub(crate) fn is_unwell(&self, now: Instant) -> bool {
        let known = self.known();
        !known.breaker.would_admit(now) || known.is_limited(now)
    }

    /// Whether it said a moment ago that it is asked too much.
    pub(crate) fn is_limited(&self, now: Instant) -> bool {
        self.known().is_limited(now)
    }

    /// Lets a call through, or not; after a rest, the one that is let through is the probe.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut known = self.known();
        !known.is_limited(now) && known.breaker.admit(now)
    }

    /// What an answer is expected to cost in seconds, with those before it.
    pub(crate) fn load(&self) -> f64 {
        let in_flight = f64::from(self.in_flight.load(Ordering::Relaxed));
        self.known().latency.seconds(Instant::now()) * (in_flight + 1.0) + in_flight * f64::EPSILON
    }

    /// After how long so many of a hundred answers have come, or begun if they are streamed; `None` before so many
    /// were seen.
    pub(crate) fn usual(&self, percent: u32, samples_min: u32, is_streamed: bool) -> Option<Duration> {
        self.known().spreads[usize::from(is_streamed)].within(percent, samples_min)
    }

    /// Nobody waited any longer than this for an answer, which another one gave.
    pub(crate) fn gave_up(&self, after: Duration, is_streamed: bool) {
        self.known().spreads[usize::from(is_streamed)].took(after);
    }

    /// A call begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Flight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Flight { health: Arc::clone(self), is_judged: false }
    }

    pub(crate) fn shown(&self, endpoint: &str, waiting: u32) -> EndpointHealth {
        let now = Instant::now();
        let known = self.known();
        EndpointHealth {
            endpoint: endpoint.to_owned(),
            breaker: known.breaker.state(now),
            opened: known.opened,
            in_flight: self.in_flight.load(Ordering::Relaxed),
            waiting,
            latency: known.latency.last(),
            is_limited: known.is_limited(now),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_limited(&self, now: Instant) -> bool {
        self.limited_until.is_some_and(|it| now < it)
    }
}

/// A call that runs; dropped before anything is known of it, it tells nothing.
pub(crate) struct Flight {
    health: Arc<Health>,
    is_judged: bool,
}

impl Flight {
    /// The first piece of the answer has come after this long.
    pub(crate) fn answered(&mut self, after: Duration, is_streamed: bool) {
        self.is_judged = true;
        let now = Instant::now();
        let mut known = self.health.known();
        known.latency.took(after, now);
        known.spreads[usize::from(is_streamed)].took(after);
        known.breaker.succeeded(now);
        known.limited_until = None;
    }

    /// Something else than a chat was answered, whose time says nothing of how fast chats are.
    pub(crate) fn passed(&mut self) {
        self.is_judged = true;
        let mut known = self.health.known();
        known.breaker.succeeded(Instant::now());
        known.limited_until = None;
    }

    /// It failed by the deployment's fault.
    pub(crate) fn failed(&mut self, after: Duration) {
        self.is_judged = true;
        let now = Instant::now();
        let mut known = self.health.known();
        known.latency.took(after.max(FAILURE_COUNTS_AS), now);
        let before = known.breaker.state(now);
        known.breaker.failed(now);
        if before != BreakerState::Open && known.breaker.state(now) == BreakerState::Open {
            known.opened += 1;
        }
    }

    /// The deployment is asked too much.
    pub(crate) fn limited(&mut self, retry_after: Option<Duration>) {
        self.is_judged = true;
        let mut known = self.health.known();
        known.limited_until = Some(Instant::now() + retry_after.unwrap_or(LIMITED_FOR).min(LIMITED_FOR_MAX));
        known.breaker.left();
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.health.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !self.is_judged {
            self.health.known().breaker.left();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Arc<Health> {
        Arc::new(Health::new("openai gpt".to_owned(), BreakerConfig::default()))
    }

    #[test]
    fn a_deployment_that_says_how_long_is_left_alone_for_as_long() {
        let health = health();
        let seconds = Duration::from_secs;
        let before = Instant::now();
        health.begin().limited(Some(seconds(7)));
        let after = Instant::now();
        assert!(health.is_unwell(before + seconds(6)) && !health.admits(before + seconds(6)));
        assert!(health.shown("chat", 0).is_limited);
        assert!(!health.is_unwell(after + seconds(7)) && health.admits(after + seconds(7)));
        health.begin().limited(Some(Duration::from_hours(5)));
        assert!(!health.is_unwell(Instant::now() + LIMITED_FOR_MAX));
    }

    #[test]
    fn failures_open_it_and_look_slow() {
        let health = health();
        (0..5).for_each(|_| health.begin().failed(Duration::from_millis(1)));
        let shown = health.shown("chat", 3);
        assert_eq!((shown.breaker, shown.opened, shown.in_flight, shown.waiting), (BreakerState::Open, 1, 0, 3));
        assert_eq!(shown.latency, Some(FAILURE_COUNTS_AS));
        let rested = Instant::now() + Duration::from_secs(10);
        // The probe's caller leaves; the next call probes.
        assert!(health.admits(rested));
        assert!(!health.admits(rested));
        drop(health.begin());
        assert!(health.admits(rested));
    }

    #[test]
    fn calls_that_run_make_it_dearer() {
        let health = health();
        let mut first = health.begin();
        first.answered(Duration::from_secs(1), false);
        let one = health.load();
        let _second = health.begin();
        assert!(health.load() > one * 1.4, "{} {one}", health.load());
    }
}
