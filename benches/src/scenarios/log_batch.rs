//! How fast metrics are written on SQLite: each worker logs batches to a run of its own.

use anyhow::Result;
use serde_json::json;

use super::{Measured, against, tracking};
use crate::client::{Call, count};
use crate::table::{Table, figure};

const ROWS: [usize; 2] = [1, 100];
const CONNECTIONS: [usize; 2] = [1, 16];

pub(super) fn measure() -> Result<Table> {
    let mut table = Table::new(
        "log-batch on SQLite, each answered after its commit is on disk",
        &[
            "metrics in a batch",
            "connections",
            "requests/s",
            "metric rows/s",
            "p50 ms",
            "p99 ms",
            "server CPU µs/request",
            "RSS MiB",
        ],
    );
    for rows in ROWS {
        for connections in CONNECTIONS {
            let folder = tempfile::tempdir()?;
            let server = tracking::start(folder.path())?;
            let runs = tracking::create_runs(&server, connections)?;
            let call = move |worker: usize, number: u64| batch(&runs[worker], number, rows);
            let Measured { load, cpu_us_per_call, resident_mib } = against(&server, connections, call)?;
            let figures = [
                load.per_second(),
                load.per_second() * count(rows),
                load.quantile_us(0.5) / 1000.0,
                load.quantile_us(0.99) / 1000.0,
                cpu_us_per_call,
                resident_mib,
            ];
            let figures = std::iter::once(connections.to_string()).chain(figures.map(figure));
            table.row(&rows.to_string(), figures);
        }
    }
    Ok(table)
}

/// The n-th batch of a run: one step of so many metrics.
fn batch(run_id: &str, step: u64, rows: usize) -> Call {
    let metrics: Vec<_> = (0..rows)
        .map(|index| json!({"key": format!("metric_{index}"), "value": 0.5, "timestamp": 1_760_000_000_000 + step, "step": step}))
        .collect();
    Call::post("/api/2.0/mlflow/runs/log-batch", json!({"run_id": run_id, "metrics": metrics}).to_string())
}
