//! The servers that are compared: Tidegate, `mlflow server` and FastTrackML, each as its users start it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::tree::Tree;
use crate::client::{Call, try_send};
use crate::process;

/// How long a server may take to answer for the first time; `mlflow server` needs some 15 s on two cores.
const START_TIMEOUT: Duration = Duration::from_mins(2);
/// How long one may take to end before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a server that starts is asked.
const ASK_PERIOD: Duration = Duration::from_millis(1);

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

/// A running server; it ends with the value, and all that it started with it.
#[derive(Debug)]
pub(super) struct Rival {
    /// Which one it is.
    pub(super) kind: Kind,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// What it costs.
    pub(super) tree: Tree,
    /// From the start of the process to the first 200 of a call that asks the database.
    pub(super) started_in: Duration,
    child: Child,
}

impl Rival {
    /// Starts a server on a store, in a folder that also takes its log, and waits until it answers.
    pub(super) fn start(kind: Kind, store: &str, folder: &Path) -> Result<Self> {
        let address = free_address()?;
        let log = folder.join(format!("{}.log", kind.name()));
        let mut command = kind.command(store, address)?;
        command.current_dir(folder).env("TIDEGATE_LOG", "warn").stdin(Stdio::null());
        command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?).process_group(0);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {}", kind.name()))?;
        let tree = Tree::of(child.id());
        let mut rival = Self { kind, address, tree, started_in: Duration::ZERO, child };
        let call = Call::get("/api/2.0/mlflow/experiments/get?experiment_id=0");
        while !matches!(try_send(address, &call, START_TIMEOUT), Ok(Some(_))) {
            if let Some(status) = rival.child.try_wait()? {
                bail!("{} ended with {status}: {}", kind.name(), std::fs::read_to_string(&log)?);
            }
            if started.elapsed() > START_TIMEOUT {
                bail!("{} does not answer: {}", kind.name(), std::fs::read_to_string(&log)?);
            }
            std::thread::sleep(ASK_PERIOD);
        }
        rival.started_in = started.elapsed();
        Ok(rival)
    }

    /// Asks the process group to end, and waits for it.
    pub(super) fn stop(mut self) -> Result<()> {
        self.signal("-TERM");
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() && asked.elapsed() < STOP_TIMEOUT {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn signal(&self, signal: &str) {
        // The group may be gone already, which is what was wanted.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        self.signal("-KILL");
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
