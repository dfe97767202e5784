//! Names as labels: the first so many are told apart, those that come later are `other`.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// What stands for all names that came too late.
pub(super) const OTHER: &str = "other";

/// The names seen so far.
pub(super) struct Names {
    max: usize,
    seen: RwLock<HashSet<String>>,
}

impl Names {
    pub(super) fn new(max: usize) -> Self {
        Self { max, seen: RwLock::default() }
    }

    /// The name, or `other`.
    pub(super) fn bounded(&self, name: &str) -> String {
        if self.seen.read().unwrap_or_else(PoisonError::into_inner).contains(name) {
            return name.to_owned();
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < self.max || seen.contains(name) {
            seen.insert(name.to_owned());
            return name.to_owned();
        }
        OTHER.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_names_are_other() {
        let names = Names::new(2);
        let told: Vec<String> = ["a", "b", "c", "a", "d"].iter().map(|it| names.bounded(it)).collect();
        assert_eq!(told, ["a", "b", "other", "a", "other"]);
    }
}
