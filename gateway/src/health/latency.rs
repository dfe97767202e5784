//! How fast a deployment answers: an average that follows a slow answer at once and forgets it slowly, and how the
//! times of its answers spread.

use std::time::Duration;

use tokio::time::Instant;

/// After this long a slow answer counts a third of what it did.
const MEMORY: Duration = Duration::from_secs(10);

/// A peak-sensitive moving average (peak EWMA, as in Finagle).
#[derive(Default)]
pub(super) struct PeakEwma {
    seconds: f64,
    at: Option<Instant>,
}

impl PeakEwma {
    /// An answer took this long.
    pub(super) fn took(&mut self, duration: Duration, now: Instant) {
        let seconds = duration.as_secs_f64();
        self.seconds = match self.at {
            Some(at) if seconds < self.seconds => {
                let weight = (-now.duration_since(at).as_secs_f64() / MEMORY.as_secs_f64()).exp();
                self.seconds * weight + seconds * (1.0 - weight)
            }
            _ => seconds,
        };
        self.at = Some(now);
    }

    /// What an answer is expected to take, in seconds; 0 where there was none yet, so that who is new is tried.
    pub(super) fn seconds(&self, now: Instant) -> f64 {
        let Some(at) = self.at else { return 0.0 };
        self.seconds * (-now.duration_since(at).as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }

    /// The average itself, without the forgetting since the last answer.
    pub(super) fn last(&self) -> Option<Duration> {
        self.at.map(|_| Duration::from_secs_f64(self.seconds))
    }
}

/// Stretches of time that are told apart, each of which reaches a seventh further than the one before: from a
/// millisecond to a quarter of an hour.
const STRETCHES: usize = 100;
/// Stretches in which times double.
const STRETCHES_PER_DOUBLING: f64 = 5.0;
/// Where the first one ends, in seconds.
const FIRST_END_S: f64 = 0.001;
/// When so many answers were counted, each counts half: what was usual long ago is forgotten.
const COUNTED_MAX: u32 = 1000;

/// How many of the last answers took how long.
pub(super) struct Spread {
    counts: [u16; STRETCHES],
    total: u32,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: [0; STRETCHES], total: 0 }
    }
}

impl Spread {
    /// An answer took this long.
    pub(super) fn took(&mut self, duration: Duration) {
        if self.total >= COUNTED_MAX {
            self.counts.iter_mut().for_each(|it| *it /= 2);
            self.total = self.counts.iter().copied().map(u32::from).sum();
        }
        let seconds = duration.as_secs_f64();
        let place = (0..STRETCHES).find(|it| seconds <= end_s(*it)).unwrap_or(STRETCHES - 1);
        self.counts[place] += 1;
        self.total += 1;
    }

    /// The time within which so many of a hundred answers came, to the end of its stretch; `None` of fewer answers.
    pub(super) fn within(&self, percent: u32, samples_min: u32) -> Option<Duration> {
        if self.total < samples_min.max(1) {
            return None;
        }
        let wanted = (self.total * percent).div_ceil(100);
        let mut seen = 0;
        let place = self.counts.iter().position(|it| {
            seen += u32::from(*it);
            seen >= wanted
        });
        place.map(|it| Duration::from_secs_f64(end_s(it)))
    }
}

/// Where a stretch ends, in seconds.
fn end_s(place: usize) -> f64 {
    let place = u32::try_from(place).map_or(f64::MAX, f64::from);
    FIRST_END_S * (place / STRETCHES_PER_DOUBLING).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_tells_within_what_time_most_answers_came() {
        let ms = Duration::from_millis;
        let mut spread = Spread::default();
        (0..94).for_each(|_| spread.took(ms(100)));
        (0..6).for_each(|_| spread.took(ms(3000)));
        assert_eq!(spread.within(95, 101), None);
        let check = |spread: &Spread, percent: u32, at_least: u64| {
            let within = spread.within(percent, 100).unwrap();
            assert!(within >= ms(at_least) && within < ms(at_least).mul_f64(1.15), "{percent}: {within:?}");
        };
        check(&spread, 50, 100);
        check(&spread, 94, 100);
        check(&spread, 95, 3000);
        // What was usual before is forgotten after some thousand answers, and odd times have a place, too.
        spread.took(Duration::ZERO);
        spread.took(Duration::from_hours(5));
        (0..10_000).for_each(|_| spread.took(ms(10)));
        check(&spread, 99, 10);
        assert!((COUNTED_MAX / 2..=COUNTED_MAX).contains(&spread.total));
    }

    #[test]
    fn a_peak_counts_at_once_and_fades() {
        let now = Instant::now();
        let mut latency = PeakEwma::default();
        assert_eq!(latency.last(), None);
        latency.took(Duration::from_secs(1), now);
        latency.took(Duration::from_secs(4), now);
        assert_eq!(latency.last(), Some(Duration::from_secs(4)));
        // At the same moment a fast answer says nothing yet.
        latency.took(Duration::from_secs(1), now);
        assert_eq!(latency.last(), Some(Duration::from_secs(4)));
        latency.took(Duration::from_secs(1), now + MEMORY);
        let expected = 4.0 / std::f64::consts::E + (1.0 - 1.0 / std::f64::consts::E);
        assert!((latency.seconds(now + MEMORY) - expected).abs() < 1e-9);
        assert!(latency.seconds(now + 10 * MEMORY) < 0.001);
    }
}
