//! A server of any make as a process group of its own: started, waited for, watched, and ended with all that it started.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::{Call, try_send};
use crate::tree::Tree;

/// How long a server may take to answer for the first time; `mlflow server` needs some 15 s on two cores.
pub(crate) const START_TIMEOUT: Duration = Duration::from_mins(2);
/// How long one may take to end before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a server that starts is asked.
const ASK_PERIOD: Duration = Duration::from_millis(1);

/// A running server; it ends with the value, and all that it started with it.
#[derive(Debug)]
pub(crate) struct Group {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it costs.
    pub(crate) tree: Tree,
    /// From the start of the process to the first 200 of the call that it was asked.
    pub(crate) started_in: Duration,
    child: Killed,
}

impl Group {
    /// Starts what is to listen at `address`, in a folder that also takes its log, and waits until it answers `ready`.
    pub(crate) fn start(
        name: &str,
        command: Command,
        address: SocketAddr,
        folder: &Path,
        ready: &Call,
    ) -> Result<Self> {
        Launched::of(name, command, folder)?.ready(address, ready)
    }

    /// Asks the process group to end, and waits for it.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.child.signal("-TERM");
        let asked = Instant::now();
        while self.child.0.try_wait()?.is_none() && asked.elapsed() < STOP_TIMEOUT {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// A process group that has been started and may not answer yet.
#[derive(Debug)]
pub(crate) struct Launched {
    name: String,
    log: PathBuf,
    started: Instant,
    child: Killed,
}

impl Launched {
    /// Starts a command in a folder that also takes its log.
    pub(crate) fn of(name: &str, mut command: Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        command.current_dir(folder).stdin(Stdio::null());
        command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?).process_group(0);
        let started = Instant::now();
        let child = Killed(command.spawn().with_context(|| format!("starting {name}"))?);
        Ok(Self { name: name.to_owned(), log, started, child })
    }

    /// The address that it writes into a file.
    pub(crate) fn said_address(&mut self, file: &Path) -> Result<SocketAddr> {
        loop {
            if let Ok(text) = std::fs::read_to_string(file) {
                return text.trim().parse().with_context(|| format!("reading the address {text:?}"));
            }
            self.wait_on()?;
        }
    }

    /// Waits until it answers a call.
    pub(crate) fn ready(mut self, address: SocketAddr, call: &Call) -> Result<Group> {
        while !matches!(try_send(address, call, START_TIMEOUT), Ok(Some(_))) {
            self.wait_on()?;
        }
        let tree = Tree::of(self.child.0.id());
        Ok(Group { address, tree, started_in: self.started.elapsed(), child: self.child })
    }

    /// Waits a moment, unless it has ended or waiting is in vain.
    fn wait_on(&mut self) -> Result<()> {
        let said = || std::fs::read_to_string(&self.log).unwrap_or_default();
        if let Some(status) = self.child.0.try_wait()? {
            bail!("{} ended with {status}: {}", self.name, said());
        }
        if self.started.elapsed() > START_TIMEOUT {
            bail!("{} does not answer: {}", self.name, said());
        }
        std::thread::sleep(ASK_PERIOD);
        Ok(())
    }
}

/// The first process of a group, which is killed with the value.
#[derive(Debug)]
struct Killed(Child);

impl Killed {
    fn signal(&self, signal: &str) {
        // The group may be gone already, which is what was wanted.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.signal("-KILL");
        let _ = self.0.wait();
    }
}

/// An address of this machine that nobody listens at.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
