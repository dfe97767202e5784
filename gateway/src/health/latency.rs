//! How fast a deployment answers: an average that follows a slow answer at once and forgets it slowly.

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

#[cfg(test)]
mod tests {
    use super::*;

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
