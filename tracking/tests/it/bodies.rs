//! No body breaks the server: whatever it holds, the answer is JSON and none of the server's own failures.
//!
//! `PROPTEST_CASES=10000` makes it look longer.

#[path = "../../../fuzz/requests.rs"]
mod requests;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json};

use crate::server::TestServer;

/// Bodies of each run of the test, each for all requests; the variable `PROPTEST_CASES` asks for more.
const CASES: u32 = 24;

/// What requests call their parameters.
const NAMES: &[&str] = &[
    "experiment_id",
    "experiment_ids",
    "experimentIds",
    "name",
    "run_id",
    "run_uuid",
    "run_name",
    "user_id",
    "key",
    "value",
    "timestamp",
    "step",
    "start_time",
    "end_time",
    "status",
    "metrics",
    "params",
    "tags",
    "filter",
    "filter_string",
    "order_by",
    "max_results",
    "page_token",
    "run_view_type",
    "view_type",
    "datasets",
    "dataset",
    "models",
    "model_id",
    "dataset_name",
    "dataset_digest",
    "digest",
    "source",
    "source_type",
    "schema",
    "profile",
    "locations",
    "trace",
    "trace_info",
    "type",
    "artifact_location",
    "field_name",
    "ascending",
    "model_type",
    "source_run_id",
];

fn texts() -> impl Strategy<Value = Value> {
    let known = prop::sample::select(
        &["0", "1", "-1", "NaN", "x", "FINISHED", "ALL", "metrics.a > 1", "tags.a = 'b'", "start_time DESC", "MQ=="][..],
    );
    prop_oneof![known.prop_map(Value::from), any::<String>().prop_map(Value::from)]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(&[0_i64, 1, 2, 1000, 50_001][..]).prop_map(Value::from),
        texts(),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from), objects(inner)]
    })
}

fn objects(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let names = prop_oneof![9 => prop::sample::select(NAMES).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec((names, values), 0..8)
        .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<String, Value>>()))
}

#[test]
fn no_body_breaks_the_server() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(async {
        let server = TestServer::start().await;
        server.experiment("fuzzed").await;
        server
    });
    let send = |body: &[u8]| runtime.block_on(requests::send_to_all(server.router(), body));
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    runner
        .run(&objects(values()), |body| {
            send(body.to_string().as_bytes());
            Ok(())
        })
        .unwrap();
    runner
        .run(&(0_usize..160, any::<u8>()), |(place, byte)| {
            let body = json!({
                "experiment_id": "1", "experiment_ids": ["1"], "run_id": "r", "key": "k", "value": 1.5,
                "metrics": [{ "key": "a", "value": "NaN", "timestamp": "12", "step": 3 }], "filter": "metrics.a > 1",
            });
            let mut bytes = body.to_string().into_bytes();
            let place = place % bytes.len();
            bytes[place] = byte;
            send(&bytes);
            send(&bytes[..place]);
            Ok(())
        })
        .unwrap();
}
