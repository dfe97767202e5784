//! Gateways side by side: what each adds to a call of an upstream that answers at once, and how much memory it holds.

mod body;
mod contestant;
mod files;
mod leave;
mod soak;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use self::body::Form;
use self::contestant::Contestant;
use crate::client::{Call, Load, Plan, count, load};
use crate::group::Group;
use crate::mock;
use crate::table::{Table, figure};

/// A part of the comparison by its name on the command line.
pub type Part = (&'static str, fn() -> Result<Table>);

/// Every part, in the order in which they run.
pub const ALL: &[Part] = &[
    ("side-by-side", side_by_side),
    ("soak", soak::soak),
    ("slow-streams", soak::slow_streams),
    ("leaving", leave::leaving),
];

const CONNECTIONS: [usize; 2] = [1, 32];
/// Long enough for pools, caches and just-in-time compilers.
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(6);

fn side_by_side() -> Result<Table> {
    let upstream = mock::start()?;
    let mut table = Table::new(
        "Gateways in front of an instant local upstream",
        &["what", "connections", "requests/s", "p50 µs", "p99 µs", "gateway CPU µs/request", "RSS MiB"],
    );
    for form in [Form::Chat, Form::Stream] {
        let call = Call::post("/v1/chat/completions", body::of(form, Some("bench")));
        for connections in CONNECTIONS {
            let call = call.clone();
            let load = load(upstream, plan(connections), move |_, _| call.clone(), || ());
            row(&mut table, &format!("{}: direct", form.name()), connections, &load?, f64::NAN, f64::NAN);
        }
    }
    for contestant in Contestant::ALL {
        if contestant.program()?.is_none() {
            skip(contestant);
            continue;
        }
        for form in Form::ALL.into_iter().filter(|it| contestant.takes(*it)) {
            for connections in CONNECTIONS {
                let name = format!("{}: {}", form.name(), contestant.name());
                eprintln!("measuring: {name}, {connections} connections");
                match one(contestant, form, connections, upstream) {
                    Ok((load, cpu_us, resident_mib)) => {
                        row(&mut table, &name, connections, &load, cpu_us, resident_mib);
                    }
                    // What one of them cannot do is no reason not to measure the others.
                    Err(error) => eprintln!("{name}: {error:#}"),
                }
            }
        }
    }
    Ok(table)
}

/// The load, what a call cost the gateway's processes, and the memory that they hold after it.
fn one(contestant: Contestant, form: Form, connections: usize, upstream: SocketAddr) -> Result<(Load, f64, f64)> {
    let folder = tempfile::tempdir()?;
    let group = contestant.start(upstream, folder.path())?;
    let (load, cpu_us) = against(&group, connections, &contestant.call(form, upstream)?)?;
    let resident_mib = group.tree.resident_mib()?;
    group.stop()?;
    Ok((load, cpu_us, resident_mib))
}

fn row(table: &mut Table, name: &str, connections: usize, load: &Load, cpu_us: f64, resident_mib: f64) {
    let figures = [load.per_second(), load.quantile_us(0.5), load.quantile_us(0.99), cpu_us, resident_mib];
    table.row(name, std::iter::once(connections.to_string()).chain(figures.map(figure)));
}

fn skip(contestant: Contestant) {
    eprintln!("skipped: {} is not installed; `scripts/bench.sh` installs what it can", contestant.name());
}

fn plan(connections: usize) -> Plan {
    Plan { connections, warm_up: WARM_UP, measured: MEASURED }
}

/// The load, and what a call cost the gateway's processes.
fn against(group: &Group, connections: usize, call: &Call) -> Result<(Load, f64)> {
    let (tell, told) = std::sync::mpsc::channel();
    let tree = group.tree;
    let at_start = move || {
        let _ = tell.send(tree.cpu());
    };
    let call = call.clone();
    let load = load(group.address, plan(connections), move |_, _| call.clone(), at_start)?;
    let before = told.recv()??;
    let spent = tree.cpu()?.saturating_sub(before);
    let cpu_us = spent.as_secs_f64() * 1e6 / count(load.calls());
    Ok((load, cpu_us))
}
