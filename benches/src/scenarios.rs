//! What is measured, one file each; every scenario starts its own server and gives one table.

mod calls;
mod gateway;
mod log_batch;
mod search_runs;
mod startup;
mod tracking;

use std::time::Duration;

use anyhow::Result;

use crate::client::{Call, Load, Plan, count, load};
use crate::process::Server;
use crate::table::Table;

/// A scenario by its name on the command line.
pub type Scenario = (&'static str, fn() -> Result<Table>);

/// Every scenario, in the order in which they run.
pub const ALL: &[Scenario] = &[
    ("startup", startup::measure),
    ("gateway", gateway::measure),
    ("calls", calls::measure),
    ("log-batch", log_batch::measure),
    ("search", search_runs::measure),
];

/// Long enough for pools, caches and the branch predictor; the figures do not move with twice of it.
const WARM_UP: Duration = Duration::from_secs(2);
/// Long enough for some ten thousand calls, and for processor time that is counted in hundredths of a second.
const MEASURED: Duration = Duration::from_secs(8);

fn plan(connections: usize) -> Plan {
    Plan { connections, warm_up: WARM_UP, measured: MEASURED }
}

/// A load together with what it cost the server.
struct Measured {
    load: Load,
    cpu_us_per_call: f64,
    resident_mib: f64,
}

fn against(
    server: &Server,
    connections: usize,
    call: impl Fn(usize, u64) -> Call + Clone + 'static,
) -> Result<Measured> {
    let (tell, told) = std::sync::mpsc::channel();
    let watch = server.watch();
    let at_start = move || {
        let _ = tell.send(watch.cpu());
    };
    let load = load(server.address, plan(connections), call, at_start)?;
    let before = told.recv()??;
    let spent = server.watch().cpu()?.saturating_sub(before);
    Ok(Measured {
        cpu_us_per_call: spent.as_secs_f64() * 1e6 / count(load.calls()),
        resident_mib: server.watch().resident_mib()?,
        load,
    })
}
