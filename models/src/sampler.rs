//! From logits to the next token: penalties, temperature, and the cuts that leave only likely tokens.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How tokens are chosen. Parsed and range-checked by `request`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sampling {
    /// 0 takes the likeliest token.
    pub(crate) temperature: f32,
    /// Only the k likeliest tokens; 0 for all.
    pub(crate) top_k: usize,
    /// Only the likeliest tokens that have this probability together.
    pub(crate) top_p: f32,
    /// Only tokens that are at least this likely, relative to the likeliest.
    pub(crate) min_p: f32,
    /// Subtracted once for each time that a token was generated.
    pub(crate) frequency_penalty: f32,
    /// Subtracted from tokens that were generated.
    pub(crate) presence_penalty: f32,
    /// Divides the (positive) logits of tokens in the prompt and the answer.
    pub(crate) repetition_penalty: f32,
    /// Makes the choice repeatable.
    pub(crate) seed: Option<u64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            repetition_penalty: 1.0,
            seed: None,
        }
    }
}

/// Chooses the tokens of one answer.
pub(crate) struct Sampler {
    sampling: Sampling,
    random: StdRng,
    generated: HashMap<u32, u16>,
    seen: std::collections::HashSet<u32>,
}

impl Sampler {
    /// A sampler for the answer number `choice` to `prompt`.
    pub(crate) fn new(sampling: Sampling, choice: u32, prompt: &[u32]) -> Self {
        let random = match sampling.seed {
            Some(seed) => StdRng::seed_from_u64(seed.wrapping_add(u64::from(choice))),
            None => StdRng::from_os_rng(),
        };
        let remembers = sampling.repetition_penalty.to_bits() != 1.0_f32.to_bits();
        let seen = if remembers { prompt.iter().copied().collect() } else { std::collections::HashSet::new() };
        Self { sampling, random, generated: HashMap::new(), seen }
    }

    /// The next token; `None` where no logit is a number.
    pub(crate) fn choose(&mut self, logits: &mut [f32]) -> Option<u32> {
        self.penalise(logits);
        let token = if self.sampling.temperature == 0.0 { likeliest(logits) } else { self.draw(logits) }?;
        *self.generated.entry(token).or_default() += 1;
        Some(token)
    }

    fn penalise(&self, logits: &mut [f32]) {
        let Sampling { frequency_penalty, presence_penalty, repetition_penalty, .. } = self.sampling;
        if repetition_penalty.to_bits() != 1.0_f32.to_bits() {
            let fresh = self.generated.keys().filter(|it| !self.seen.contains(it));
            for token in self.seen.iter().chain(fresh) {
                if let Some(logit) = logits.get_mut(*token as usize) {
                    *logit = if *logit > 0.0 { *logit / repetition_penalty } else { *logit * repetition_penalty };
                }
            }
        }
        if frequency_penalty != 0.0 || presence_penalty != 0.0 {
            for (token, count) in &self.generated {
                logits[*token as usize] -= frequency_penalty * f32::from(*count) + presence_penalty;
            }
        }
    }

    fn draw(&mut self, logits: &[f32]) -> Option<u32> {
        let mut candidates: Vec<(u32, f32)> =
            (0_u32..).zip(logits.iter().copied()).filter(|(_, logit)| !logit.is_nan()).collect();
        let best = candidates.iter().map(|it| it.1).fold(f32::NEG_INFINITY, f32::max);
        if !best.is_finite() {
            return likeliest(logits);
        }
        // Likelier first, ties by id, so that the same seed chooses the same token on every machine.
        let order = |left: &(u32, f32), right: &(u32, f32)| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0));
        if self.sampling.top_k > 0 && self.sampling.top_k < candidates.len() {
            candidates.select_nth_unstable_by(self.sampling.top_k - 1, order);
            candidates.truncate(self.sampling.top_k);
        }
        for candidate in &mut candidates {
            candidate.1 = ((candidate.1 - best) / self.sampling.temperature).exp();
        }
        // Weights are relative to the likeliest token, whose own is 1.
        candidates.retain(|it| it.1 > 0.0 && it.1 >= self.sampling.min_p);
        if self.sampling.top_p < 1.0 {
            keep_mass(&mut candidates, self.sampling.top_p, order);
        }
        let total: f32 = candidates.iter().map(|it| it.1).sum();
        let mut left = self.random.random::<f32>() * total;
        for (token, weight) in &candidates {
            left -= weight;
            if left < 0.0 {
                return Some(*token);
            }
        }
        candidates.last().map(|it| it.0)
    }
}

/// Keeps the likeliest candidates that together reach `mass` of the whole, at least one.
fn keep_mass(
    candidates: &mut Vec<(u32, f32)>,
    mass: f32,
    order: impl Fn(&(u32, f32), &(u32, f32)) -> std::cmp::Ordering,
) {
    let total: f32 = candidates.iter().map(|it| it.1).sum();
    candidates.sort_unstable_by(order);
    let mut sum = 0.0;
    let enough = candidates.iter().position(|it| {
        sum += it.1;
        sum >= mass * total
    });
    candidates.truncate(enough.map_or(candidates.len(), |it| it + 1));
}

fn likeliest(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (token, logit) in (0_u32..).zip(logits.iter().copied()) {
        if !logit.is_nan() && best.is_none_or(|it| logit > it.1) {
            best = Some((token, logit));
        }
    }
    best.map(|it| it.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, f32::NAN, 2.9, -4.0];

    fn tokens(sampling: &Sampling, count: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling.clone(), 0, &[1]);
        (0..count).map(|_| sampler.choose(&mut LOGITS.clone()).unwrap()).collect()
    }

    fn distinct(sampling: &Sampling) -> Vec<u32> {
        let mut all = tokens(&Sampling { seed: Some(7), ..sampling.clone() }, 400);
        all.sort_unstable();
        all.dedup();
        all
    }

    #[test]
    fn greedy_takes_the_likeliest_and_knows_no_nan() {
        let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
        assert_eq!(tokens(&greedy, 2), [1, 1]);
        assert_eq!(Sampler::new(greedy, 0, &[]).choose(&mut [f32::NAN]), None);
    }

    #[test]
    fn penalties_move_on_to_other_tokens() {
        let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
        assert_eq!(tokens(&Sampling { presence_penalty: 0.5, ..greedy.clone() }, 3), [1, 3, 1]);
        assert_eq!(tokens(&Sampling { frequency_penalty: 1.0, ..greedy.clone() }, 5), [1, 3, 1, 3, 0]);
        assert_eq!(tokens(&Sampling { repetition_penalty: 2.0, ..greedy }, 2), [3, 1]);
    }

    #[test]
    fn cuts_leave_only_likely_tokens() {
        let check = |sampling: Sampling, expected: &[u32]| assert_eq!(distinct(&sampling), expected, "{sampling:?}");
        let base = Sampling::default();
        check(Sampling { temperature: 2.0, ..base.clone() }, &[0, 1, 3, 4]);
        check(Sampling { top_k: 2, ..base.clone() }, &[1, 3]);
        check(Sampling { top_k: 1, ..base.clone() }, &[1]);
        check(Sampling { top_p: 0.6, ..base.clone() }, &[1, 3]);
        check(Sampling { top_p: 0.0, ..base.clone() }, &[1]);
        check(Sampling { min_p: 0.5, ..base }, &[1, 3]);
    }

    #[test]
    fn a_seed_makes_it_repeatable() {
        let seeded = |seed| tokens(&Sampling { seed: Some(seed), ..Sampling::default() }, 50);
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), seeded(2));
    }
}
