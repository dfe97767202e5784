//! Counts in this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Measure;
use super::ledger::{Claim, Refused, Stretch};
use super::sliding::Ring;

/// Counts that are there before those are looked for that nobody needs any more.
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
    /// The budgets whose count has changed since it was last written down.
    changed: Vec<String>,
}

#[derive(Debug)]
struct Count {
    used: Used,
    ends_unix_s: i64,
    /// What of it is written down.
    written: u64,
    /// Whether it stands among those that have changed.
    has_changed: bool,
}

/// What was spent of a budget, or how much more it is than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    /// The name of the count.
    pub(super) count: String,
    /// Nanodollars.
    pub(super) used: i64,
    pub(super) ends_unix_s: i64,
}

#[derive(Debug)]
enum Used {
    /// In a window of the calendar, or under way now.
    Whole(u64),
    /// In the slots of a window that slides.
    Slots(Box<Ring>),
}

impl Local {
    pub(super) fn reserve(&self, claims: &[Claim], now_unix_s: i64) -> Result<Vec<u64>, Refused> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, claim) in claims.iter().enumerate() {
            let Some(limit) = claim.limit else { continue };
            let count = counts.by_name.get_mut(&claim.count);
            let used = count.map_or(0, |it| it.used(claim));
            if used.saturating_add(claim.amount) > limit {
                let frees_unix_s =
                    counts.by_name.get(&claim.count).map_or(claim.ends_unix_s, |it| it.frees(claim, limit));
                return Err(Refused::Full { claim: place, used, frees_unix_s });
            }
        }
        counts.sweep(now_unix_s);
        Ok(claims.iter().map(|claim| counts.add(claim)).collect())
    }

    pub(super) fn raise(&self, claims: &[Claim], now_unix_s: i64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.sweep(now_unix_s);
        for claim in claims {
            let used = counts.by_name.get_mut(&claim.count).map_or(0, |it| it.used(claim));
            let more = claim.amount.saturating_sub(used);
            counts.add(&Claim { amount: more, ..claim.clone() });
            // It is on record elsewhere; written down here as well, replicas would add it up.
            if let Some(count) = counts.by_name.get_mut(&claim.count) {
                count.written = count.written.saturating_add(more);
            }
        }
    }

    pub(super) fn settle(&self, changes: &[(Claim, u64)]) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (claim, took) in changes {
            // One that was swept has ended, and nobody asks for it any more.
            if let Some(count) = counts.by_name.get_mut(&claim.count) {
                count.settle(claim, *took);
                counts.note(claim);
            }
        }
    }

    /// Adds what was spent before this process began.
    pub(super) fn restore(&self, spent: Vec<Spent>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Spent { count, used, ends_unix_s } in spent {
            let before = u64::try_from(used).unwrap_or(0);
            let count = counts.by_name.entry(count).or_insert_with(|| Count::whole(ends_unix_s));
            count.written = count.written.saturating_add(before);
            if let Used::Whole(used) = &mut count.used {
                *used = used.saturating_add(before);
            }
        }
    }

    /// Takes what has been spent of budgets since the last time, to be written down.
    pub(super) fn unwritten(&self) -> Vec<Spent> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = std::mem::take(&mut counts.changed);
        let spent = changed.into_iter().filter_map(|name| {
            let count = counts.by_name.get_mut(&name)?;
            count.has_changed = false;
            let Used::Whole(used) = count.used else { return None };
            let more = signed(used) - signed(count.written);
            count.written = used;
            (more != 0).then_some(Spent { count: name, used: more, ends_unix_s: count.ends_unix_s })
        });
        spent.collect()
    }

    /// Takes back what could not be written down; it is part of the next time.
    pub(super) fn is_unwritten(&self, spent: Vec<Spent>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Spent { count: name, used, .. } in spent {
            let Some(count) = counts.by_name.get_mut(&name) else { continue };
            count.written = u64::try_from(signed(count.written) - used).unwrap_or(0);
            if !std::mem::replace(&mut count.has_changed, true) {
                counts.changed.push(name);
            }
        }
    }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

impl Count {
    fn whole(ends_unix_s: i64) -> Self {
        Self { used: Used::Whole(0), ends_unix_s, written: 0, has_changed: false }
    }

    fn used(&mut self, claim: &Claim) -> u64 {
        match (&mut self.used, claim.stretch) {
            (Used::Slots(ring), Stretch::Sliding(slide)) => ring.used(slide.current),
            (Used::Whole(used), _) => *used,
            (Used::Slots(_), _) => 0,
        }
    }

    /// When there is room for the claim, in seconds since 1970.
    fn frees(&self, claim: &Claim, limit: u64) -> i64 {
        match (&self.used, claim.stretch) {
            (Used::Slots(ring), Stretch::Sliding(slide)) => slide.frees(ring.room_after(claim.amount, limit)),
            _ => claim.ends_unix_s,
        }
    }

    fn add(&mut self, claim: &Claim) {
        self.ends_unix_s = claim.ends_unix_s;
        match (&mut self.used, claim.stretch) {
            (Used::Slots(ring), Stretch::Sliding(slide)) => {
                ring.used(slide.current);
                ring.add(slide.current, claim.amount);
            }
            (Used::Whole(used), _) => *used = used.saturating_add(claim.amount),
            (Used::Slots(_), _) => {}
        }
    }

    fn settle(&mut self, claim: &Claim, took: u64) {
        match (&mut self.used, claim.stretch) {
            (Used::Slots(ring), Stretch::Sliding(slide)) => ring.replace(slide.current, claim.amount, took),
            (Used::Whole(used), stretch) => {
                *used = used.saturating_sub(claim.amount).saturating_add(took);
                if *used == 0 && matches!(stretch, Stretch::UnderWay(_)) {
                    self.ends_unix_s = 0;
                }
            }
            (Used::Slots(_), _) => {}
        }
    }
}

