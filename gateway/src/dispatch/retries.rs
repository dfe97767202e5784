//! When a failed attempt is made again, and after which wait.

use std::time::Duration;

use rand::Rng;

use super::failure::{Failures, Refused};

/// The `retries` of an endpoint or a route. Without them there is one attempt: clients repeat calls themselves, and two
/// who repeat multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retries {
    /// Attempts after the first one.
    pub(crate) max: u32,
    pub(crate) on: Failures,
    /// The first wait at most; each further one may be twice as long.
    pub(crate) base: Duration,
    /// The longest wait. A provider that asks for a longer one is not asked again.
    pub(crate) wait_max: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            max: 0,
            on: Failures::PASSING,
            // As the official clients wait.
            base: Duration::from_millis(500),
            wait_max: Duration::from_secs(8),
        }
    }
}

impl Retries {
    /// How long to wait before the attempt after `made` attempts; `None` where there is none.
    ///
    /// The wait is drawn evenly from nothing to the bound ("full jitter"), so that callers who failed together do not
    /// come back together; what the provider asked for is waited for in any case.
    pub(crate) fn wait(&self, made: u32, refused: &Refused, is_elsewhere: bool) -> Option<Duration> {
        if made > self.max || !self.on.contains(refused.failure) {
            return None;
        }
        if is_elsewhere {
            // Another deployment knows nothing of this one's trouble.
            return Some(Duration::ZERO);
        }
        if !refused.may_pass() {
            return None;
        }
        let asked = refused.retry_after().unwrap_or_default();
        (asked <= self.wait_max).then(|| asked.max(self.jitter(made)))
    }

    fn jitter(&self, made: u32) -> Duration {
        rand::rng().random_range(Duration::ZERO..=self.bound(made))
    }

    /// The longest that the wait after `made` attempts may be.
    fn bound(&self, made: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(made.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.wait_max)
    }
}

#[cfg(test)]
mod tests {
    use llm::Error;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn limited(retry_after: Option<Duration>) -> Refused {
        Refused::by_provider(Error::Limited { message: String::new(), retry_after })
    }

    #[test]
    fn waits_grow_and_have_a_bound() {
        let retries = Retries { max: 9, base: MS(100), wait_max: MS(500), ..Retries::default() };
        let check = |made, expected| assert_eq!(retries.bound(made), MS(expected));
        check(1, 100);
        check(2, 200);
        check(3, 400);
        check(4, 500);
        check(4_000_000_000, 500);
        for _ in 0..100 {
            assert!(retries.wait(1, &limited(None), false).unwrap() <= MS(100));
        }
    }

    #[test]
    fn what_the_provider_asks_for_is_waited_for_or_left() {
        let retries = Retries { max: 2, base: MS(1), wait_max: MS(500), ..Retries::default() };
        assert_eq!(retries.wait(1, &limited(Some(MS(400))), false), Some(MS(400)));
        assert_eq!(retries.wait(1, &limited(Some(MS(600))), false), None);
        assert_eq!(retries.wait(1, &limited(Some(MS(600))), true), Some(Duration::ZERO));
    }

    #[test]
    fn some_failures_are_final() {
        let retries = Retries { max: 2, base: MS(1), ..Retries::default() };
        let broken = |status| Refused::by_provider(Error::Upstream { status, message: String::new(), body: None });
        assert!(retries.wait(2, &broken(500), false).is_some());
        assert_eq!(retries.wait(3, &broken(500), false), None);
        assert_eq!(retries.wait(1, &broken(400), false), None);
        // An empty purse: only another deployment helps.
        assert_eq!(retries.wait(1, &broken(429), false), None);
        assert_eq!(retries.wait(1, &broken(429), true), Some(Duration::ZERO));
        assert_eq!(Retries::default().wait(1, &broken(500), true), None);
    }
}
