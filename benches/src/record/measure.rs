//! What one call costs one server: many of them where they are fast, three where they are not.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use super::rival::Rival;
use super::rows::Row;
use crate::client::{Call, Load, Plan, Refused, count, load, try_send};
use crate::tree::Tree;

/// A call that takes longer is sent only [`SLOW_CALLS`] times.
const SLOW: Duration = Duration::from_millis(400);
pub(super) const SLOW_CALLS: usize = 3;
/// A call without an answer by then counts as not answered.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// Long enough for pools and caches.
const WARM_UP: Duration = Duration::from_millis(700);
/// Long enough for processor time that is counted in hundredths of a second.
const MEASURED: Duration = Duration::from_secs(3);

/// How often a row is tried: the supervisor of `mlflow server` ends workers that a busy machine makes slow.
const TRIES: usize = 3;
/// How long a server may take to recover between two tries.
const RECOVERY: Duration = Duration::from_secs(3);

/// What a row showed on one server.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The server has no such call, or refuses it.
    Refused,
    /// Nothing came within [`CALL_TIMEOUT`], or the connection broke each time.
    NoAnswer,
    /// It answers.
    Answered(Figures),
}

/// What a row costs on one server.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// How fast it answers.
    pub(super) load: Load,
    /// Microseconds of the server's processor time for each call.
    pub(super) cpu_us: f64,
    /// The same of the database's server, where it is on this machine.
    pub(super) database_cpu_us: Option<f64>,
}

/// Sends one row's calls from one connection.
pub(super) fn measure(rival: &Rival, database: Option<Tree>, row: &Row) -> Result<Outcome> {
    for _ in 0..TRIES {
        match once(rival, database, row) {
            Err(error) if error.is::<Refused>() => {
                eprintln!("  refused: {error:#}");
                return Ok(Outcome::Refused);
            }
            Err(error) if error.is::<WrongAnswer>() => return Err(error),
            Err(error) => eprintln!("  failed: {error:#}"),
            Ok(outcome) => return Ok(outcome),
        }
        std::thread::sleep(RECOVERY);
    }
    Ok(Outcome::NoAnswer)
}

/// An answer that is not what was asked for, and so must not be compared.
#[derive(Debug, thiserror::Error)]
#[error("{server}: `{row}` has {found} {list}, not {expected}")]
struct WrongAnswer {
    server: &'static str,
    row: &'static str,
    list: &'static str,
    found: usize,
    expected: usize,
}

fn once(rival: &Rival, database: Option<Tree>, row: &Row) -> Result<Outcome> {
    let probed = Instant::now();
    let Some(answer) = try_send(rival.group.address, &(row.call)(0), CALL_TIMEOUT)? else {
        return Ok(Outcome::NoAnswer);
    };
    let first = probed.elapsed();
    if let Some((list, expected)) = row.expect {
        let found = serde_json::from_slice::<Value>(&answer)?[list].as_array().map_or(0, Vec::len);
        if found != expected {
            return Err(WrongAnswer { server: rival.kind.name(), row: row.name, list, found, expected }.into());
        }
    }
    let clocks = Clocks { server: rival.group.tree, database };
    let (before, load) = if first > SLOW { slow(rival, row, clocks)? } else { fast(rival, row, clocks)? };
    let after = clocks.read()?;
    let per_call =
        |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() * 1e6 / count(load.calls());
    Ok(Outcome::Answered(Figures {
        cpu_us: per_call(before.0, after.0),
        database_cpu_us: database.map(|_| per_call(before.1, after.1)),
        load,
    }))
}

fn slow(rival: &Rival, row: &Row, clocks: Clocks) -> Result<((Duration, Duration), Load)> {
    let before = clocks.read()?;
    let mut took = Vec::new();
    for number in 0..SLOW_CALLS as u64 {
        let sent = Instant::now();
        try_send(rival.group.address, &(row.call)(number + 1), CALL_TIMEOUT)?;
        took.push(sent.elapsed());
    }
    Ok((before, Load::of(&took)))
}

fn fast(rival: &Rival, row: &Row, clocks: Clocks) -> Result<((Duration, Duration), Load)> {
    let plan = Plan { connections: 1, warm_up: WARM_UP, measured: MEASURED };
    load_between(rival, plan, clocks, {
        let call = Rc::clone(&row.call);
        move |_, number| call(number + 1)
    })
}

/// Sends from several connections and gives the clocks as they stood after the warm-up.
pub(super) fn load_between(
    rival: &Rival,
    plan: Plan,
    clocks: Clocks,
    call: impl Fn(usize, u64) -> Call + Clone + 'static,
) -> Result<((Duration, Duration), Load)> {
    let (tell, told) = std::sync::mpsc::channel();
    let at_start = move || {
        let _ = tell.send(clocks.read());
    };
    let load = load(rival.group.address, plan, call, at_start)?;
    Ok((told.recv()??, load))
}

/// The processor time of a server and of its database's server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// The server.
    pub(super) server: Tree,
    /// The database's server.
    pub(super) database: Option<Tree>,
}

impl Clocks {
    fn read(self) -> Result<(Duration, Duration)> {
        Ok((self.server.cpu()?, self.database.map(Tree::cpu).transpose()?.unwrap_or_default()))
    }
}
