//! A weight matrix in tiles of 16 rows by 32 columns.

use half::f16;
use rayon::prelude::*;

use crate::activations::Activations;
use crate::blocks::{BLOCK, Format};
use crate::level::Level;
use crate::multiply;

/// Rows of a tile: as many as a vector of 512 bits has words.
pub(crate) const ROWS: usize = 16;

/// Multiplications and additions below which a second thread costs more than it gives.
const PARALLEL_MIN: usize = 1 << 17;

/// How the values of a tile are stored; its scales (and minimums) follow as halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pairs of 4 bits, with minimums.
    Nibbles,
    /// Bytes that are 128 too large, without minimums.
    Bytes,
    /// Bytes that are 128 too large, with minimums.
    BytesWithMinimum,
}

impl Kind {
    pub(crate) const fn value_bytes(self) -> usize {
        match self {
            Self::Nibbles => ROWS * BLOCK / 2,
            Self::Bytes | Self::BytesWithMinimum => ROWS * BLOCK,
        }
    }

    pub(crate) const fn tile_bytes(self) -> usize {
        match self {
            Self::Bytes => self.value_bytes() + 2 * ROWS,
            Self::Nibbles | Self::BytesWithMinimum => self.value_bytes() + 4 * ROWS,
        }
    }

    /// Where the value of a column lies in a tile, and how far its bits are shifted.
    const fn place(self, row: usize, column: usize) -> (usize, u32) {
        let (group, within) = (column / 4, column % 4);
        match self {
            // The low bits hold columns 0 to 3 of each 8, the high bits columns 4 to 7.
            Self::Nibbles => (group / 2 * 64 + row * 4 + within, if group % 2 == 0 { 0 } else { 4 }),
            Self::Bytes | Self::BytesWithMinimum => (group * 64 + row * 4 + within, 0),
        }
    }
}

/// A weight matrix: `rows` outputs from `columns` inputs.
pub struct Matrix {
    rows: usize,
    columns: usize,
    kind: Kind,
    tiles: Vec<u8>,
}

impl Matrix {
    /// Repacks a matrix of a GGUF file; `None` where `bytes` has not the size of such a matrix.
    pub fn pack(format: Format, rows: usize, columns: usize, bytes: &[u8]) -> Option<Self> {
        let kind = match format {
            Format::Q4_0 | Format::Q4_1 => Kind::Nibbles,
            Format::Q5_1 => Kind::BytesWithMinimum,
            Format::Q5_0 | Format::Q8_0 => Kind::Bytes,
        };
        let blocks = columns / BLOCK;
        let row_bytes = blocks * format.block_bytes();
        if columns == 0 || !columns.is_multiple_of(BLOCK) || bytes.len() != rows.checked_mul(row_bytes)? {
            return None;
        }
        let strip_bytes = blocks * kind.tile_bytes();
        let mut tiles = vec![0; rows.div_ceil(ROWS) * strip_bytes];
        for (strip, rows) in tiles.chunks_exact_mut(strip_bytes).zip(bytes.chunks(row_bytes * ROWS)) {
            for (row, bytes) in rows.chunks_exact(row_bytes).enumerate() {
                for (tile, bytes) in
                    strip.chunks_exact_mut(kind.tile_bytes()).zip(bytes.chunks_exact(format.block_bytes()))
                {
                    put(kind, tile, row, &format.block(bytes));
                }
            }
        }
        Some(Self { rows, columns, kind, tiles })
    }

    /// One matrix with the rows of several, so that they are multiplied in one go; gives them back where they do not fit
    /// together.
    pub fn stack(parts: Vec<Self>) -> Result<Self, Vec<Self>> {
        let fits = |first: &Self| {
            parts.iter().all(|it| it.kind == first.kind && it.columns == first.columns && it.rows.is_multiple_of(ROWS))
        };
        match parts.first() {
            Some(first) if fits(first) => Ok(Self {
                rows: parts.iter().map(|it| it.rows).sum(),
                columns: first.columns,
                kind: first.kind,
                tiles: parts.iter().flat_map(|it| &it.tiles).copied().collect(),
            }),
            _ => Err(parts),
        }
    }

