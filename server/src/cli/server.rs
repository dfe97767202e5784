//! `tidegate server`: everything on one port.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    config::{Overrides, ServerConfig},
    serve,
};

/// Serve everything: MLflow's tracking API, the gateway and the web UI.
#[derive(Debug, clap::Args)]
#[command(
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
    #[arg(long, env = "MLFLOW_HOST")]
    host: Option<String>,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "MLFLOW_PORT")]
    port: Option<u16>,
    /// Database: `sqlite:///relative.db` or `sqlite:////absolute.db`.
    #[arg(long, value_name = "URI", env = "MLFLOW_BACKEND_STORE_URI")]
    backend_store_uri: Option<String>,
    /// Where clients write the artifacts of new experiments; by default through this server.
    #[arg(long, value_name = "URI", env = "MLFLOW_DEFAULT_ARTIFACT_ROOT")]
    default_artifact_root: Option<String>,
    /// Folder in which this server keeps the artifacts that clients send to it.
    #[arg(long, value_name = "FOLDER", env = "MLFLOW_ARTIFACTS_DESTINATION")]
    artifacts_destination: Option<String>,
    #[command(flatten)]
    guard: super::GuardArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let overrides = Overrides {
        host: args.host,
        port: args.port,
        backend_store_uri: args.backend_store_uri,
        default_artifact_root: args.default_artifact_root,
        artifacts_destination: args.artifacts_destination,
        gateway: args.gateway_config,
        no_gateway: args.no_gateway,
        allowed_hosts: args.guard.allowed_hosts,
        cors_allowed_origins: args.guard.cors_allowed_origins,
    };
    let config = ServerConfig::load(args.config.as_deref())?.with(overrides);
    serve::blocking(serve::everything(config))
}
