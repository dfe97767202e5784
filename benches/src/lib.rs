//! Benchmarks of Tidegate.
