//! The command line: what can be said, and how failures are told.

mod eval;
mod gateway;
mod server;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, builder::BoolishValueParser};

use crate::guard::{Frames, Guard};

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
    Server(Box<server::Args>),
    /// Serve the gateway alone, without a database.
    Gateway(gateway::Args),
    /// Evaluate models and predictions.
    Eval(eval::Args),
}

/// Whom a server listens to.
#[derive(Debug, Args)]
struct GuardArgs {
    /// Host names of this server, comma separated; `*` stands for any text. Without it: localhost and private
    /// addresses.
    #[arg(long, value_name = "HOSTS", value_delimiter = ',', env = "MLFLOW_SERVER_ALLOWED_HOSTS")]
    allowed_hosts: Option<Vec<String>>,
    /// Origins of other sites' pages that may use this server, comma separated; pages of this machine always may.
    #[arg(long, value_name = "ORIGINS", value_delimiter = ',', env = "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS")]
    cors_allowed_origins: Option<Vec<String>>,
    /// Which sites may show this server's pages inside their own: its own, none, or (NONE, no header) all.
    #[arg(long, value_name = "VALUE", ignore_case = true, env = "MLFLOW_SERVER_X_FRAME_OPTIONS")]
    x_frame_options: Option<Frames>,
    /// Listen to every host and every page. Dangerous outside of tests.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
        value_name = "BOOL", value_parser = BoolishValueParser::new(), env = "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE")]
    disable_security_middleware: Option<bool>,
}

impl From<GuardArgs> for Guard {
    fn from(it: GuardArgs) -> Self {
        Self {
            is_on: !it.disable_security_middleware.unwrap_or_default(),
            allowed_hosts: it.allowed_hosts.unwrap_or_default(),
            allowed_origins: it.cors_allowed_origins.unwrap_or_default(),
            frames: it.x_frame_options.unwrap_or_default(),
        }
    }
}

/// Runs what the command line says.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    crate::telemetry::start();
    let outcome = match cli.command {
        Command::Server(args) => server::run(*args),
        Command::Gateway(args) => gateway::run(args),
        Command::Eval(args) => eval::run(args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", words(&error));
        ExitCode::from(BAD_INPUT)
    })
}

/// An error and its causes; a cause that the words before it tell already is left out.
fn words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        before if before.contains(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}
