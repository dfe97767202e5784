//! What a run may spend, and how many failures it bears.

use std::sync::Mutex;
use std::time::Instant;

use super::answer::Answer;
use crate::stats::count;
use crate::suite::{Budget, ErrorsMax};

/// What has been spent so far; kept answers cost nothing.
pub(crate) struct Spent<'a> {
    budget: &'a Budget,
    start: Instant,
    so_far: Mutex<SoFar>,
}

#[derive(Default)]
struct SoFar {
    usd: f64,
    tokens: u64,
    requests: u64,
    /// Why nothing more may be asked.
    halted: Option<String>,
}

impl<'a> Spent<'a> {
    pub(super) fn start(budget: &'a Budget) -> Self {
        Self { budget, start: Instant::now(), so_far: Mutex::default() }
    }

    /// Counts one more request, unless a part of the budget is used up.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut so_far = self.so_far.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(reason) = &so_far.halted {
            return Err(reason.clone());
        }
        let budget = self.budget;
        if let Some(usd) = budget.usd.filter(|it| so_far.usd >= *it) {
            return Err(format!("the budget of {usd} USD is used up"));
        }
        if let Some(tokens) = budget.tokens.filter(|it| so_far.tokens >= *it) {
            return Err(format!("the budget of {tokens} tokens is used up"));
        }
        if let Some(requests) = budget.requests.filter(|it| so_far.requests >= *it) {
            return Err(format!("the budget of {requests} requests is used up"));
        }
        if let Some(time) = budget.time.filter(|it| self.start.elapsed() >= *it) {
            return Err(format!("the budget of {} s is used up", time.as_secs_f64()));
        }
        so_far.requests += 1;
        Ok(())
    }

    /// Lets nothing more be asked.
    pub(super) fn halt(&self, reason: String) {
        self.so_far.lock().unwrap_or_else(std::sync::PoisonError::into_inner).halted.get_or_insert(reason);
    }

    pub(super) fn add(&self, answer: &Answer) {
        let mut so_far = self.so_far.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        so_far.usd += answer.cost_usd.unwrap_or(0.0);
        so_far.tokens += answer.tokens().unwrap_or(0);
    }
}

/// The sentence for too many failures, once there are.
pub(super) fn too_many_errors(errors_max: Option<ErrorsMax>, failed: usize, total: usize) -> Option<String> {
    let is_over = match errors_max? {
        ErrorsMax::Count(max) => failed > max,
        ErrorsMax::Share(share) => count(failed) > share * count(total),
    };
    is_over.then(|| format!("{failed} of {total} cells failed, more than run.max_errors allows"))
}
