//! How fast runs are found among ten thousand, each with ten metrics, ten parameters and three tags.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Measured, against, tracking};
use crate::client::{Call, send_all};
use crate::process::Server;
use crate::table::{Table, figure};

const RUNS: usize = 10_000;
const PAGE: usize = 100;

pub(super) fn measure() -> Result<Table> {
    let folder = tempfile::tempdir()?;
    let server = tracking::start(folder.path())?;
    let runs = tracking::create_runs(&server, RUNS)?;
    tracking::log_to_each(&server, &runs, batch)?;

    let mut table = Table::new(
        &format!("search_runs among {RUNS} runs, pages of {PAGE}, one connection"),
        &["query", "p50 ms", "p99 ms", "server CPU µs/request", "answer KiB", "RSS MiB"],
    );
    query(&mut table, &server, "newest first", json!({}))?;
    let filter = "metrics.m0 < 0.5 and params.p0 = 'v3'";
    query(&mut table, &server, "filter on a metric and a param", json!({"filter": filter}))?;
    query(&mut table, &server, "ordered by a metric", json!({"order_by": ["metrics.m0 DESC"]}))?;
    query(&mut table, &server, "both", json!({"filter": filter, "order_by": ["metrics.m0 DESC"]}))?;
    query(&mut table, &server, "tag LIKE", json!({"filter": "tags.t0 LIKE 'team-1%'"}))?;
    Ok(table)
}

fn query(table: &mut Table, server: &Server, name: &str, mut body: Value) -> Result<()> {
    body["experiment_ids"] = json!(["0"]);
    body["max_results"] = json!(PAGE);
    let call = Call::post("/api/2.0/mlflow/runs/search", body.to_string());
    let answer = send_all(server.address, 1, std::slice::from_ref(&call))?.remove(0);
    let found = serde_json::from_slice::<Value>(&answer)?["runs"].as_array().map_or(0, Vec::len);
    ensure!(found == PAGE, "`{name}` found {found} runs, not a page of {PAGE}");
    let Measured { load, cpu_us_per_call, resident_mib } = against(server, 1, move |_, _| call.clone())?;
    let kib = crate::client::count(answer.len()) / 1024.0;
    let figures = [load.quantile_us(0.5) / 1000.0, load.quantile_us(0.99) / 1000.0, cpu_us_per_call, kib, resident_mib];
    table.row(name, figures.map(figure));
    Ok(())
}

/// Values spread by a multiplier that shares no factor with the number of runs, so that their order is not the runs'.
fn batch(index: usize) -> Value {
    let spread = (index * 7919) % RUNS;
    let number = |key: usize| crate::client::count((spread + key) % RUNS) / crate::client::count(RUNS);
    let metrics: Vec<_> =
        (0..10).map(|it| json!({"key": format!("m{it}"), "value": number(it), "timestamp": 1, "step": 0})).collect();
    let params: Vec<_> =
        (0..10).map(|it| json!({"key": format!("p{it}"), "value": format!("v{}", (index + it) % 10)})).collect();
    let tags: Vec<_> =
        (0..3).map(|it| json!({"key": format!("t{it}"), "value": format!("team-{}", (index + it) % 20)})).collect();
    json!({"metrics": metrics, "params": params, "tags": tags})
}