    /// How many outputs it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many inputs it takes.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The weights of one row.
    pub fn row(&self, row: usize) -> Vec<f32> {
        let strip_bytes = self.columns / BLOCK * self.kind.tile_bytes();
        let strip = &self.tiles[row / ROWS * strip_bytes..][..strip_bytes];
        strip.chunks_exact(self.kind.tile_bytes()).flat_map(|tile| get(self.kind, tile, row % ROWS)).collect()
    }

    /// The product with each row of activations, row after row.
    pub fn multiply(&self, activations: &Activations) -> Vec<f32> {
        self.multiply_at(Level::detected(), activations)
    }

    /// The same with code of a given level, which this machine must have.
    pub fn multiply_at(&self, level: Level, activations: &Activations) -> Vec<f32> {
        assert!(level.is_available(), "this machine cannot run {level:?}");
        assert_eq!(activations.blocks_per_row * BLOCK, self.columns, "as many activations as columns");
        let count = activations.rows();
        let strip_bytes = self.columns / BLOCK * self.kind.tile_bytes();
        let strips = self.rows.div_ceil(ROWS);
        // One strip's products lie together, so that strips can be computed in parallel.
        let mut products = vec![0.0; strips * ROWS * count];
        let work = self.rows * self.columns * count;
        let pieces = if work < PARALLEL_MIN { 1 } else { rayon::current_num_threads() * 4 };
        let group = strips.div_ceil(pieces);
        let compute = |(out, tiles): (&mut [f32], &[u8])| {
            for (out, tiles) in out.chunks_exact_mut(ROWS * count).zip(tiles.chunks_exact(strip_bytes)) {
                multiply::strip(level, self.kind, tiles, activations, out);
            }
        };
        if pieces == 1 {
            compute((&mut products, &self.tiles));
        } else {
            let out = products.par_chunks_mut(group * ROWS * count);
            out.zip(self.tiles.par_chunks(group * strip_bytes)).for_each(compute);
        }
        if count == 1 {
            products.truncate(self.rows);
            return products;
        }
        self.in_rows(&products, count)
    }

    fn in_rows(&self, products: &[f32], count: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.rows * count];
        for (strip, products) in products.chunks_exact(ROWS * count).enumerate() {
            let width = ROWS.min(self.rows - strip * ROWS);
            for (row, values) in products.chunks_exact(ROWS).enumerate() {
                out[row * self.rows + strip * ROWS..][..width].copy_from_slice(&values[..width]);
            }
        }
        out
    }
}

fn put(kind: Kind, tile: &mut [u8], row: usize, block: &crate::blocks::Block) {
    for (column, value) in block.values.iter().enumerate() {
        let (at, shift) = kind.place(row, column);
        let value = if kind == Kind::Nibbles { value.cast_unsigned() } else { value.cast_unsigned() ^ 128 };
        tile[at] |= value << shift;
    }
    let scales = kind.value_bytes() + 2 * row;
    tile[scales..scales + 2].copy_from_slice(&block.scale.to_le_bytes());
    if kind != Kind::Bytes {
        let minimums = scales + 2 * ROWS;
        tile[minimums..minimums + 2].copy_from_slice(&block.minimum.to_le_bytes());
    }
}

/// The numbers of one row of a tile.
fn get(kind: Kind, tile: &[u8], row: usize) -> [f32; BLOCK] {
    let (scale, minimum) = scales(kind, tile, row);
    std::array::from_fn(|column| scale * f32::from(value(kind, tile, row, column)) + minimum)
}

/// The scale and the minimum of one row of a tile.
pub(crate) fn scales(kind: Kind, tile: &[u8], row: usize) -> (f32, f32) {
    let half_at = |at: usize| f16::from_le_bytes([tile[at], tile[at + 1]]).to_f32();
    let at = kind.value_bytes() + 2 * row;
    (half_at(at), if kind == Kind::Bytes { 0.0 } else { half_at(at + 2 * ROWS) })
}

/// The whole number of one weight of a tile.
pub(crate) fn value(kind: Kind, tile: &[u8], row: usize, column: usize) -> i8 {
    let (at, shift) = kind.place(row, column);
    let byte = tile[at] >> shift;
    if kind == Kind::Nibbles { (byte & 15).cast_signed() } else { (byte ^ 128).cast_signed() }
}
