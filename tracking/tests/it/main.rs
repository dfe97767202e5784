//! The tracking API driven over HTTP, each test on a database of its own.

mod artifacts;
mod experiments;
mod runs;
mod search;
mod server;
mod traces;
