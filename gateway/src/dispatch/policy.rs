//! What an endpoint or a route does when an answer does not come.

use std::sync::Arc;
use std::time::Duration;

use super::failure::Failures;
use super::retries::Retries;
use crate::served::Served;

/// The configuration's word on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyConfig {
    pub(crate) retries: Retries,
    pub(crate) fallbacks: Vec<FallbackConfig>,
    /// After how long a second attempt runs beside the first.
    pub(crate) hedge_after: Option<Duration>,
}

/// Another endpoint or route, asked when this one failed in one of these ways.
#[derive(Clone, Debug)]
pub(crate) struct FallbackConfig {
    pub(crate) name: String,
    pub(crate) on: Failures,
    /// Where the name stands in the file.
    pub(crate) line: u64,
    pub(crate) key: String,
}

/// The same, with what the names stand for.
#[derive(Clone, Default)]
pub(crate) struct Policy {
    pub(crate) retries: Retries,
    pub(crate) fallbacks: Arc<[Fallback]>,
    pub(crate) hedge_after: Option<Duration>,
}

#[derive(Clone)]
pub(crate) struct Fallback {
    /// Without fallbacks of its own, so that there is no going in circles.
    pub(crate) target: Served,
    pub(crate) on: Failures,
}

impl Policy {
    /// A policy that turns to nobody else yet.
    pub(crate) fn alone(config: &PolicyConfig) -> Self {
        Self { retries: config.retries, fallbacks: Arc::default(), hedge_after: config.hedge_after }
    }
}
