//! `tidegate`: LLM gateway, evaluation engine and MLflow-compatible tracking server in one binary.

mod admin;
mod app;
mod cli;
mod config;
mod connections;
mod guard;
#[cfg(feature = "local")]
mod local;
mod recorder;
mod reload;
mod serve;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
