//! The server under test as a process of its own: started, watched through `/proc`, and ended.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What the kernel counts processor time in: `USER_HZ`, 100 on every Linux that Tidegate runs on.
const TICKS_PER_SECOND: u64 = 100;

/// The binary under test: `$TIDEGATE_BIN`, or the release build beside this harness.
pub fn binary() -> Result<PathBuf> {
    let path = match std::env::var_os("TIDEGATE_BIN") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()?.with_file_name("tidegate"),
    };
    if path.is_file() { Ok(path) } else { bail!("{} is not there; build it with `make build`", path.display()) }
}

/// A running server; it is killed with the value: scenarios throw their data away.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of the process to the line that says it listens.
    pub started_in: Duration,
}

impl Server {
    /// Starts the binary with arguments, on a free port, in a folder.
    pub fn start(arguments: &[&str], folder: &Path) -> Result<Self> {
        let started = Instant::now();
        let mut child = Command::new(binary()?)
            .args(arguments)
            .args(["--port", "0"])
            .current_dir(folder)
            .env("TIDEGATE_LOG", "warn")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let mut said = String::new();
        let address = loop {
            let Some(line) = lines.next().transpose()? else { bail!("the server ended early: {said}") };
            if let Some((_, url)) = line.split_once("tidegate listening on http://") {
                break url.trim_end_matches('/').parse().with_context(|| format!("reading the address in {line:?}"))?;
            }
            said.push_str(&line);
            said.push('\n');
        };
        let started_in = started.elapsed();
        // The pipe must be read to the end, or a server that logs would block.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address, started_in })
    }

    /// A handle to read its counters with.
    pub fn watch(&self) -> Watch {
        Watch { id: self.child.id() }
    }
}

/// Reads the counters of a process.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    id: u32,
}

impl Watch {
    /// Processor time so far, user and system, all threads.
    pub fn cpu(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.id);
        let stat = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        // The name in parentheses may hold spaces; fields 14 and 15 of the line follow it.
        let fields: Vec<&str> = stat.rsplit_once(')').context("no name in stat")?.1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Memory it holds now, in MiB.
    pub fn resident_mib(&self) -> Result<f64> {
        let path = format!("/proc/{}/status", self.id);
        let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in status")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
