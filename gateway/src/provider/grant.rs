//! Keys that are granted for a while, and asked for again before they run out.

mod authority;
mod bearer;
mod command;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(super) use authority::{Authority, TIMEOUT, ToldBy, element, form};
pub(super) use bearer::{Bearer, bearer_token, fit};
pub(super) use command::run;

/// What is left of a grant when a new one is asked for: the longest call that still begins with the old one.
const LEFT_MIN: Duration = Duration::from_mins(2);
/// A renewal that failed is not tried again for so long, as long as the old grant is good.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);
/// No grant is believed to last longer; the longest that anybody gives are of twelve hours.
const GRANT_MAX: Duration = Duration::from_hours(24);

/// Something that is good until then.
#[derive(Clone)]
pub(super) struct Grant<T> {
    pub(super) of: T,
    pub(super) until: Instant,
}

impl<T> Grant<T> {
    pub(super) fn lasting(of: T, asked: Instant, lasts: Duration) -> Self {
        Self { of, until: asked + lasts.min(GRANT_MAX) }
    }

    /// Good until a moment that a server told: seconds since 1970.
    pub(super) fn until_unix(of: T, seconds: i64) -> Self {
        let left = seconds.saturating_sub(OffsetDateTime::now_utc().unix_timestamp());
        Self::lasting(of, Instant::now(), Duration::from_secs(u64::try_from(left).unwrap_or(0)))
    }

    /// Good until a moment that a server told: `2026-01-31T12:00:00Z`.
    pub(super) fn until_text(of: T, text: &str) -> Result<Self, String> {
        // Python's writes no `Z`, and means it.
        let zoned = if text.contains(['Z', 'z', '+']) { text.to_owned() } else { format!("{text}Z") };
        match OffsetDateTime::parse(&zoned.replace("UTC", ""), &Rfc3339) {
            Ok(time) => Ok(Self::until_unix(of, time.unix_timestamp())),
            Err(_) => Err(format!("`{text}` is no time like `2026-01-31T12:00:00Z`")),
        }
    }
}

type Asking<T> = Shared<BoxFuture<'static, Result<Grant<T>, String>>>;

/// The grant of the moment. Whoever needs a new one while somebody asks for it waits for the same answer; no lock is
/// held meanwhile. Nobody waits as long as the old one is good: the question for a new one runs beside the calls.
pub(super) struct Granted<T> {
    ask: Box<dyn Fn() -> BoxFuture<'static, Result<Grant<T>, String>> + Send + Sync>,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    good: Option<Grant<T>>,
    /// The one before, with which calls may still be on their way.
    before: Option<T>,
    asking: Option<Asking<T>>,
    renew_at: Instant,
}

impl<T: Clone + Send + Sync + 'static> Granted<T> {
    pub(super) fn new(ask: impl Fn() -> BoxFuture<'static, Result<Grant<T>, String>> + Send + Sync + 'static) -> Self {
        let slot = Slot { good: None, before: None, asking: None, renew_at: Instant::now() };
        Self { ask: Box::new(ask), slot: Mutex::new(slot) }
    }

    pub(super) async fn get(&self) -> Result<T, String> {
        let asking = {
            let now = Instant::now();
            let mut slot = self.slot();
            let good = slot.good.as_ref().filter(|it| it.until > now).map(|it| it.of.clone());
            match good {
                Some(good) if now < slot.renew_at => return Ok(good),
                Some(good) => {
                    // It is answered whether or not anybody waits.
                    drop(self.asking(&mut slot));
                    return Ok(good);
                }
                None => self.asking(&mut slot),
            }
        };
        asking.await.map(|it| it.of)
    }

    /// What was granted of late, whether or not it is still good.
    pub(super) fn known(&self) -> Vec<T> {
        let slot = self.slot();
        slot.good.iter().map(|it| it.of.clone()).chain(slot.before.clone()).collect()
    }

    /// The question that is being asked, which goes on whoever leaves.
    fn asking(&self, slot: &mut Slot<T>) -> Asking<T> {
        let ask = || {
            let asking = (self.ask)().shared();
            tokio::spawn(asking.clone());
            asking
        };
        slot.asking.get_or_insert_with(ask).clone()
    }

    /// The state, with what was answered meanwhile in its place.
    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match slot.asking.as_ref().and_then(|it| it.peek().cloned()) {
            None => {}
            Some(Ok(grant)) => {
                let lasts = grant.until.saturating_duration_since(now);
                slot.renew_at = grant.until.checked_sub(LEFT_MIN.min(lasts / 2)).unwrap_or(now);
                slot.before = slot.good.replace(grant).map(|it| it.of);
                slot.asking = None;
            }
            Some(Err(_)) => {
                slot.renew_at = now + RENEWAL_PAUSE;
                slot.asking = None;
            }
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Grants a number each time it is asked, which fails at the times of a list.
    fn counting(lasts: Duration, fails: &'static [u32]) -> (Granted<u32>, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let granted = Granted::new(move || {
            let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                tokio::task::yield_now().await;
                if fails.contains(&number) {
                    return Err("no".to_owned());
                }
                Ok(Grant::lasting(number, Instant::now(), lasts))
            }
            .boxed()
        });
        (granted, asked)
    }

    /// Makes the grant old enough to be renewed.
    fn age(granted: &Granted<u32>) {
        granted.slot().renew_at = Instant::now();
    }

    async fn answered(granted: &Granted<u32>) {
        while granted.slot().asking.is_some() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn many_wait_for_one_answer_and_failures_are_not_kept() {
        let (granted, asked) = counting(Duration::from_hours(1), &[]);
        let all = futures::future::join_all((0..100).map(|_| granted.get())).await;
        assert!(all.iter().all(|it| *it == Ok(1)) && asked.load(Ordering::Relaxed) == 1);

        let (granted, _) = counting(Duration::from_hours(1), &[1]);
        assert_eq!(granted.get().await, Err("no".to_owned()));
        assert_eq!(granted.get().await, Ok(2));

        let (granted, _) = counting(Duration::ZERO, &[]);
        assert_eq!((granted.get().await, granted.get().await), (Ok(1), Ok(2)));
    }

    #[tokio::test]
    async fn what_is_good_is_used_while_a_new_one_is_asked_for_even_in_vain() {
        let (granted, asked) = counting(Duration::from_hours(1), &[2]);
        assert_eq!(granted.get().await, Ok(1));
        age(&granted);
        assert_eq!(granted.get().await, Ok(1));
        answered(&granted).await;
        // The second failed; a third is not asked for at once.
        assert_eq!((granted.get().await, asked.load(Ordering::Relaxed)), (Ok(1), 2));
        age(&granted);
        assert_eq!(granted.get().await, Ok(1));
        answered(&granted).await;
        assert_eq!(granted.get().await, Ok(3));
        assert_eq!(granted.known(), [3, 1]);
    }

    #[test]
    fn moments_as_servers_write_them() {
        let later = OffsetDateTime::now_utc() + Duration::from_hours(2);
        let (date, hour) = (later.date(), later.hour());
        for end in [":30:00Z", ":30:00+00:00", ":30:00.123Z", ":30:00UTC", ":30:00"] {
            let text = format!("{date}T{hour:02}{end}");
            let left = Grant::until_text((), &text).map(|it| it.until.saturating_duration_since(Instant::now()));
            assert!(left.is_ok_and(|it| it > Duration::from_mins(89) && it < Duration::from_mins(151)), "{text}");
        }
        assert!(Grant::until_text((), "tomorrow").is_err());
        assert!(Grant::until_text((), "1999-01-01T00:00:00Z").is_ok_and(|it| it.until <= Instant::now()));
    }
}
