//! Products with AVX2: two registers hold a word for each of the 16 rows.
#![expect(unsafe_code, reason = "loads from arrays into vector registers")]

use std::arch::x86_64::*;

use crate::activations::{Activations, Rounded};
use crate::matrix::{Kind, ROWS};

const NIBBLES: u8 = 0;
const BYTES: u8 = 1;
const BYTES_WITH_MINIMUM: u8 = 2;

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn strip(kind: Kind, tiles: &[u8], activations: &Activations, out: &mut [f32]) {
    match kind {
        Kind::Nibbles => all::<NIBBLES, { Kind::Nibbles.tile_bytes() }>(tiles, activations, out),
        Kind::Bytes => all::<BYTES, { Kind::Bytes.tile_bytes() }>(tiles, activations, out),
        Kind::BytesWithMinimum => {
            all::<BYTES_WITH_MINIMUM, { Kind::BytesWithMinimum.tile_bytes() }>(tiles, activations, out);
        }
    }
}

/// Two rows of activations share each load of a tile; more would not fit into the registers.
#[target_feature(enable = "avx2,fma,f16c")]
fn all<const KIND: u8, const TILE: usize>(tiles: &[u8], activations: &Activations, out: &mut [f32]) {
    let (tiles, _) = tiles.as_chunks::<TILE>();
    let width = activations.blocks_per_row;
    for (rows, out) in activations.blocks.chunks(2 * width).zip(out.chunks_mut(2 * ROWS)) {
        for half in 0..2 {
            if rows.len() == width {
                some::<1, KIND, TILE>(tiles, rows, half, out);
            } else {
                some::<2, KIND, TILE>(tiles, rows, half, out);
            }
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn some<const N: usize, const KIND: u8, const TILE: usize>(
    tiles: &[[u8; TILE]],
    blocks: &[Rounded],
    half: usize,
    out: &mut [f32],
) {
    let width = blocks.len() / N;
    let rows: [&[Rounded]; N] = std::array::from_fn(|row| &blocks[row * width..][..width]);
    let mut totals = [_mm256_setzero_ps(); N];
    let low = _mm256_set1_epi8(15);
    let ones = _mm256_set1_epi16(1);
    let sign = _mm256_set1_epi8(-128);
    for (at, tile) in tiles.iter().enumerate().take(width) {
        let blocks: [&Rounded; N] = std::array::from_fn(|row| &rows[row][at]);
        let mut dots = [_mm256_setzero_si256(); N];
        let scales = if KIND == NIBBLES {
            for group in 0..4 {
                let pairs = load(tile, group * 64 + half * 32);
                let first = _mm256_and_si256(pairs, low);
                let second = _mm256_and_si256(_mm256_srli_epi16::<4>(pairs), low);
                for row in 0..N {
                    let words = &blocks[row].words;
                    // At most 4 * 15 * 127 in each half word: nothing saturates.
                    let sums = _mm256_add_epi16(
                        _mm256_maddubs_epi16(first, _mm256_set1_epi32(words[2 * group])),
                        _mm256_maddubs_epi16(second, _mm256_set1_epi32(words[2 * group + 1])),
                    );
                    dots[row] = _mm256_add_epi32(dots[row], _mm256_madd_epi16(sums, ones));
                }
            }
            Kind::Nibbles.value_bytes()
        } else {
            for group in 0..8 {
                let values = _mm256_xor_si256(load(tile, group * 64 + half * 32), sign);
                let sizes = _mm256_abs_epi8(values);
                for row in 0..N {
                    // At most 2 * 128 * 127 in each half word: nothing saturates.
                    let words = _mm256_sign_epi8(_mm256_set1_epi32(blocks[row].words[group]), values);
                    let sums = _mm256_madd_epi16(_mm256_maddubs_epi16(sizes, words), ones);
                    dots[row] = _mm256_add_epi32(dots[row], sums);
                }
            }
            Kind::Bytes.value_bytes()
        };
        let scale = load_halves(tile, scales + half * 16);
        for row in 0..N {
            let scale = _mm256_mul_ps(scale, _mm256_set1_ps(blocks[row].scale));
            totals[row] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[row]), scale, totals[row]);
        }
        if KIND != BYTES {
            let minimum = load_halves(tile, scales + 2 * ROWS + half * 16);
            for row in 0..N {
                #[expect(clippy::cast_precision_loss, reason = "far below 2^24")]
                let sum = blocks[row].scale * blocks[row].sum as f32;
                totals[row] = _mm256_fmadd_ps(minimum, _mm256_set1_ps(sum), totals[row]);
            }
        }
    }
    let (out, _) = out.as_chunks_mut::<ROWS>();
    for (out, total) in out.iter_mut().zip(totals) {
        let out = &mut out[half * ROWS / 2..][..ROWS / 2];
        // SAFETY: the slice has room for exactly the 8 numbers of a register; no alignment is needed.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), total) };
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load<const TILE: usize>(tile: &[u8; TILE], at: usize) -> __m256i {
    let bytes = &tile[at..at + 32];
    // SAFETY: the slice has the 32 bytes of a register; no alignment is needed.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn load_halves<const TILE: usize>(tile: &[u8; TILE], at: usize) -> __m256 {
    let bytes = &tile[at..at + 16];
    // SAFETY: the slice has the 16 bytes of a register; no alignment is needed.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}
