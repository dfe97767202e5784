//! Arithmetic of quantised language models on CPUs.
//!
//! Weights stay in the few bits that their file gives them, repacked without loss into tiles of 16 rows by 32 columns;
//! activations are rounded to 8 bits per block of 32. Each operation picks code for the CPU at hand: AVX-512 with VNNI,
//! AVX2, or portable Rust. Parallel work runs in the rayon pool of the caller.
//!
//! This is the one crate in which `unsafe` is allowed: for loads into vector registers, and to call code that was
//! compiled for a CPU that has just been detected.

mod activations;
mod blocks;
mod level;
mod matrix;
mod multiply;
pub mod vector;

pub use activations::Activations;
pub use blocks::Format;
pub use level::Level;
pub use matrix::Matrix;
