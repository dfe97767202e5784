//! The tracking API driven over HTTP, each test on a database of its own.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[macro_use]
#[path = "../../../db/tests/it/databases.rs"]
mod databases;

mod artifacts;
mod bodies;
mod experiments;
mod models;
mod protocol;
mod runs;
mod search;
mod server;
mod traces;
