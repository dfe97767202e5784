//! Benchmarks of Tidegate: a load harness that drives the built binary from outside, and what it measures with.

pub mod client;
pub mod gateways;
mod group;
pub mod mock;
pub mod process;
pub mod record;
pub mod scenarios;
pub mod table;
mod tree;
