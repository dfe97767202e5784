//! `tidegate server`: everything on one port.

mod mlflow;

use std::{path::PathBuf, process::ExitCode};

use clap::{ArgAction, builder::BoolishValueParser};

use crate::{
    config::{Overrides, ServerConfig},
    serve,
};

/// Serve everything: MLflow's tracking API, the gateway and the web UI.
#[derive(Debug, clap::Args)]
#[command(
    // `-h` is the host, as it is to `mlflow server`.
    disable_help_flag = true,
    after_help = "A flag beats its environment variable, which beats the file. Without any of them the server listens on\n\
                  127.0.0.1:5000, keeps its records in ./mlflow.db and its artifacts in ./mlartifacts, as `mlflow server` does.\n\n\
                  Examples:\n  tidegate server --config configs/quickstart.yaml\n  \
                  tidegate server --gateway-config configs/gateway.yaml --port 5050\n  \
                  tidegate server --backend-store-uri sqlite:////var/lib/tidegate/mlflow.db --no-gateway"
)]
pub(super) struct Args {
    /// Server configuration (YAML).
    #[arg(long, value_name = "FILE", env = "TIDEGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Gateway configuration (YAML, as MLflow's deployments server has it).
    #[arg(long, value_name = "FILE", env = "MLFLOW_GATEWAY_CONFIG")]
    gateway_config: Option<PathBuf>,
    /// Serve no gateway, whatever the configuration says.
    #[arg(long, conflicts_with = "gateway_config")]
    no_gateway: bool,
    /// Address to listen on.
    #[arg(short = 'h', long, env = "MLFLOW_HOST")]
    host: Option<String>,
    /// Port to listen on; 0 takes a free one.
    #[arg(short, long, env = "MLFLOW_PORT")]
    port: Option<u16>,
    /// Database: `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://…` or `mysql+pymysql://…`.
    #[arg(long, value_name = "URI", env = "MLFLOW_BACKEND_STORE_URI")]
    backend_store_uri: Option<String>,
    /// Where clients write the artifacts of new experiments; by default through this server, or in ./mlruns with
    /// --no-serve-artifacts.
    #[arg(long, value_name = "URI", env = "MLFLOW_DEFAULT_ARTIFACT_ROOT")]
    default_artifact_root: Option<String>,
    /// Where this server keeps the artifacts that clients send to it.
    #[arg(long, value_name = "URI", env = "MLFLOW_ARTIFACTS_DESTINATION")]
    artifacts_destination: Option<String>,
    /// Let clients read and write artifacts through this server; it does unless told otherwise.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
        value_name = "BOOL", value_parser = BoolishValueParser::new(), env = "MLFLOW_SERVE_ARTIFACTS",
        overrides_with = "no_serve_artifacts")]
    serve_artifacts: Option<bool>,
    /// Clients reach the artifacts by themselves.
    #[arg(long, overrides_with = "serve_artifacts")]
    no_serve_artifacts: bool,
    /// Serve artifacts and nothing else.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
        value_name = "BOOL", value_parser = BoolishValueParser::new(), env = "MLFLOW_ARTIFACTS_ONLY")]
    artifacts_only: Option<bool>,
    /// What all addresses begin with, such as `/mlflow`.
    #[arg(long, value_name = "PATH", env = "MLFLOW_STATIC_PREFIX")]
    static_prefix: Option<String>,
    #[command(flatten)]
    guard: super::GuardArgs,
    #[command(flatten)]
    stop: super::StopArgs,
    #[command(flatten)]
    mlflow: mlflow::Args,
    /// Print help.
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let limits = mlflow::limits(|name| std::env::var(name).ok())?;
    if !limits.has_gateway
        && let Some(file) = &args.gateway_config
    {
        anyhow::bail!(
            "MLFLOW_ENABLE_AI_GATEWAY says that there shall be no gateway, but {} configures one; unset one of the two",
            file.display()
        );
    }
    let overrides = Overrides {
        host: args.host,
        port: args.port,
        backend_store_uri: args.backend_store_uri,
        default_artifact_root: args.default_artifact_root,
        artifacts_destination: args.artifacts_destination,
        gateway: args.gateway_config,
        no_gateway: args.no_gateway || !limits.has_gateway,
        allowed_hosts: args.guard.allowed_hosts,
        cors_allowed_origins: args.guard.cors_allowed_origins,
        serve_artifacts: if args.no_serve_artifacts { Some(false) } else { args.serve_artifacts },
        artifacts_only: args.artifacts_only,
        static_prefix: args.static_prefix.filter(|it| !it.is_empty()),
        x_frame_options: args.guard.x_frame_options,
        disable_security_middleware: args.guard.disable_security_middleware,
        limits,
    };
    let config = ServerConfig::load(args.config.as_deref())?.with(overrides);
    args.mlflow.check(&config)?;
    serve::blocking(serve::everything(config, args.stop.into()))
}
