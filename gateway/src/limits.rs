//! How many calls an endpoint takes: the quota of its `limit`, and the limiter that holds callers to it.
//!
//! MLflow counts calls in fixed windows, per client address and worker process. Here one limiter stands before each
//! endpoint, whoever calls and by whichever address: `calls` may come at once, and one more is allowed each
//! `renewal_period / calls` (the generic cell rate algorithm), so that no window's edge lets twice as many through.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use llm::Error;

/// The `limit` of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Calls a period.
    pub calls: u32,
    /// The period as written: `minute`, `2 minutes`.
    pub renewal_period: String,
    /// MLflow's unused `key`, kept for listings.
    pub key: Option<String>,
    pub(crate) period: Period,
}

/// A stretch of time as limits are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period(Duration);

impl Period {
    /// Reads `minute`, `2 minutes`. A month counts 30 days and a year 12 such months, as MLflow counts them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        const UNITS_S: [(&str, u64); 6] = [
            ("second", 1),
            ("minute", 60),
            ("hour", 3600),
            ("day", 86_400),
            ("month", 30 * 86_400),
            ("year", 12 * 30 * 86_400),
        ];
        let text = text.trim().to_ascii_lowercase();
        let digits = text.len() - text.trim_start_matches(|it: char| it.is_ascii_digit()).len();
        let count: u64 = if digits == 0 { 1 } else { text[..digits].parse().ok()? };
        let unit = text[digits..].trim();
        let unit = unit.strip_suffix('s').unwrap_or(unit);
        let (_, unit_s) = UNITS_S.into_iter().find(|(name, _)| *name == unit)?;
        let total_s = count.checked_mul(unit_s).filter(|it| (1..=100 * 365 * 86_400).contains(it))?;
        Some(Self(Duration::from_secs(total_s)))
    }
}

/// Holds callers to a limit.
pub(crate) struct Limiter {
    whose: String,
    words: String,
    limit: Limit,
    cells: DefaultDirectRateLimiter,
}

impl Limiter {
    /// A limiter of `whose` calls, ``endpoint `chat` ``.
    pub(crate) fn new(whose: String, limit: &Limit) -> Self {
        let calls = NonZeroU32::new(limit.calls).unwrap_or(NonZeroU32::MIN);
        // A period split into more calls than it has nanoseconds is no limit that a clock could tell from none.
        let step = (limit.period.0 / limit.calls.max(1)).max(Duration::from_nanos(1));
        let quota = Quota::with_period(step).expect("the step is at least a nanosecond").allow_burst(calls);
        let words = format!("{} per {}", limit.calls, limit.renewal_period);
        Self { whose, words, limit: limit.clone(), cells: RateLimiter::direct(quota) }
    }

    /// Whether it is this limit that it holds callers to.
    pub(crate) fn holds_to(&self, limit: &Limit) -> bool {
        self.limit == *limit
    }

    /// Lets a call through, or says when to come again.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.cells.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Error::Limited {
                message: format!(
                    "Rate limit exceeded: {} for {}; try again in {} s",
                    self.words,
                    self.whose,
                    retry_after_s(wait)
                ),
                retry_after: Some(wait),
            }
        })
    }
}

/// A wait as `Retry-After` carries it: whole seconds, rounded up, at least one.
pub(crate) fn retry_after_s(wait: Duration) -> u64 {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    whole.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        let check = |text: &str, seconds: Option<u64>| {
            assert_eq!(Period::parse(text).map(|it| it.0.as_secs()), seconds, "{text}");
        };
        check("second", Some(1));
        check("Minute", Some(60));
        check("2 minutes", Some(120));
        check("5minutes", Some(300));
        check("hours", Some(3600));
        check("day", Some(86_400));
        check("month", Some(2_592_000));
        check("year", Some(31_104_000));
        check("0 minutes", None);
        check("fortnight", None);
        check("-1 minute", None);
        check("1.5 minutes", None);
        check("99999999999999999999 days", None);
        check("9999999999999999 days", None);
        check("", None);
        check("s", None);
    }

    #[test]
    fn as_many_as_the_limit_says_then_none() {
        let limit =
            Limit { calls: 3, renewal_period: "hour".into(), key: None, period: Period::parse("hour").unwrap() };
        let limiter = Limiter::new("endpoint `chat`".to_owned(), &limit);
        for _ in 0..3 {
            limiter.check().unwrap();
        }
        let Err(Error::Limited { message, retry_after: Some(wait) }) = limiter.check() else { panic!("let through") };
        assert!(message.starts_with("Rate limit exceeded: 3 per hour for endpoint `chat`; try again in "), "{message}");
        assert!(wait > Duration::from_mins(19) && wait <= Duration::from_mins(20), "{wait:?}");
    }

    #[test]
    fn waits_round_up() {
        assert_eq!(retry_after_s(Duration::ZERO), 1);
        assert_eq!(retry_after_s(Duration::from_millis(1001)), 2);
        assert_eq!(retry_after_s(Duration::from_secs(20)), 20);
    }
}
