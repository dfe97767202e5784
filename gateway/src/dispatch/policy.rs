//! What an endpoint or a route does when an answer does not come.

use std::sync::Arc;

use super::failure::Failures;
use super::hedge::{Hedge, HedgeConfig};
use super::retries::Retries;
use crate::served::Served;

/// The configuration's word on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyConfig {
    pub(crate) retries: Retries,
    pub(crate) fallbacks: Vec<FallbackConfig>,
    /// When a second attempt runs beside the first.
    pub(crate) hedge: Option<HedgeConfig>,
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
    pub(crate) hedge: Option<Arc<Hedge>>,
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
        let hedge = config.hedge.map(|it| Arc::new(Hedge::new(it)));
        Self { retries: config.retries, fallbacks: Arc::default(), hedge }
    }
}
