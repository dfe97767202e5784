//! Tests of this crate through its public surface.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod checks;
mod config;
mod gates;
mod models;
mod recording;
mod reference;
mod rows;
mod server;
mod support;
