//! However many entries a page has, the database is asked the same number of times.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{Router, body::Body};
use futures::future::join_all;
use http::{Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};
use tracking::{ArtifactOptions, Tracking, router};

/// Entries of the large page.
const MANY: usize = 1_000;
/// Entries of the small page.
const FEW: usize = 10;

static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

/// Counts the statements that read.
struct Counter;

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "db::statement"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        STATEMENTS.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

async fn post(router: &Router, path: &str, body: Value) -> Value {
    let request = Request::post(format!("/api/2.0/mlflow/{path}")).header(CONTENT_TYPE, "application/json");
    let answer = router.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&bytes));
    serde_json::from_slice(&bytes).unwrap()
}

/// A run with one of everything, and a model.
async fn make(router: &Router, place: usize) {
    let run = json!({ "experiment_id": "1", "run_name": format!("run {place}"), "start_time": place });
    let run = post(router, "runs/create", run).await;
    let run_id = &run["run"]["info"]["run_id"];
    let batch = json!({
        "run_id": run_id,
        "metrics": [{ "key": "loss", "value": place, "timestamp": 1 }],
        "params": [{ "key": "rate", "value": "0.1" }],
        "tags": [{ "key": "team", "value": "red" }],
    });
    post(router, "runs/log-batch", batch).await;
    let dataset = json!({ "name": "reds", "digest": "d1", "source_type": "local", "source": "{}" });
    let tags = json!([{ "key": "mlflow.data.context", "value": "training" }]);
    post(router, "runs/log-inputs", json!({ "run_id": run_id, "datasets": [{ "dataset": dataset, "tags": tags }] }))
        .await;
    let model = json!({
        "experiment_id": "1",
        "name": format!("model{place}"),
        "params": [{ "key": "rate", "value": "0.1" }],
        "tags": [{ "key": "team", "value": "red" }],
    });
    post(router, "logged-models", model).await;
}

/// The entries of a page and the number of statements that read it.
async fn page(router: &Router, path: &str, mut body: Value, size: usize, entries: &str) -> (Vec<Value>, usize) {
    body["max_results"] = json!(size);
    let before = STATEMENTS.load(Ordering::SeqCst);
    let found = post(router, path, body).await;
    let statements = STATEMENTS.load(Ordering::SeqCst) - before;
    let entries = found[entries].as_array().unwrap().clone();
    assert_eq!(entries.len(), size, "{path}");
    (entries, statements)
}

#[tokio::test]
async fn a_page_takes_as_many_statements_however_long_it_is() {
    tracing::subscriber::set_global_default(Counter).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let db = db::Db::open(&format!("sqlite:///{}/test.db", folder.path().display())).await.unwrap();
    let options = ArtifactOptions::resolve(None, Some(folder.path().join("artifacts").display().to_string()), true);
    let router = router(Tracking::open(db, options).await.unwrap());
    post(&router, "experiments/create", json!({ "name": "pages" })).await;
    join_all((0..MANY).map(|place| make(&router, place))).await;

    let search = json!({
        "experiment_ids": ["1"],
        "filter": "metrics.loss >= 0 AND params.rate = '0.1' AND tags.team LIKE 'r%'",
        "order_by": ["metrics.loss DESC"],
    });
    let (_, few) = page(&router, "runs/search", search.clone(), FEW, "runs").await;
    let (runs, many) = page(&router, "runs/search", search, MANY, "runs").await;
    assert!(few > 0, "statements are counted");
    assert_eq!(few, many, "statements of {FEW} and of {MANY} runs");
    for (place, run) in runs.iter().rev().enumerate() {
        assert_eq!(run["info"]["run_name"], format!("run {place}"));
        assert_eq!(run["data"]["metrics"][0]["key"], "loss");
        assert_eq!(run["data"]["params"][0]["value"], "0.1");
        assert_eq!(run["inputs"]["dataset_inputs"][0]["dataset"]["name"], "reds");
        assert_eq!(run["inputs"]["dataset_inputs"][0]["tags"][0]["value"], "training");
    }

    let search = json!({ "experiment_ids": ["1"], "filter": "params.rate = '0.1'" });
    let (_, few) = page(&router, "logged-models/search", search.clone(), FEW, "models").await;
    let (models, many) = page(&router, "logged-models/search", search, MANY, "models").await;
    assert_eq!(few, many, "statements of {FEW} and of {MANY} models");
    assert!(models.iter().all(|model| model["info"]["tags"][0]["value"] == "red"));
}
