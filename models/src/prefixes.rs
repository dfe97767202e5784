//! Beginnings of prompts that were read before, so that a system prompt or a growing conversation is not read anew.
//!
//! A prompt is read in chunks that start at multiples of [`CHUNK`], and only states at those borders are kept. A state
//! from here is therefore the very state that reading again would give, to the last bit: the cache changes how fast an
//! answer comes, never the answer.

use std::collections::VecDeque;

use crate::decoder::Sequence;

/// Tokens of a prompt that are read at a time: a cancelled or waiting request is looked after between two chunks.
pub(crate) const CHUNK: usize = 64;

/// States of beginnings, the most recently used last.
pub(crate) struct Prefixes {
    kept: VecDeque<(Vec<u32>, Sequence)>,
    /// Tokens that all kept states hold together: bounds the memory.
    tokens_max: usize,
}

impl Prefixes {
    /// An empty cache of states that hold `tokens_max` tokens together.
    pub(crate) fn new(tokens_max: usize) -> Self {
        Self { kept: VecDeque::new(), tokens_max }
    }

    /// The longest kept state that leaves at least one token of `prompt` to be read.
    pub(crate) fn longest(&mut self, prompt: &[u32]) -> Option<Sequence> {
        let fits = |kept: &[u32]| kept.len() < prompt.len() && prompt.starts_with(kept);
        let (index, _) = self.kept.iter().enumerate().filter(|(_, it)| fits(&it.0)).max_by_key(|(_, it)| it.0.len())?;
        let found = self.kept.remove(index)?;
        let sequence = found.1.clone();
        self.kept.push_back(found);
        Some(sequence)
    }

    /// Keeps the state after `read`, at the cost of those that were not used for longest.
    pub(crate) fn keep(&mut self, read: &[u32], sequence: &Sequence) {
        if read.len() > self.tokens_max || self.kept.iter().any(|it| it.0 == read) {
            return;
        }
        self.kept.push_back((read.to_vec(), sequence.clone()));
        while self.kept.iter().map(|it| it.0.len()).sum::<usize>() > self.tokens_max {
            self.kept.pop_front();
        }
    }
}
