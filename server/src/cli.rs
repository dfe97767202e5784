//! The command line: what can be said, and how failures are told.

mod artifacts;
mod db;
mod eval;
mod experiments;
mod gateway;
mod gc;
mod import;
mod output;
mod records;
mod runs;
mod server;

use std::{future::Future, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::BoolishValueParser};

use crate::{
    guard::{Frames, Guard},
    serve::Stop,
};

/// The exit code of a command that was refused: there is no such run, for example.
const REFUSED: u8 = 1;

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
    /// Create, find, rename, delete, restore and export experiments.
    Experiments(experiments::Args),
    /// List, describe, create, delete and restore runs.
    Runs(runs::Args),
    /// List, upload and download the artifacts of a run.
    Artifacts(artifacts::Args),
    /// Delete what is in the bin for good.
    Gc(gc::Args),
    /// Look at a database's schema, and bring an older one up to date.
    Db(db::Args),
    /// Bring a file store of MLflow (`mlruns/`) into a database.
    Import(import::Args),
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

/// How a server ends.
#[derive(Debug, Args)]
struct StopArgs {
    /// Seconds for which a server that is told to stop goes on taking requests while /ready answers 503, so that load
    /// balancers turn away first.
    #[arg(long, value_name = "SECONDS", env = "TIDEGATE_DRAIN_DELAY", default_value_t = 0)]
    drain_delay: u32,
    /// Seconds that running requests and streams then have to finish.
    #[arg(long, value_name = "SECONDS", env = "TIDEGATE_FINISH_TIMEOUT", default_value_t = 30)]
    finish_timeout: u32,
}

impl From<StopArgs> for Stop {
    fn from(it: StopArgs) -> Self {
        Self {
            drain_delay: Duration::from_secs(it.drain_delay.into()),
            finish_timeout: Duration::from_secs(it.finish_timeout.into()),
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
        Command::Experiments(args) => blocking(experiments::run(args)),
        Command::Runs(args) => blocking(runs::run(args)),
        Command::Artifacts(args) => blocking(artifacts::run(args)),
        Command::Gc(args) => blocking(gc::run(args)),
        Command::Db(args) => blocking(db::run(args)),
        Command::Import(args) => blocking(import::run(args)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", words(&error));
        ExitCode::from(if is_refusal(&error) { REFUSED } else { BAD_INPUT })
    })
}

/// Whether the request was understood, and refused for what it names.
fn is_refusal(error: &anyhow::Error) -> bool {
    error.chain().any(|it| {
        matches!(it.downcast_ref(), Some(records::Failure::Refused { .. }))
            || matches!(
                it.downcast_ref(),
                Some(tracking::Error::NotFound(_) | tracking::Error::InvalidState(_) | tracking::Error::Invalid(_))
            )
    })
}

/// Runs a verb to its end.
fn blocking(verb: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(verb);
    // Nothing that a verb leaves behind may keep the process alive.
    runtime.shutdown_background();
    code
}

/// What a search looks at.
#[derive(Debug, Args)]
struct Which {
    /// What is in use, what is in the bin, or both.
    #[arg(short = 'v', long, value_enum, default_value_t = View::ActiveOnly)]
    view: View,
    /// Only what this condition holds for, in MLflow's filter grammar.
    #[arg(long, value_name = "CONDITION", default_value = "", hide_default_value = true)]
    filter: String,
    /// The order: a key and ASC or DESC; may be given several times.
    #[arg(long, value_name = "KEY")]
    order_by: Vec<String>,
    /// How many at most; by default 1000 in a table, and all as JSON.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_results: Option<u64>,
}

/// Lines of a table that one still looks at; `--max-results` and `--json` give more.
const TABLE_ROWS: u64 = 1000;

impl Which {
    fn most(&self) -> u64 {
        self.max_results.unwrap_or(TABLE_ROWS)
    }

    fn most_json(&self) -> u64 {
        self.max_results.unwrap_or(u64::MAX)
    }
}

/// Which stages a verb looks at, in the words of MLflow's command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum View {
    /// What is in use.
    ActiveOnly,
    /// What is in the bin.
    DeletedOnly,
    /// Both.
    All,
}

impl View {
    fn name(self) -> &'static str {
        match self {
            Self::ActiveOnly => "ACTIVE_ONLY",
            Self::DeletedOnly => "DELETED_ONLY",
            Self::All => "ALL",
        }
    }
}

/// Reads `key=value`.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not of the form key=value")),
    }
}

/// The line below a table that does not show all.
fn more_note(more: bool, most: u64) -> String {
    if more { format!("\nThe first {most} are shown; --max-results shows more, --json all.") } else { String::new() }
}

/// An error and its causes; a cause that the words before it tell already is left out.
fn words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        before if before.contains(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}
