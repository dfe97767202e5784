//! The arithmetic between the matrices, written so that the compiler can use the vectors of the CPU at hand.
//!
//! No product is fused with a sum and no sum is reordered by the compiler, so every level gives the same bits.

use rayon::prelude::*;

use crate::level::Level;

/// Numbers that are summed side by side: one register of 512 bits.
const LANES: usize = 16;

/// Keys and values of a run of positions, position after position.
pub type Page<'a> = (&'a [f32], &'a [f32]);

/// How the heads of an attention are laid out.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// Heads that ask.
    pub count: usize,
    /// Heads that keep keys and values; each serves the same number of those that ask.
    pub kept: usize,
    /// Numbers of a head.
    pub width: usize,
}

/// Compiles a function for each level (it and its helpers must be inlined for that) and calls the one for the CPU at hand.
macro_rules! leveled {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        $visibility fn $name($($argument: $type),*) {
            #[inline(always)]
            fn body($($argument: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2")]
            fn avx512($($argument: $type),*) {
                body($($argument),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) {
                body($($argument),*);
            }
            match Level::detected() {
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "code for a CPU that was detected")]
                // SAFETY: this level was detected, so the CPU has these features.
                Level::Avx512 => unsafe { avx512($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "code for a CPU that was detected")]
                // SAFETY: this level was detected, so the CPU has these features.
                Level::Avx2 => unsafe { avx2($($argument),*) },
                _ => body($($argument),*),
            }
        }
    };
}

leveled! {
    /// Root-mean-square normalisation of each run of `weights.len()` numbers, in place.
    pub fn normalise(numbers: &mut [f32], weights: &[f32], epsilon: f32) {
        for row in numbers.chunks_exact_mut(weights.len()) {
            #[expect(clippy::cast_precision_loss, reason = "widths are far below 2^24")]
            let mean = dot(row, row) / row.len() as f32;
            let factor = 1.0 / (mean + epsilon).sqrt();
            for (number, weight) in row.iter_mut().zip(weights) {
                *number = *number * factor * weight;
            }
        }
    }
}

leveled! {
    /// Adds `other` to `numbers`.
    pub fn add(numbers: &mut [f32], other: &[f32]) {
        for (number, other) in numbers.iter_mut().zip(other) {
            *number += other;
        }
    }
}

leveled! {
    /// `silu(gate) * up` for rows of `[gate, up]`, each part `width` wide.
    pub fn gate(rows: &[f32], width: usize, out: &mut [f32]) {
        for (row, out) in rows.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
            let (gates, ups) = row.split_at(width);
            for ((out, gate), up) in out.iter_mut().zip(gates).zip(ups) {
                *out = gate / (1.0 + exp(-gate)) * up;
            }
        }
    }
}

/// Rotates pairs of a head by the angles of its position: neighbours, or the first half with the second.
pub fn rotate(head: &mut [f32], cosines: &[f32], sines: &[f32], halves: bool) {
    let half = cosines.len();
    for (index, (cosine, sine)) in cosines.iter().zip(sines).enumerate() {
        let (left, right) = if halves { (index, index + half) } else { (2 * index, 2 * index + 1) };
        let (x, y) = (head[left], head[right]);
        head[left] = x * cosine - y * sine;
        head[right] = x * sine + y * cosine;
    }
}

/// Causal attention of rows of queries, each with `heads.count` heads; row `i` sees the first `before + i + 1` positions
/// of `pages`.
pub fn attend(queries: &[f32], pages: &[Page<'_>], before: usize, heads: Heads, out: &mut [f32]) {
    let each = |scores: &mut Vec<f32>, (at, (query, out)): (usize, (&[f32], &mut [f32]))| {
        let seen = before + at / heads.count + 1;
        attend_one(query, pages, seen, heads, at % heads.count, scores, out);
    };
    // One thread is enough where there is little to read.
    let work = queries.len() * (before + 1);
    let minimum = if work < 1 << 16 { usize::MAX } else { 1 };
    queries
        .par_chunks_exact(heads.width)
        .zip(out.par_chunks_exact_mut(heads.width))
        .enumerate()
        .with_min_len(minimum)
        .for_each_init(Vec::new, each);
}

leveled! {
    fn attend_one(
        query: &[f32],
        pages: &[Page<'_>],
        seen: usize,
        heads: Heads,
        head: usize,
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let width = heads.width;
        let offset = head / (heads.count / heads.kept) * width;
        #[expect(clippy::cast_precision_loss, reason = "widths are far below 2^24")]
        let scale = 1.0 / (width as f32).sqrt();
        scores.clear();
        let keys = pages.iter().flat_map(|page| page.0.chunks_exact(heads.kept * width));
        scores.extend(keys.take(seen).map(|key| dot(query, &key[offset..offset + width]) * scale));
        let largest = scores.iter().fold(f32::NEG_INFINITY, |largest, it| largest.max(*it));
        for score in scores.iter_mut() {
            *score = exp(*score - largest);
        }
        let total: f32 = scores.iter().sum();
        out.fill(0.0);
        let values = pages.iter().flat_map(|page| page.1.chunks_exact(heads.kept * width));
        for (value, score) in values.zip(scores.iter()) {
            for (out, value) in out.iter_mut().zip(&value[offset..offset + width]) {
                *out += score * value;
            }
        }
        for out in out.iter_mut() {
            *out /= total;
        }
    }
}

#[inline(always)]
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let ((lefts, left), (rights, right)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    for (left, right) in lefts.iter().zip(rights) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest: f32 = left.iter().zip(right).map(|(left, right)| left * right).sum();
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0] + rest
}

/// e to the power of `x`, within 2 units of the last place; without calls or branches, so that it can be vectorised.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const ROUNDER: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
    let whole = shifted - ROUNDER;
    // ln 2 in two parts, the first with zeros at its end, so that the remainder is exact.
    let rest = x - whole * 0.693_359_4 - whole * -2.121_944_4e-4;
    let series = [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.0e-1];
    let polynomial = series.iter().fold(1.987_569_2e-4_f32, |sum, it| sum * rest + it);
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(ROUNDER.to_bits()).wrapping_add(127) << 23);
    (polynomial * rest * rest + rest + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_everywhere() {
        for step in -860..880_i16 {
            let x = f32::from(step) / 10.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-6, "{x}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn attention_is_the_weighted_mean_of_what_it_sees() {
        let heads = Heads { count: 2, kept: 1, width: 4 };
        let (keys, values): (Vec<f32>, Vec<f32>) =
            (0..12_u8).map(|it| (f32::from(it % 5) - 2.0, f32::from(it))).unzip();
        let queries: Vec<f32> = (0..16_u8).map(|it| f32::from(it % 3) - 1.0).collect();
        let mut out = vec![0.0; 16];
        // Two rows of queries; the first sees two of the three positions.
        attend(&queries, &[(&keys[..8], &values[..8]), (&keys[8..], &values[8..])], 1, heads, &mut out);
        for (at, query) in queries.chunks_exact(4).enumerate() {
            let seen = 2 + at / 2;
            let weights: Vec<f32> = keys.chunks_exact(4).take(seen).map(|key| (dot(query, key) / 2.0).exp()).collect();
            for lane in 0..4 {
                let sum: f32 =
                    weights.iter().zip(values.chunks_exact(4)).map(|(weight, value)| weight * value[lane]).sum();
                let expected = sum / weights.iter().sum::<f32>();
                assert!((out[at * 4 + lane] - expected).abs() < 1e-4, "{at} {lane}");
            }
        }
    }
}
