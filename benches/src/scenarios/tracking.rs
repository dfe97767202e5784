//! A tracking server with nothing else, and the records that scenarios need in it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::client::{Call, send_all};
use crate::process::Server;

/// Enough to fill the writer's groups, few enough to leave the server most of the machine.
const CONNECTIONS: usize = 16;

/// Starts a server without a gateway on a new database in a folder.
pub(super) fn start(folder: &Path) -> Result<Server> {
    let database = format!("sqlite:///{}/mlflow.db", folder.display());
    Server::start(&["server", "--no-gateway", "--backend-store-uri", &database], folder)
}

/// Creates so many runs in the default experiment and gives their ids.
pub(super) fn create_runs(server: &Server, count: usize) -> Result<Vec<String>> {
    let create = |index: usize| {
        let body =
            json!({"experiment_id": "0", "run_name": format!("run-{index}"), "start_time": 1_760_000_000_000 + index});
        Call::post("/api/2.0/mlflow/runs/create", body.to_string())
    };
    let calls: Vec<_> = (0..count).map(create).collect();
    let run_id = |answer: &bytes::Bytes| {
        let answer: Value = serde_json::from_slice(answer)?;
        Ok(answer["run"]["info"]["run_id"].as_str().context("the new run has no id")?.to_owned())
    };
    send_all(server.address, CONNECTIONS, &calls)?.iter().map(run_id).collect()
}

/// Logs one batch to each run; `body` gives the batch of the n-th run without its id.
pub(super) fn log_to_each(server: &Server, runs: &[String], body: impl Fn(usize) -> Value) -> Result<()> {
    let log = |(index, run_id): (usize, &String)| {
        let mut body = body(index);
        body["run_id"] = Value::from(run_id.as_str());
        Call::post("/api/2.0/mlflow/runs/log-batch", body.to_string())
    };
    let calls: Vec<_> = runs.iter().enumerate().map(log).collect();
    send_all(server.address, CONNECTIONS, &calls).map(drop)
}
