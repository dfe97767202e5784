//! How many calls an endpoint's provider is asked at once, and how many may wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use llm::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::{Failure, Refused};

/// The `concurrency` of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateConfig {
    /// Calls at once; a streamed one counts until its end.
    pub(crate) max: u32,
    /// Calls that may wait for a turn.
    pub(crate) queue: u32,
    /// How long each of them may wait.
    pub(crate) wait: Duration,
}

/// Holds an endpoint's calls to its `concurrency`.
pub(crate) struct Gate {
    endpoint: String,
    config: GateConfig,
    places: Arc<Semaphore>,
    waiting: AtomicU32,
}

/// A call's place among those that run; dropping it gives the place to the next one.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    pub(crate) fn new(endpoint: &str, config: GateConfig) -> Self {
        let places = usize::try_from(config.max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            endpoint: endpoint.to_owned(),
            config,
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicU32::new(0),
        }
    }

    pub(crate) fn holds_to(&self, config: GateConfig) -> bool {
        self.config == config
    }

    /// Calls that wait for a turn.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a place. A caller who leaves gives up their turn.
    pub(super) async fn enter(&self) -> Result<Place, Refused> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place { _permit: permit });
        }
        let Some(_turn) = Turn::take(self) else {
            return Err(self.full(&format!("and {} more wait already", self.config.queue)));
        };
        match tokio::time::timeout(self.config.wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(permit) => Ok(Place { _permit: permit.expect("nobody closes the semaphore") }),
            Err(_) => Err(self.full(&format!("and none of them ended within {:?}", self.config.wait))),
        }
    }

    fn full(&self, why: &str) -> Refused {
        let Self { endpoint, config, .. } = self;
        let error = Error::Unavailable(format!(
            "endpoint `{endpoint}` has {} calls running, as many as its `concurrency` lets, {why}; try again later",
            config.max
        ));
        // A deployment that is busy is not broken: what helps is what helps against a rate limit.
        Refused { failure: Failure::RateLimit, is_full: true, ..Refused::here(error) }
    }
}

/// A place in the queue.
struct Turn<'a>(&'a Gate);

impl<'a> Turn<'a> {
    fn take(gate: &'a Gate) -> Option<Self> {
        let taken = gate.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting < gate.config.queue).then_some(waiting + 1)
        });
        // Made only where a turn was taken: dropping one gives it back.
        taken.is_ok().then(|| Self(gate))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_runs_one_waits_and_the_third_is_told_so() {
        let config = GateConfig { max: 1, queue: 1, wait: Duration::from_mins(5) };
        let gate = Arc::new(Gate::new("chat", config));
        let first = gate.enter().await.unwrap_or_else(|_| panic!("the gate is empty"));
        let second = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter().await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.waiting(), 1);
        let refused = gate.enter().await.err().unwrap();
        assert_eq!(
            refused.error.to_string(),
            "endpoint `chat` has 1 calls running, as many as its `concurrency` lets, and 1 more wait already; try \
             again later"
        );
        drop(first);
        second.await.unwrap().unwrap();
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test]
    async fn waiting_has_an_end_and_a_caller_who_leaves_gives_up_their_turn() {
        let config = GateConfig { max: 1, queue: 1, wait: Duration::from_millis(20) };
        let gate = Gate::new("chat", config);
        let _first = gate.enter().await.unwrap_or_else(|_| panic!("the gate is empty"));
        let refused = gate.enter().await.err().unwrap();
        assert!(refused.error.to_string().contains("none of them ended within 20ms"), "{}", refused.error);
        let left = gate.enter().now_or_never();
        assert!(left.is_none());
        assert_eq!(gate.waiting(), 0);
    }
}
