//! Products of one strip of tiles (16 rows of a matrix) with all rows of activations, for the CPU at hand.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::activations::Activations;
use crate::level::Level;
use crate::matrix::Kind;

/// Writes 16 products for each row of activations. `level` must be available.
pub(crate) fn strip(level: Level, kind: Kind, tiles: &[u8], activations: &Activations, out: &mut [f32]) {
    match level {
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "code for a CPU that was detected")]
        // SAFETY: the caller has made sure that the level is available on this machine.
        Level::Avx512 => unsafe { avx512::strip(kind, tiles, activations, out) },
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "code for a CPU that was detected")]
        // SAFETY: the caller has made sure that the level is available on this machine.
        Level::Avx2 => unsafe { avx2::strip(kind, tiles, activations, out) },
        _ => portable::strip(kind, tiles, activations, out),
    }
}
