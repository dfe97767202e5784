//! Tests of this crate through its public surface.
