//! What training scripts and pages call one at a time: a metric, a run, its facts, and a long history.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Measured, against, tracking};
use crate::client::{Call, count, send_all};
use crate::process::Server;
use crate::table::{Table, figure};

/// Points of the long history, and how many of them go into one batch: as many as the protocol takes.
const POINTS: usize = 100_000;
const BATCH: usize = 1000;

pub(super) fn measure() -> Result<Table> {
    let folder = tempfile::tempdir()?;
    let server = tracking::start(folder.path())?;
    let run_id = tracking::create_runs(&server, 1)?.remove(0);
    tracking::log_to_each(&server, std::slice::from_ref(&run_id), |_| facts())?;

    let mut table = Table::new(
        "Single calls of the tracking API on SQLite, one connection",
        &["call", "requests/s", "p50 µs", "p99 µs", "server CPU µs/request", "answer KiB", "RSS MiB"],
    );
    let id = run_id.clone();
    row(&mut table, &server, "log-metric", move |number| {
        let metric =
            json!({"run_id": id, "key": "loss", "value": 0.5, "timestamp": 1_760_000_000_000 + number, "step": number});
        Call::post("/api/2.0/mlflow/runs/log-metric", metric.to_string())
    })?;
    row(&mut table, &server, "create run", |number| {
        let run = json!({"experiment_id": "0", "run_name": "bench", "start_time": 1_760_000_000_000 + number});
        Call::post("/api/2.0/mlflow/runs/create", run.to_string())
    })?;
    let get = Call::get(format!("/api/2.0/mlflow/runs/get?run_id={run_id}"));
    row(&mut table, &server, "get run (20 metrics, 10 params)", move |_| get.clone())?;

    let long = tracking::create_runs(&server, 1)?.remove(0);
    let batches: Vec<_> = (0..POINTS).step_by(BATCH).map(|first| points(&long, first)).collect();
    send_all(server.address, 1, &batches)?;
    let history = Call::get(format!("/api/2.0/mlflow/metrics/get-history?run_id={long}&metric_key=loss"));
    let answer = send_all(server.address, 1, std::slice::from_ref(&history))?.remove(0);
    let found = serde_json::from_slice::<Value>(&answer)?["metrics"].as_array().map_or(0, Vec::len);
    ensure!(found == POINTS, "the history has {found} points, not {POINTS}");
    row(&mut table, &server, "all 100,000 points of one metric", move |_| history.clone())?;
    Ok(table)
}

fn row(table: &mut Table, server: &Server, name: &str, call: impl Fn(u64) -> Call + Clone + 'static) -> Result<()> {
    let answer = send_all(server.address, 1, &[call(0)])?.remove(0);
    let Measured { load, cpu_us_per_call, resident_mib } = against(server, 1, move |_, number| call(number + 1))?;
    let figures = [
        load.per_second(),
        load.quantile_us(0.5),
        load.quantile_us(0.99),
        cpu_us_per_call,
        count(answer.len()) / 1024.0,
        resident_mib,
    ];
    table.row(name, figures.map(figure));
    Ok(())
}

/// Twenty metrics (`loss` among them, once it is logged) and ten parameters.
fn facts() -> Value {
    let metrics: Vec<_> =
        (0..19).map(|it| json!({"key": format!("m{it}"), "value": 0.5, "timestamp": 1, "step": 0})).collect();
    let params: Vec<_> = (0..10).map(|it| json!({"key": format!("p{it}"), "value": format!("v{it}")})).collect();
    json!({"metrics": metrics, "params": params})
}

/// One batch of the long history, beginning with the point of this step.
fn points(run_id: &str, first: usize) -> Call {
    let metrics: Vec<_> = (first..first + BATCH)
        .map(|step| json!({"key": "loss", "value": 0.5, "timestamp": 1_760_000_000_000_usize + step, "step": step}))
        .collect();
    Call::post("/api/2.0/mlflow/runs/log-batch", json!({"run_id": run_id, "metrics": metrics}).to_string())
}
