//! Activations rounded to 8 bits, each block of 32 with a scale of its own.

use crate::blocks::BLOCK;

/// Rows of activations, ready to be multiplied.
#[derive(Default)]
pub struct Activations {
    pub(crate) blocks: Vec<Rounded>,
    pub(crate) blocks_per_row: usize,
}

/// One block of 32 activations.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rounded {
    /// Four signed bytes in each word, the first in the lowest bits.
    pub(crate) words: [i32; BLOCK / 4],
    pub(crate) scale: f32,
    pub(crate) sum: i32,
}

impl Activations {
    /// Rounds rows of `columns` numbers, a multiple of 32.
    pub fn of(rows: &[f32], columns: usize) -> Self {
        assert!(
            columns > 0 && columns.is_multiple_of(BLOCK) && rows.len().is_multiple_of(columns),
            "whole rows of blocks"
        );
        let (blocks, _) = rows.as_chunks::<BLOCK>();
        Self { blocks: blocks.iter().map(round).collect(), blocks_per_row: columns / BLOCK }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.blocks.len() / self.blocks_per_row
    }
}

/// 1.5 * 2^23: adding it to a small number leaves the rounded number in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;

fn round(values: &[f32; BLOCK]) -> Rounded {
    if !values.iter().all(|it| it.is_finite()) {
        // A row with an infinite or undefined number becomes undefined instead of turning into a plausible one.
        return Rounded { scale: f32::NAN, ..Rounded::default() };
    }
    let largest = values.iter().fold(0.0_f32, |largest, it| largest.max(it.abs()));
    // The smallest numbers have no finite inverse; they count as zero.
    let inverse = if largest > f32::MIN_POSITIVE * 128.0 { 127.0 / largest } else { 0.0 };
    let mut whole = [0_i32; BLOCK];
    for (whole, value) in whole.iter_mut().zip(values) {
        *whole = (value * inverse + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits()).cast_signed();
    }
    let (fours, _) = whole.as_chunks::<4>();
    let mut words = [0; BLOCK / 4];
    for (word, four) in words.iter_mut().zip(fours) {
        *word = (four[0] & 255) | (four[1] & 255) << 8 | (four[2] & 255) << 16 | four[3] << 24;
    }
    Rounded { words, scale: largest / 127.0, sum: whole.iter().sum() }
}
