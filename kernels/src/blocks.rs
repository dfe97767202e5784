//! The weight formats of GGUF files that are repacked, block by block of 32 weights.

use half::f16;

/// Weights in a block.
pub(crate) const BLOCK: usize = 32;

/// A weight format of GGUF files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 4 bits and a scale.
    Q4_0,
    /// 4 bits, a scale and a minimum.
    Q4_1,
    /// 5 bits and a scale.
    Q5_0,
    /// 5 bits, a scale and a minimum.
    Q5_1,
    /// 8 bits and a scale.
    Q8_0,
}

/// One block, spelled out: each weight is `scale * value + minimum`.
pub(crate) struct Block {
    pub(crate) scale: f16,
    pub(crate) minimum: f16,
    pub(crate) values: [i8; BLOCK],
}

impl Format {
    /// Bytes of one block in the file.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
        }
    }

    /// Spells out one block. The values of 4 bits are 0 to 15, so that they can be packed in pairs; the others are signed.
    pub(crate) fn block(self, bytes: &[u8]) -> Block {
        let half_at = |at: usize| f16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let scale = half_at(0);
        let mut values = [0; BLOCK];
        let nibbles = |values: &mut [i8; BLOCK], at: usize| {
            for (index, byte) in bytes[at..at + BLOCK / 2].iter().enumerate() {
                values[index] = (byte & 15).cast_signed();
                values[index + BLOCK / 2] = (byte >> 4).cast_signed();
            }
        };
        let fifth_bits = |values: &mut [i8; BLOCK], at: usize| {
            let bits = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            for (index, value) in values.iter_mut().enumerate() {
                *value |= if bits >> index & 1 == 1 { 16 } else { 0 };
            }
        };
        let minimum = match self {
            Self::Q4_0 => {
                nibbles(&mut values, 2);
                // A power of two times a half is exact.
                f16::from_f32(-8.0 * scale.to_f32())
            }
            Self::Q4_1 => {
                nibbles(&mut values, 4);
                half_at(2)
            }
            Self::Q5_0 => {
                nibbles(&mut values, 6);
                fifth_bits(&mut values, 2);
                for value in &mut values {
                    *value -= 16;
                }
                f16::ZERO
            }
            Self::Q5_1 => {
                nibbles(&mut values, 8);
                fifth_bits(&mut values, 4);
                half_at(2)
            }
            Self::Q8_0 => {
                for (value, byte) in values.iter_mut().zip(&bytes[2..]) {
                    *value = byte.cast_signed();
                }
                f16::ZERO
            }
        };
        Block { scale, minimum, values }
    }
}
