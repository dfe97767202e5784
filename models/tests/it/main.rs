//! Tests of this crate through its public surface.

mod answers;
mod broken_files;
mod demo_model;
mod requests;
mod tiny;