impl Counts {
    fn add(&mut self, claim: &Claim) -> u64 {
        if !self.by_name.contains_key(&claim.count) {
            let mut count = Count::whole(claim.ends_unix_s);
            if matches!(claim.stretch, Stretch::Sliding(_)) {
                count.used = Used::Slots(Box::default());
            }
            self.by_name.insert(claim.count.clone(), count);
        }
        let Some(count) = self.by_name.get_mut(&claim.count) else { return claim.amount };
        count.add(claim);
        let used = count.used(claim);
        self.note(claim);
        used
    }

    /// Takes note that a count has changed, if it is a budget's.
    fn note(&mut self, claim: &Claim) {
        if claim.measure != Measure::Usd {
            return;
        }
        if let Some(count) = self.by_name.get_mut(&claim.count)
            && !std::mem::replace(&mut count.has_changed, true)
        {
            self.changed.push(claim.count.clone());
        }
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
    use crate::quota::sliding::Slide;

    fn claim(count: &str, amount: u64, limit: Option<u64>, ends_unix_s: i64) -> Claim {
        let (measure, stretch) = (Measure::Requests, Stretch::Calendar);
        Claim { measure, count: count.to_owned(), amount, limit, ends_unix_s, stretch }
    }

    fn full(claim: usize, used: u64, frees_unix_s: i64) -> Result<Vec<u64>, Refused> {
        Err(Refused::Full { claim, used, frees_unix_s })
    }

    #[test]
    fn all_claims_are_reserved_or_none() {
        let local = Local::default();
        let (requests, tokens) = (claim("r", 1, Some(2), 60), claim("t", 40, Some(100), 60));
        assert_eq!(local.reserve(&[requests.clone(), tokens.clone()], 0), Ok(vec![1, 40]));
        let large = claim("t", 61, Some(100), 60);
        assert_eq!(local.reserve(&[requests.clone(), large], 0), full(1, 40, 60));
        // The refused call took no place among the requests.
        assert_eq!(local.reserve(std::slice::from_ref(&requests), 0), Ok(vec![2]));
        assert_eq!(local.reserve(&[requests], 0), full(0, 2, 60));
        local.settle(&[(tokens, 5)]);
        assert_eq!(local.reserve(&[claim("t", 95, Some(100), 60)], 0), Ok(vec![100]));
    }

    #[test]
    fn a_window_slides() {
        let local = Local::default();
        let at = |now| {
            let slide = Slide::at(60, now);
            let stretch = Stretch::Sliding(slide);
            Claim { ends_unix_s: slide.frees(slide.current), stretch, ..claim("t", 50, Some(100), 0) }
        };
        assert_eq!(local.reserve(&[at(59)], 59), Ok(vec![50]));
        assert_eq!(local.reserve(&[at(61)], 61), Ok(vec![100]));
        // Beyond the minute's edge nothing is forgotten; what was used at 59 is free at 120, when its slot counts no more.
        assert_eq!(local.reserve(&[at(62)], 62), full(0, 100, 120));
        assert_eq!(local.reserve(&[at(119)], 119), full(0, 100, 120));
        local.settle(&[(at(61), 20)]);
        assert_eq!(local.reserve(&[at(120)], 120), Ok(vec![70]));
    }

    #[test]
    fn calls_under_way_give_their_places_back() {
        let local = Local::default();
        let calls = Claim { stretch: Stretch::UnderWay(1), ..claim("c", 1, Some(1), i64::MAX) };
        assert_eq!(local.reserve(std::slice::from_ref(&calls), 0), Ok(vec![1]));
        assert_eq!(local.reserve(std::slice::from_ref(&calls), 0), full(0, 1, i64::MAX));
        local.settle(&[(calls.clone(), 0)]);
        assert_eq!(local.reserve(&[calls], 0), Ok(vec![1]));
    }

    #[test]
    fn what_is_spent_is_written_down_once_and_restored() {
        let local = Local::default();
        let budget = |amount| Claim { measure: Measure::Usd, ..claim("b", amount, Some(100), 60) };
        let spent = |used| Spent { count: "b".to_owned(), used, ends_unix_s: 60 };
        assert_eq!(local.reserve(&[budget(30), claim("r", 1, None, 60)], 0), Ok(vec![30, 1]));
        assert_eq!(local.unwritten(), [spent(30)]);
        assert_eq!(local.unwritten(), []);
        local.settle(&[(budget(30), 10)]);
        assert_eq!(local.unwritten(), [spent(-20)]);
        // The database failed: the next time tells both.
        local.is_unwritten(vec![spent(-20)]);
        assert_eq!(local.reserve(&[budget(5)], 0), Ok(vec![15]));
        assert_eq!(local.unwritten(), [spent(-15)]);
        // What traces tell counts, and is not written down a second time.
        local.raise(&[budget(40)], 0);
        local.raise(&[budget(20)], 0);
        assert_eq!(local.unwritten(), []);
        assert_eq!(local.reserve(&[budget(1)], 0), Ok(vec![41]));
        assert_eq!(local.unwritten(), [spent(1)]);

        let next = Local::default();
        assert_eq!(next.reserve(&[budget(1)], 0), Ok(vec![1]));
        next.restore(vec![spent(15)]);
        assert_eq!(next.unwritten(), [spent(1)]);
        assert_eq!(next.reserve(&[budget(85)], 0), full(0, 16, 60));
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
