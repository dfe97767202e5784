//! Products in plain Rust, for any CPU.

use crate::activations::Activations;
use crate::blocks::BLOCK;
use crate::matrix::{self, Kind, ROWS};

pub(super) fn strip(kind: Kind, tiles: &[u8], activations: &Activations, out: &mut [f32]) {
    let rows = activations.blocks.chunks_exact(activations.blocks_per_row);
    for (blocks, out) in rows.zip(out.chunks_exact_mut(ROWS)) {
        out.fill(0.0);
        for (tile, block) in tiles.chunks_exact(kind.tile_bytes()).zip(blocks) {
            let bytes: [i8; BLOCK] = std::array::from_fn(|at| block.words[at / 4].to_le_bytes()[at % 4].cast_signed());
            for (row, out) in out.iter_mut().enumerate() {
                let products =
                    (0..BLOCK).map(|at| i32::from(matrix::value(kind, tile, row, at)) * i32::from(bytes[at]));
                let (scale, minimum) = matrix::scales(kind, tile, row);
                #[expect(clippy::cast_precision_loss, reason = "both are far below 2^24")]
                let (dot, sum) = (products.sum::<i32>() as f32, block.sum as f32);
                *out += (dot * scale + sum * minimum) * block.scale;
            }
        }
    }
}
