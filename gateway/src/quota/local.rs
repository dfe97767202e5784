//! Counts in this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::ledger::{Claim, Refused};

/// Counts that are there before those are looked for whose window has ended.
const SWEEP_AT: usize = 1024;

/// Counts by name. There are as many as keys, users, teams and endpoints in the configuration times the quotas, and for
/// a while those of the windows before.
#[derive(Debug, Default)]
pub(crate) struct Local(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    by_name: HashMap<String, Count>,
    /// Twice the counts that were left when they were last swept.
    sweep_at: usize,
}

#[derive(Debug)]
struct Count {
    used: u64,
    ends_unix_s: i64,
}

impl Local {
    pub(super) fn reserve(&self, claims: &[Claim], now_unix_s: i64) -> Result<Vec<u64>, Refused> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, claim) in claims.iter().enumerate() {
            let used = counts.by_name.get(&claim.count).map_or(0, |it| it.used);
            if claim.limit.is_some_and(|limit| used.saturating_add(claim.amount) > limit) {
                return Err(Refused::Full { claim: place, used });
            }
        }
        counts.sweep(now_unix_s);
        Ok(claims.iter().map(|claim| counts.add(claim)).collect())
    }

    pub(super) fn raise(&self, claims: &[Claim], now_unix_s: i64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.sweep(now_unix_s);
        for claim in claims {
            let used = counts.by_name.get(&claim.count).map_or(0, |it| it.used);
            counts.add(&Claim { amount: claim.amount.saturating_sub(used), ..claim.clone() });
        }
    }

    pub(super) fn settle(&self, changes: &[(Claim, u64)]) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (claim, took) in changes {
            // One that was swept has ended, and nobody asks for it any more.
            if let Some(count) = counts.by_name.get_mut(&claim.count) {
                count.used = count.used.saturating_sub(claim.amount).saturating_add(*took);
            }
        }
    }
}

impl Counts {
    fn add(&mut self, claim: &Claim) -> u64 {
        if let Some(count) = self.by_name.get_mut(&claim.count) {
            count.used = count.used.saturating_add(claim.amount);
            return count.used;
        }
        self.by_name.insert(claim.count.clone(), Count { used: claim.amount, ends_unix_s: claim.ends_unix_s });
        claim.amount
    }

    fn sweep(&mut self, now_unix_s: i64) {
        if self.by_name.len() >= self.sweep_at.max(SWEEP_AT) {
            self.by_name.retain(|_, it| it.ends_unix_s > now_unix_s);
            self.sweep_at = 2 * self.by_name.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Measure;

    fn claim(count: &str, amount: u64, limit: Option<u64>, ends_unix_s: i64) -> Claim {
        Claim { measure: Measure::Requests, count: count.to_owned(), amount, limit, ends_unix_s }
    }

    #[test]
    fn all_claims_are_reserved_or_none() {
        let local = Local::default();
        let (requests, tokens) = (claim("r", 1, Some(2), 60), claim("t", 40, Some(100), 60));
        assert_eq!(local.reserve(&[requests.clone(), tokens.clone()], 0), Ok(vec![1, 40]));
        let large = claim("t", 61, Some(100), 60);
        let refused = local.reserve(&[requests.clone(), large], 0);
        assert_eq!(refused, Err(Refused::Full { claim: 1, used: 40 }));
        // The refused call took no place among the requests.
        assert_eq!(local.reserve(std::slice::from_ref(&requests), 0), Ok(vec![2]));
        assert_eq!(local.reserve(&[requests], 0), Err(Refused::Full { claim: 0, used: 2 }));
        local.settle(&[(tokens, 5)]);
        assert_eq!(local.reserve(&[claim("t", 95, Some(100), 60)], 0), Ok(vec![100]));
    }

    #[test]
    fn counts_are_raised_and_never_lowered() {
        let local = Local::default();
        local.raise(&[claim("b", 70, None, 60)], 0);
        assert_eq!(local.reserve(&[claim("b", 5, None, 60)], 0), Ok(vec![75]));
        local.raise(&[claim("b", 74, None, 60)], 0);
        local.raise(&[claim("b", 80, None, 60)], 0);
        assert_eq!(local.reserve(&[claim("b", 1, Some(80), 60)], 0), Err(Refused::Full { claim: 0, used: 80 }));
    }

    #[test]
    fn counts_of_windows_that_ended_are_forgotten() {
        let local = Local::default();
        for place in 0..10_000 {
            local.reserve(&[claim(&format!("r{place}"), 1, Some(1), place)], place).unwrap();
        }
        let left = local.0.lock().unwrap().by_name.len();
        assert!(left <= SWEEP_AT, "{left}");
    }
}
