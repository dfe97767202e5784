//! Tests of this crate through its public surface.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod broken_files;
mod demo_model;
mod requests;
mod tiny;
mod tokenizers;
