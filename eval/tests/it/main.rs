//! Tests of this crate through its public surface.

mod checks;
mod config;
mod gates;
mod models;
mod recording;
mod reference;
mod rows;
mod server;
mod support;
