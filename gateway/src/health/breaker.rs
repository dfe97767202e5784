//! A circuit breaker: it remembers how a deployment's calls went of late, and lets it rest when too many failed.

use std::time::Duration;

use tokio::time::Instant;

/// The `breaker` of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BreakerConfig {
    /// Failures within the window that open it, if they are also half of its calls.
    pub(crate) failures: u32,
    /// How far back it looks.
    pub(crate) window: Duration,
    /// How long it rests before one call may probe; each probe that fails doubles that, up to [`REST_TIMES_MAX`].
    pub(crate) rest: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        // Few enough to notice an outage within a handful of calls, enough not to mistake a hiccup for one.
        Self { failures: 5, window: Duration::from_secs(30), rest: Duration::from_secs(10) }
    }
}

/// How many times its first length a rest may grow to.
const REST_TIMES_MAX: u32 = 8;
/// Parts of the window that are forgotten one by one.
const SLOTS: u32 = 10;

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Every call.
    Closed,
    /// None, until its rest is over.
    Open,
    /// One call, to see whether the deployment is well again.
    HalfOpen,
}

pub(super) struct Breaker {
    config: BreakerConfig,
    began: Instant,
    slots: [Slot; SLOTS as usize],
    open: Option<Open>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// Which part of the time since the beginning this counts.
    number: u64,
    calls: u32,
    failures: u32,
}

struct Open {
    until: Instant,
    rests: u32,
    is_probed: bool,
}

impl Breaker {
    pub(super) fn new(config: BreakerConfig, now: Instant) -> Self {
        Self { config, began: now, slots: [Slot::default(); SLOTS as usize], open: None }
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match &self.open {
            None => BreakerState::Closed,
            Some(open) if now < open.until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// Whether a call would be let through now.
    pub(super) fn would_admit(&self, now: Instant) -> bool {
        self.open.as_ref().is_none_or(|it| now >= it.until && !it.is_probed)
    }

    /// Lets a call through, or not. The one that is let through half open is the probe.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        let admits = self.would_admit(now);
        if let Some(open) = self.open.as_mut().filter(|_| admits) {
            open.is_probed = true;
        }
        admits
    }

    /// A call went well.
    pub(super) fn succeeded(&mut self, now: Instant) {
        if self.open.take().is_some() {
            self.slots = [Slot::default(); SLOTS as usize];
        }
        self.slot(now).calls += 1;
    }

    /// A call failed by the deployment's fault.
    pub(super) fn failed(&mut self, now: Instant) {
        let slot = self.slot(now);
        slot.calls += 1;
        slot.failures += 1;
        if let Some(open) = &mut self.open {
            // Calls that began before it opened say nothing new.
            if now >= open.until {
                open.rests = open.rests.saturating_mul(2).min(REST_TIMES_MAX);
                open.until = now + self.config.rest * open.rests;
                open.is_probed = false;
            }
            return;
        }
        let number = self.number(now);
        let recent = self.slots.iter().filter(|it| it.number + u64::from(SLOTS) > number);
        let (calls, failures) = recent.fold((0, 0), |sum, it| (sum.0 + it.calls, sum.1 + it.failures));
        if failures >= self.config.failures && failures * 2 >= calls {
            self.open = Some(Open { until: now + self.config.rest, rests: 1, is_probed: false });
        }
    }

    /// A call ended without telling anything: its caller left.
    pub(super) fn left(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_probed = false;
        }
    }

    fn number(&self, now: Instant) -> u64 {
        let slot = (self.config.window / SLOTS).max(Duration::from_millis(1));
        u64::try_from(now.duration_since(self.began).as_nanos() / slot.as_nanos()).unwrap_or(u64::MAX)
    }

    fn slot(&mut self, now: Instant) -> &mut Slot {
        let number = self.number(now);
        let slot = &mut self.slots[usize::try_from(number % u64::from(SLOTS)).unwrap_or_default()];
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> (Breaker, Instant) {
        let now = Instant::now();
        (Breaker::new(BreakerConfig::default(), now), now)
    }

    #[test]
    fn opens_when_half_of_the_calls_fail() {
        let (mut breaker, now) = breaker();
        for _ in 0..5 {
            breaker.succeeded(now);
        }
        for _ in 0..4 {
            breaker.failed(now);
        }
        assert_eq!(breaker.state(now), BreakerState::Closed);
        breaker.failed(now);
        assert_eq!(breaker.state(now), BreakerState::Open);
        assert!(!breaker.admit(now + 9 * SECOND));
    }

    #[test]
    fn one_call_probes_and_decides() {
        let (mut breaker, now) = breaker();
        (0..5).for_each(|_| breaker.failed(now));
        let later = now + 10 * SECOND;
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        assert!(breaker.admit(later));
        assert!(!breaker.admit(later), "a second call beside the probe");
        // The probe's caller left: the next call probes.
        breaker.left();
        assert!(breaker.admit(later));
        breaker.failed(later);
        assert!(!breaker.admit(later + 19 * SECOND), "the second rest is twice as long");
        assert!(breaker.admit(later + 20 * SECOND));
        breaker.succeeded(later + 20 * SECOND);
        assert_eq!(breaker.state(later + 20 * SECOND), BreakerState::Closed);
        assert!(breaker.admit(later + 20 * SECOND) && breaker.admit(later + 20 * SECOND));
    }

    #[test]
    fn forgets_what_lies_behind_its_window() {
        let (mut breaker, now) = breaker();
        (0..4).for_each(|_| breaker.failed(now));
        breaker.failed(now + 31 * SECOND);
        assert_eq!(breaker.state(now + 31 * SECOND), BreakerState::Closed);
        (0..4).for_each(|_| breaker.failed(now + 40 * SECOND));
        assert_eq!(breaker.state(now + 40 * SECOND), BreakerState::Open);
    }

    #[test]
    fn rests_have_a_longest() {
        let (mut breaker, mut now) = breaker();
        (0..5).for_each(|_| breaker.failed(now));
        for _ in 0..10 {
            now += 80 * SECOND;
            assert!(breaker.admit(now));
            breaker.failed(now);
        }
        assert!(!breaker.would_admit(now + 79 * SECOND));
        assert!(breaker.would_admit(now + 80 * SECOND));
    }
}
