//! The records that the servers are asked about: runs to search, a long history, and runs that calls write to.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::client::{Call, count, send_all};

/// Points of the long history.
pub(super) const POINTS: usize = 100_000;
/// Metrics in one batch at most, as the protocol has it.
const BATCH: usize = 1000;
/// Callers that fill a server; FastTrackML refuses writers that wait for SQLite's lock for long.
const CONNECTIONS: usize = 4;

/// What was filled in.
#[derive(Clone, Debug)]
pub(super) struct Data {
    /// The run with the long history of `loss`.
    pub(super) long: String,
    /// A run with 20 metrics and 10 params.
    pub(super) known: String,
    /// Where new runs go, so that those to search stay as many as they are.
    pub(super) aside: String,
    /// Runs that batches are logged to.
    pub(super) targets: Vec<String>,
}

/// Fills a server: so many runs with 20 metrics, 10 params and 5 tags in the default experiment, and what is aside.
pub(super) fn fill(address: SocketAddr, runs: usize, targets: usize) -> Result<Data> {
    let found = create_runs(address, "0", runs)?;
    let batches: Vec<_> = found.iter().enumerate().map(|(index, id)| facts(id, index, runs)).collect();
    send_all(address, CONNECTIONS, &batches)?;

    let experiment = Call::post("/api/2.0/mlflow/experiments/create", json!({"name": "aside"}).to_string());
    let aside = text(&send_all(address, 1, &[experiment])?[0], "/experiment_id")?;
    let mut targets = create_runs(address, &aside, targets + 1)?;
    let long = targets.pop().context("runs were created")?;
    let history: Vec<_> = (0..POINTS).step_by(BATCH).map(|first| points(&long, first)).collect();
    send_all(address, 1, &history)?;
    let known = found.into_iter().next().context("there is a run to search")?;
    Ok(Data { long, known, aside, targets })
}

/// A batch of one step of so many metrics.
pub(super) fn batch(run_id: &str, step: u64, rows: usize) -> Call {
    let metrics: Vec<_> = (0..rows).map(|it| metric(&format!("metric_{it}"), 0.5, step)).collect();
    Call::post("/api/2.0/mlflow/runs/log-batch", json!({"run_id": run_id, "metrics": metrics}).to_string())
}

/// One metric as requests have it.
pub(super) fn metric(key: &str, value: f64, step: u64) -> Value {
    json!({"key": key, "value": value, "timestamp": 1_760_000_000_000 + step, "step": step})
}

/// Creates so many runs and gives their ids.
pub(super) fn create_runs(address: SocketAddr, experiment_id: &str, count: usize) -> Result<Vec<String>> {
    let create = |index: usize| {
        let start_time = 1_760_000_000_000 + index;
        let run = json!({"experiment_id": experiment_id, "run_name": format!("run-{index}"), "start_time": start_time});
        Call::post("/api/2.0/mlflow/runs/create", run.to_string())
    };
    let calls: Vec<_> = (0..count).map(create).collect();
    send_all(address, CONNECTIONS, &calls)?.iter().map(|it| text(it, "/run/info/run_id")).collect()
}

/// Values spread by a multiplier that shares no factor with the number of runs, so that their order is not the runs'.
fn facts(run_id: &str, index: usize, runs: usize) -> Call {
    let spread = (index * 7919) % runs;
    let value = |key: usize| count((spread + key) % runs) / count(runs);
    let metrics: Vec<_> = (0..20).map(|it| metric(&format!("m{it}"), value(it), 0)).collect();
    let param = |it: usize| json!({"key": format!("p{it}"), "value": format!("v{}", (index + it) % 10)});
    let tag = |it: usize| json!({"key": format!("t{it}"), "value": format!("team-{}", (index + it) % 20)});
    let params: Vec<_> = (0..10).map(param).collect();
    let tags: Vec<_> = (0..5).map(tag).collect();
    let body = json!({"run_id": run_id, "metrics": metrics, "params": params, "tags": tags});
    Call::post("/api/2.0/mlflow/runs/log-batch", body.to_string())
}

/// One batch of the long history, beginning with the point of this step.
fn points(run_id: &str, first: usize) -> Call {
    let steps = first..first + BATCH;
    let metrics: Vec<_> = steps.map(|step| metric("loss", count(step) / count(POINTS), step as u64)).collect();
    Call::post("/api/2.0/mlflow/runs/log-batch", json!({"run_id": run_id, "metrics": metrics}).to_string())
}

fn text(answer: &Bytes, place: &str) -> Result<String> {
    let answer: Value = serde_json::from_slice(answer)?;
    let text = answer.pointer(place).and_then(Value::as_str).map(str::to_owned);
    text.with_context(|| format!("no {place} in {answer}"))
}
