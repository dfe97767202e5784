//! The servers that are compared: Tidegate, `mlflow server` and FastTrackML, each as its users start it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::client::Call;
use crate::group::{Group, free_address};
use crate::process;

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `mlflow server`, from `$TIDEGATE_BENCH_MLFLOW`.
    Mlflow,
    /// FastTrackML's `fml server`, from `$TIDEGATE_BENCH_FASTTRACKML`.
    FastTrackMl,
    /// The binary under test.
    Tidegate,
}

impl Kind {
    /// As tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mlflow => "MLflow",
            Self::FastTrackMl => "FastTrackML",
            Self::Tidegate => "Tidegate",
        }
    }

    /// Its program, where this machine has one.
    pub(super) fn program(self) -> Result<Option<PathBuf>> {
        let named = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        Ok(match self {
            Self::Mlflow => named("TIDEGATE_BENCH_MLFLOW"),
            Self::FastTrackMl => named("TIDEGATE_BENCH_FASTTRACKML"),
            Self::Tidegate => Some(process::binary()?),
        })
    }

    fn command(self, store: &str, address: SocketAddr) -> Result<Command> {
        let program = self.program()?.with_context(|| format!("{} is not installed", self.name()))?;
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut command = Command::new(program);
        match self {
            Self::Tidegate => {
                command.args(["server", "--no-gateway", "--backend-store-uri", store, "--host", &host, "--port", &port])
            }
            Self::Mlflow => {
                // Without the driver's name a newer SQLAlchemy takes another one.
                let store = store.replacen("postgresql://", "postgresql+psycopg2://", 1);
                command.args(["server", "--backend-store-uri", &store, "--host", &host, "--port", &port])
            }
            Self::FastTrackMl => {
                // It takes an absolute path after two slashes.
                let store = store.replace("sqlite:///", "sqlite://");
                command
                    .args(["server", "--log-level", "error", "--database-uri", &store])
                    .args(["--listen-address", &address.to_string()])
            }
        };
        Ok(command)
    }
}

/// A running server, and which one it is.
#[derive(Debug)]
pub(super) struct Rival {
    /// Which one it is.
    pub(super) kind: Kind,
    /// The server.
    pub(super) group: Group,
}

impl Rival {
    /// Starts a server on a store, in a folder that also takes its log, and waits until it answers a call that asks the
    /// database.
    pub(super) fn start(kind: Kind, store: &str, folder: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = kind.command(store, address)?;
        command.env("TIDEGATE_LOG", "warn");
        let ready = Call::get("/api/2.0/mlflow/experiments/get?experiment_id=0");
        Ok(Self { kind, group: Group::start(kind.name(), command, address, folder, &ready)? })
    }
}
