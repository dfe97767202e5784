//! The command line: what can be said, and how failures are told.

// mod eval;
mod gateway;
mod server;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The exit code of a command that was given something it cannot work with.
const BAD_INPUT: u8 = 2;

/// LLM gateway, evaluation engine and MLflow-compatible tracking server in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    propagate_version = true,
    after_help = "Start here:\n  tidegate server --config configs/quickstart.yaml\n  tidegate eval run configs/eval/wine.yaml\n\n\
                  Logs go to stderr; TIDEGATE_LOG sets how much (error, warn, info, debug, or per module)."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve everything: tracking, gateway, web UI.
    Server(server::Args),
    /// Serve the gateway alone, without a database.
    Gateway(gateway::Args),
    // eval
}

/// Runs what the command line says.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    crate::telemetry::start();
    let outcome = match cli.command {
        Command::Server(args) => server::run(args),
        Command::Gateway(args) => gateway::run(args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(BAD_INPUT)
    })
}
