//! The record side by side: Tidegate, `mlflow server` and FastTrackML answer the same calls on the same machine.
//!
//! On SQLite each server has a file of its own, filled through an API; `mlflow server` takes a copy of Tidegate's, since
//! both speak one schema. On PostgreSQL and MariaDB the two share one database, one after the other.

mod bare;
mod data;
mod database;
mod measure;
mod rival;
mod rows;
mod tables;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use self::{
    data::Data,
    database::{Database, Store},
    measure::{Clocks, Outcome},
    rival::{Kind, Rival},
    rows::Row,
};
use crate::client::{Plan, count};
use crate::table::Table;

/// Runs to search.
const RUNS: usize = 10_000;
/// Runs to search for the tenfold table.
const RUNS_MANY: usize = 100_000;
/// Runs that rows write to.
const TARGETS: usize = 3;
/// Starts of a fast server, of which the median counts; the others start once.
const STARTS: usize = 5;
/// Connections of the comparison with bare inserts.
const CONNECTIONS: usize = 16;
/// How long a started server may settle before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// A part of the comparison by its name on the command line; each gives its tables.
pub type Part = (&'static str, fn() -> Result<Vec<Table>>);

/// Every part, in the order in which they run.
pub const ALL: &[Part] = &[
    ("sqlite", || side_by_side(Database::Sqlite)),
    ("postgres", || side_by_side(Database::Postgres)),
    ("mysql", || side_by_side(Database::MySql)),
    ("many-runs", many_runs),
    ("bare", bare_inserts),
];

/// What one server showed.
struct Seen {
    kind: Kind,
    started_in: Duration,
    idle_mib: f64,
    loaded_mib: f64,
    outcomes: Vec<Outcome>,
}

fn side_by_side(database: Database) -> Result<Vec<Table>> {
    if !database.is_there() {
        skip(&format!("{}: no server is named", database.name()));
        return Ok(Vec::new());
    }
    let folder = tempfile::tempdir()?;
    let store = Store::create(database, folder.path())?;
    let data = filled(Kind::Tidegate, &store.uri, folder.path(), RUNS)?;
    let mut seen = Vec::new();
    let names: Vec<_> = rows::all(&data).iter().map(|row| (row.name, row.at_most_us)).collect();
    for kind in [Kind::Mlflow, Kind::FastTrackMl, Kind::Tidegate] {
        if kind.program()?.is_none() || (kind == Kind::FastTrackMl && database != Database::Sqlite) {
            skip(&format!("{} on {}", kind.name(), database.name()));
            continue;
        }
        eprintln!("measuring: {} on {}", kind.name(), database.name());
        let own = tempfile::tempdir()?;
        let (uri, data) = match (kind, database) {
            (Kind::Mlflow, Database::Sqlite) => (copy(folder.path(), own.path())?, data.clone()),
            (Kind::FastTrackMl, _) => {
                let uri = format!("sqlite:///{}/fml.db", own.path().display());
                let data = filled(kind, &uri, own.path(), RUNS)?;
                (uri, data)
            }
            _ => (store.uri.clone(), data.clone()),
        };
        seen.push(look(kind, &uri, own.path(), &store, &rows::all(&data))?);
    }
    Ok(tables::side_by_side(database, &names, &seen))
}

/// Starts a server on a filled store and measures all rows.
fn look(kind: Kind, uri: &str, folder: &Path, store: &Store, rows: &[Row]) -> Result<Seen> {
    let mut starts = Vec::new();
    for _ in 1..if kind == Kind::Mlflow { 1 } else { STARTS } {
        let rival = Rival::start(kind, uri, folder)?;
        starts.push(rival.group.started_in);
        rival.group.stop()?;
    }
    let rival = Rival::start(kind, uri, folder)?;
    starts.push(rival.group.started_in);
    starts.sort_unstable();
    std::thread::sleep(SETTLE);
    let idle_mib = rival.group.tree.resident_mib()?;
    let mut outcomes = Vec::new();
    for row in rows {
        eprintln!("  {}", row.name);
        outcomes.push(measure::measure(&rival, store.tree, row).with_context(|| row.name)?);
    }
    let loaded_mib = rival.group.tree.resident_mib()?;
    rival.group.stop()?;
    Ok(Seen { kind, started_in: starts[starts.len() / 2], idle_mib, loaded_mib, outcomes })
}

/// Pages of a search among ten times as many runs.
fn many_runs() -> Result<Vec<Table>> {
    let mut costs = Vec::new();
    for runs in [RUNS, RUNS_MANY] {
        let folder = tempfile::tempdir()?;
        let store = Store::create(Database::Sqlite, folder.path())?;
        filled(Kind::Tidegate, &store.uri, folder.path(), runs)?;
        eprintln!("measuring: searches among {runs} runs");
        let rival = Rival::start(Kind::Tidegate, &store.uri, folder.path())?;
        let outcomes = rows::searches().into_iter().map(|row| Ok((row.name, measure::measure(&rival, None, &row)?)));
        costs.push(outcomes.collect::<Result<Vec<_>>>()?);
        rival.group.stop()?;
    }
    Ok(vec![tables::many_runs(RUNS, RUNS_MANY, &costs[0], &costs[1])])
}

/// `log-batch` of 100 metrics against the same rows through bare drivers.
fn bare_inserts() -> Result<Vec<Table>> {
    let mut lines = Vec::new();
    for database in Database::ALL.into_iter().filter(|it| it.is_there()) {
        eprintln!("measuring: bare inserts on {}", database.name());
        let folder = tempfile::tempdir()?;
        let store = Store::create(database, folder.path())?;
        let rival = Rival::start(Kind::Tidegate, &store.uri, folder.path())?;
        let runs = data::create_runs(rival.group.address, "0", 2 * CONNECTIONS)?;
        let (ours, theirs) = runs.split_at(CONNECTIONS);
        let plan = Plan { connections: CONNECTIONS, warm_up: Duration::from_secs(1), measured: Duration::from_secs(4) };
        let targets = ours.to_vec();
        let call = move |worker: usize, number| data::batch(&targets[worker], number, bare::ROWS);
        let clocks = Clocks { server: rival.group.tree, database: store.tree };
        let (_, load) = measure::load_between(&rival, plan, clocks, call)?;
        rival.group.stop()?;
        let reached = load.per_second() * count(bare::ROWS);
        let one = bare::rows_per_second(&store, theirs, bare::Tables::One, 0)?;
        let both = bare::rows_per_second(&store, theirs, bare::Tables::Both, 1_000_000)?;
        lines.push(tables::Bare { database, one, both, reached });
    }
    Ok(vec![tables::bare(CONNECTIONS, &lines)])
}

/// Starts a server on an empty store, fills it through its API, and stops it.
fn filled(kind: Kind, uri: &str, folder: &Path, runs: usize) -> Result<Data> {
    eprintln!("filling: {} with {runs} runs", kind.name());
    let rival = Rival::start(kind, uri, folder)?;
    let data = data::fill(rival.group.address, runs, TARGETS).with_context(|| format!("filling {}", kind.name()))?;
    rival.group.stop()?;
    Ok(data)
}

/// Copies the SQLite database of a stopped server, and gives the copy's address.
fn copy(from: &Path, to: &Path) -> Result<String> {
    for name in ["mlflow.db", "mlflow.db-wal"] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name))?;
        }
    }
    Ok(format!("sqlite:///{}/mlflow.db", to.display()))
}

fn skip(what: &str) {
    eprintln!("not here: {what}");
}
