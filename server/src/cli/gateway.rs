//! `tidegate gateway`: the gateway alone, without records.

use std::{path::PathBuf, process::ExitCode};

use crate::{config::Listen, serve};

mod keys;

/// Serve the gateway alone: no records, no UI.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tidegate gateway --config configs/gateway.yaml --port 8080\n\n\
                  Then POST /v1/chat/completions with an endpoint's name as `model`; GET /api/2.0/endpoints/ lists them.")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Gateway configuration (YAML, as MLflow's deployments server has it).
    #[arg(
        long,
        visible_alias = "config-path",
        value_name = "FILE",
        env = "MLFLOW_GATEWAY_CONFIG",
        required_unless_present = "db"
    )]
    config: Option<PathBuf>,
    /// Database whose endpoints to serve too, those that `tidegate server` or MLflow keeps there: `sqlite:///file.db`,
    /// `postgresql://…` or `mysql+pymysql://…`.
    #[arg(long, value_name = "URI")]
    db: Option<String>,
    /// Address to listen on.
    #[arg(long, env = "MLFLOW_HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "MLFLOW_PORT", default_value_t = 5000)]
    port: u16,
    #[command(flatten)]
    guard: super::GuardArgs,
    #[command(flatten)]
    stop: super::StopArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(subcommand)]
    Keys(keys::Command),
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(Command::Keys(command)) = args.command {
        return keys::run(command);
    }
    let listen = Listen { host: args.host, port: args.port };
    serve::blocking(serve::gateway_alone(args.config, args.db, listen, args.guard.into(), args.stop.into()))
}
