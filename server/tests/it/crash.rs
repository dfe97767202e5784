//! A server that dies in the middle of its work: what it acknowledged is there, what it did not is whole or absent.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use reqwest::Client;
use serde_json::{Value, json};

use crate::running::Running;

const ROUNDS: usize = 5;
const WRITERS: usize = 16;
/// Acknowledged batches after which the server is killed, while all writers go on.
const ACKNOWLEDGED_BEFORE_KILL: usize = 200;
const METRICS_PER_BATCH: i64 = 7;

async fn post(client: &Client, url: &str, path: &str, body: &Value) -> Option<Value> {
    let answer = client.post(format!("{url}/api/2.0/mlflow/{path}")).json(body).send().await.ok()?;
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.ok()
}

/// Logs batch after batch until the server is gone; gives the batches that were acknowledged.
async fn write(
    client: Client,
    url: String,
    run_id: String,
    name: String,
    acknowledged: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut mine = Vec::new();
    for number in 0.. {
        let batch = format!("{name}-{number}");
        let metrics: Vec<Value> = (0..METRICS_PER_BATCH)
            .map(|step| json!({"key": batch, "value": step, "timestamp": 1, "step": step}))
            .collect();
        let body = json!({"run_id": run_id, "metrics": metrics, "tags": [{"key": batch, "value": "whole"}]});
        if post(&client, &url, "runs/log-batch", &body).await.is_none() {
            break;
        }
        mine.push(batch);
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    mine
}

/// One life of the server; gives the batches that it acknowledged before it was killed.
async fn live_and_die(folder: &Path, round: usize) -> Vec<String> {
    let server = Running::start(folder, &["server", "--no-gateway"]);
    let client = Client::new();
    let run = post(&client, &server.url, "runs/create", &json!({"experiment_id": "0"})).await.unwrap();
    let run_id = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let name = format!("r{round}w{writer}");
            tokio::spawn(write(client.clone(), server.url.clone(), run_id.clone(), name, Arc::clone(&acknowledged)))
        })
        .collect();
    while acknowledged.load(Ordering::Relaxed) < ACKNOWLEDGED_BEFORE_KILL {
        tokio::task::yield_now().await;
    }
    server.kill();
    futures::future::join_all(writers).await.into_iter().flat_map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_keeps_every_acknowledged_write_and_no_half_of_one() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        acknowledged.extend(live_and_die(folder.path(), round).await);
    }
    assert!(acknowledged.len() >= ROUNDS * ACKNOWLEDGED_BEFORE_KILL);

    let db = db::Db::open(&format!("sqlite:///{}/mlflow.db", folder.path().display())).await.unwrap();
    let count = |table: &str| {
        let (db, sql) = (db.clone(), format!("SELECT \"key\", COUNT(*) FROM {table} GROUP BY \"key\""));
        async move { db.fetch_all::<(String, i64)>(sql, vec![]).await.unwrap().into_iter().collect::<HashMap<_, _>>() }
    };
    let (metrics, latest, tags) = (count("metrics").await, count("latest_metrics").await, count("tags").await);
    for batch in &acknowledged {
        assert!(metrics.contains_key(batch), "the acknowledged batch {batch} is lost");
    }
    for (batch, rows) in &metrics {
        let found = (*rows, latest.get(batch), tags.get(batch));
        assert_eq!(found, (METRICS_PER_BATCH, Some(&1), Some(&1)), "half of the batch {batch} is there");
    }
    let ours = tags.keys().filter(|it| !it.starts_with("mlflow.")).count();
    assert_eq!(ours, metrics.len(), "a tag without its metrics");
}
