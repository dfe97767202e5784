//! Products with AVX-512 and VNNI: one register holds a word for each of the 16 rows.
#![expect(unsafe_code, reason = "loads from arrays into vector registers")]

use std::arch::x86_64::*;

use crate::activations::{Activations, Rounded};
use crate::matrix::{Kind, ROWS};

const NIBBLES: u8 = 0;
const BYTES: u8 = 1;
const BYTES_WITH_MINIMUM: u8 = 2;

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn strip(kind: Kind, tiles: &[u8], activations: &Activations, out: &mut [f32]) {
    match kind {
        Kind::Nibbles => all::<NIBBLES, { Kind::Nibbles.tile_bytes() }>(tiles, activations, out),
        Kind::Bytes => all::<BYTES, { Kind::Bytes.tile_bytes() }>(tiles, activations, out),
        Kind::BytesWithMinimum => {
            all::<BYTES_WITH_MINIMUM, { Kind::BytesWithMinimum.tile_bytes() }>(tiles, activations, out);
        }
    }
}

/// Several rows of activations share each load of a tile.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn all<const KIND: u8, const TILE: usize>(tiles: &[u8], activations: &Activations, out: &mut [f32]) {
    let (tiles, _) = tiles.as_chunks::<TILE>();
    let (mut rows, mut out) = (&activations.blocks[..], out);
    let width = activations.blocks_per_row;
    while !rows.is_empty() {
        let count = match rows.len() / width {
            8.. => 8,
            4.. => 4,
            2.. => 2,
            _ => 1,
        };
        let (now, later) = rows.split_at(count * width);
        let (out_now, out_later) = out.split_at_mut(count * ROWS);
        match count {
            8 => some::<8, KIND, TILE>(tiles, now, out_now),
            4 => some::<4, KIND, TILE>(tiles, now, out_now),
            2 => some::<2, KIND, TILE>(tiles, now, out_now),
            _ => some::<1, KIND, TILE>(tiles, now, out_now),
        }
        (rows, out) = (later, out_later);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn some<const N: usize, const KIND: u8, const TILE: usize>(tiles: &[[u8; TILE]], blocks: &[Rounded], out: &mut [f32]) {
    let width = blocks.len() / N;
    let rows: [&[Rounded]; N] = std::array::from_fn(|row| &blocks[row * width..][..width]);
    let mut totals = [_mm512_setzero_ps(); N];
    let low = _mm512_set1_epi8(15);
    for (at, tile) in tiles.iter().enumerate().take(width) {
        let blocks: [&Rounded; N] = std::array::from_fn(|row| &rows[row][at]);
        let mut dots = [_mm512_setzero_si512(); N];
        let scales = if KIND == NIBBLES {
            for group in 0..4 {
                let pairs = load(tile, group * 64);
                let first = _mm512_and_si512(pairs, low);
                let second = _mm512_and_si512(_mm512_srli_epi16::<4>(pairs), low);
                for row in 0..N {
                    let words = &blocks[row].words;
                    dots[row] = _mm512_dpbusd_epi32(dots[row], first, _mm512_set1_epi32(words[2 * group]));
                    dots[row] = _mm512_dpbusd_epi32(dots[row], second, _mm512_set1_epi32(words[2 * group + 1]));
                }
            }
            Kind::Nibbles.value_bytes()
        } else {
            for row in 0..N {
                // The stored bytes are 128 too large.
                dots[row] = _mm512_set1_epi32(-128 * blocks[row].sum);
            }
            for group in 0..8 {
                let values = load(tile, group * 64);
                for row in 0..N {
                    dots[row] = _mm512_dpbusd_epi32(dots[row], values, _mm512_set1_epi32(blocks[row].words[group]));
                }
            }
            Kind::Bytes.value_bytes()
        };
        let scale = load_halves(tile, scales);
        for row in 0..N {
            let scale = _mm512_mul_ps(scale, _mm512_set1_ps(blocks[row].scale));
            totals[row] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[row]), scale, totals[row]);
        }
        if KIND != BYTES {
            let minimum = load_halves(tile, scales + 2 * ROWS);
            for row in 0..N {
                #[expect(clippy::cast_precision_loss, reason = "far below 2^24")]
                let sum = blocks[row].scale * blocks[row].sum as f32;
                totals[row] = _mm512_fmadd_ps(minimum, _mm512_set1_ps(sum), totals[row]);
            }
        }
    }
    let (out, _) = out.as_chunks_mut::<ROWS>();
    for (out, total) in out.iter_mut().zip(totals) {
        // SAFETY: the array has room for exactly the 16 numbers of a register; no alignment is needed.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), total) };
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load<const TILE: usize>(tile: &[u8; TILE], at: usize) -> __m512i {
    let bytes = &tile[at..at + 64];
    // SAFETY: the slice has the 64 bytes of a register; no alignment is needed.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load_halves<const TILE: usize>(tile: &[u8; TILE], at: usize) -> __m512 {
    let bytes = &tile[at..at + 32];
    // SAFETY: the slice has the 32 bytes of a register; no alignment is needed.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) })
}
