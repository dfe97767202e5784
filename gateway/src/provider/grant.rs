//! Keys that are granted for a while, and asked for again before they run out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

/// What is left of a grant when a new one is asked for: the longest call that still begins with the old one.
const LEFT_MIN: Duration = Duration::from_mins(2);

/// Something that is good until then.
#[derive(Clone)]
pub(super) struct Grant<T> {
    pub(super) of: T,
    pub(super) until: Instant,
}

type Asking<T> = Shared<BoxFuture<'static, Result<Grant<T>, String>>>;

/// The grant of the moment. Whoever needs a new one while somebody asks for it waits for the same answer; no lock is
/// held meanwhile.
pub(super) struct Granted<T> {
    ask: Box<dyn Fn() -> BoxFuture<'static, Result<Grant<T>, String>> + Send + Sync>,
    asking: Mutex<Option<Asking<T>>>,
}

impl<T: Clone + Send + Sync + 'static> Granted<T> {
    pub(super) fn new(ask: impl Fn() -> BoxFuture<'static, Result<Grant<T>, String>> + Send + Sync + 'static) -> Self {
        Self { ask: Box::new(ask), asking: Mutex::new(None) }
    }

    pub(super) async fn get(&self) -> Result<T, String> {
        let asking = self.current();
        asking.await.map(|it| it.of)
    }

    /// What was granted last, whether or not it is still good.
    pub(super) fn last(&self) -> Option<T> {
        let slot = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref()?.peek()?.as_ref().ok().map(|it| it.of.clone())
    }

    /// The grant that is good, or the question for one.
    fn current(&self) -> Asking<T> {
        let mut slot = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asking) = slot.as_ref() {
            let is_good = match asking.peek() {
                None => true,
                Some(Ok(grant)) => grant.until.saturating_duration_since(Instant::now()) > LEFT_MIN,
                Some(Err(_)) => false,
            };
            if is_good {
                return asking.clone();
            }
        }
        let asking = (self.ask)().shared();
        *slot = Some(asking.clone());
        asking
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn counting(lasts: Duration, fails_first: bool) -> (Granted<u32>, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let granted = Granted::new(move || {
            let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                tokio::task::yield_now().await;
                if fails_first && number == 1 {
                    return Err("no".to_owned());
                }
                Ok(Grant { of: number, until: Instant::now() + lasts })
            }
            .boxed()
        });
        (granted, asked)
    }

    #[tokio::test]
    async fn many_wait_for_one_answer_and_failures_are_not_kept() {
        let (granted, asked) = counting(Duration::from_hours(1), false);
        let all = futures::future::join_all((0..100).map(|_| granted.get())).await;
        assert!(all.iter().all(|it| *it == Ok(1)) && asked.load(Ordering::Relaxed) == 1);

        let (granted, _) = counting(Duration::from_hours(1), true);
        assert_eq!(granted.get().await, Err("no".to_owned()));
        assert_eq!(granted.get().await, Ok(2));

        let (granted, _) = counting(Duration::from_secs(1), false);
        assert_eq!((granted.get().await, granted.get().await), (Ok(1), Ok(2)));
    }
}
