//! Windows that slide: what was used in the last minute, and not since the clock's last full one, so that no edge lets
//! twice as many through.
//!
//! A window is cut into [`SLOTS`] slots. What counts is the slot of the moment and as many before it: at least the
//! window's length and at most a slot more, so that a limit is never exceeded in any stretch of that length.

/// Slots of a window: an amount counts for up to a twelfth of the window longer than it must, five seconds of a minute.
const SLOTS: i64 = 12;
/// Those of them that count at once: the one of the moment is not over yet.
const COUNTING: usize = 13;

/// The slots that count at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slide {
    pub(super) slot_s: i64,
    /// The slot of the moment, counted from 1970.
    pub(super) current: i64,
}

impl Slide {
    /// The slots of a window of so many seconds.
    pub(super) fn at(length_s: i64, now_unix_s: i64) -> Self {
        let slot_s = (length_s / SLOTS).max(1);
        Self { slot_s, current: now_unix_s.div_euclid(slot_s) }
    }

    /// The first slot that still counts.
    pub(super) fn oldest(self) -> i64 {
        self.current - SLOTS
    }

    /// When what is used at a moment counts no more.
    pub(super) fn later(self, now_unix_s: i64) -> i64 {
        self.frees(now_unix_s.div_euclid(self.slot_s))
    }

    /// When what was used in a slot counts no more, in seconds since 1970.
    pub(super) fn frees(self, slot: i64) -> i64 {
        (slot + SLOTS + 1) * self.slot_s
    }
}

/// The amounts of the slots.
#[derive(Debug, Default)]
pub(super) struct Ring {
    newest: i64,
    amounts: [u64; COUNTING],
}

impl Ring {
    /// Forgets the slots that count no more, and gives what was used in the others.
    pub(super) fn used(&mut self, current: i64) -> u64 {
        for slot in (self.newest + 1..=current).rev().take(self.amounts.len()) {
            self.amounts[place(slot)] = 0;
        }
        // A clock that was put back counts on in the newest slot.
        self.newest = self.newest.max(current);
        self.amounts.iter().fold(0, |sum, it| sum.saturating_add(*it))
    }

    pub(super) fn add(&mut self, slot: i64, amount: u64) {
        if let Some(it) = self.slot(slot) {
            *it = it.saturating_add(amount);
        }
    }

    /// Puts one amount in the place of another, if its slot still counts.
    pub(super) fn replace(&mut self, slot: i64, amount: u64, by: u64) {
        if let Some(it) = self.slot(slot) {
            *it = it.saturating_sub(amount).saturating_add(by);
        }
    }

    /// The first slot with whose end enough is free for an amount to fit into a limit.
    pub(super) fn room_after(&self, amount: u64, limit: u64) -> i64 {
        let mut wanted = self.amounts.iter().fold(amount, |sum, it| sum.saturating_add(*it));
        for slot in self.newest - SLOTS..=self.newest {
            wanted = wanted.saturating_sub(self.amounts[place(slot)]);
            if wanted <= limit {
                return slot;
            }
        }
        self.newest
    }

    fn slot(&mut self, slot: i64) -> Option<&mut u64> {
        let slot = slot.min(self.newest);
        (slot >= self.newest - SLOTS).then(|| &mut self.amounts[place(slot)])
    }
}

fn place(slot: i64) -> usize {
    usize::try_from(slot.rem_euclid(SLOTS + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_count_for_a_window_and_at_most_a_slot_more() {
        let slide = Slide::at(60, 1_000_003);
        assert_eq!((slide.slot_s, slide.current, slide.oldest()), (5, 200_000, 199_988));
        let mut ring = Ring::default();
        assert_eq!(ring.used(200_000), 0);
        ring.add(200_000, 7);
        assert_eq!(ring.used(200_005), 7);
        ring.add(200_005, 2);
        // The last slot in which the first amount counts begins 60 s after its own.
        assert_eq!(ring.used(200_012), 9);
        assert_eq!(slide.frees(200_000), 200_013 * 5);
        assert_eq!((ring.room_after(1, 3), ring.room_after(1, 2), ring.room_after(9, 3)), (200_000, 200_005, 200_012));
        // A call that began long ago changes nothing any more, one that still counts does.
        ring.replace(200_000, 7, 1);
        assert_eq!(ring.used(200_013), 2);
        ring.replace(200_000, 7, 100);
        ring.replace(200_005, 2, 3);
        assert_eq!(ring.used(200_013), 3);
        // A clock that was put back.
        ring.add(200_004, 1);
        assert_eq!(ring.used(200_002), 4);
        assert_eq!(ring.used(300_000), 0);
    }

    #[test]
    fn no_stretch_of_a_window_has_more_than_the_limit() {
        let (mut ring, mut taken) = (Ring::default(), Vec::new());
        for now in 0..600 {
            let slide = Slide::at(60, now);
            // As many as fit, each second.
            while ring.used(slide.current) < 10 {
                ring.add(slide.current, 1);
                taken.push(now);
            }
        }
        for (place, from) in taken.iter().enumerate() {
            assert!(taken[place..].iter().take_while(|it| **it < from + 60).count() <= 10, "{from}");
        }
        assert_eq!(taken.len(), 100, "one more each 65 s would be ten times as many");
    }
}
