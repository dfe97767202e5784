//! A call on its way into the database, and read from there.

use std::time::Duration;

use bytes::Bytes;
use gateway::{Attempt, CacheUse, Call, Cost, Decision, Kind, Loss, Outcome, Stage, TraceParent, Usd, Verdict};
use serde_json::{Value, json};
use tracking::{
    ArtifactOptions, Tracking,
    trace::{SpanStatus, Trace, TraceSearch},
};

use super::{Recorder, channel};

fn attempt(provider: &str, outcome: Outcome) -> Attempt {
    Attempt {
        endpoint: format!("{provider}-chat"),
        provider: provider.to_owned(),
        model: "m".to_owned(),
        started_unix_ns: 1_700_000_000_000_000_000,
        duration: Duration::from_millis(20),
        outcome,
    }
}

fn call() -> Call {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
        "prompt_tokens_details": {"cached_tokens": 40}, "cache_creation": {"ephemeral_1h_input_tokens": 10}});
    let usd = |text: &str| Usd::parse(text).expect("an amount");
    Call {
        id: "call-1".to_owned(),
        endpoint: "second-chat".to_owned(),
        route: Some("both".to_owned()),
        kind: Kind::Chat,
        provider: "second".to_owned(),
        model: "m".to_owned(),
        request: Bytes::from_static(b"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"),
        response: Some(Bytes::from_static(b"{\"choices\":[{\"message\":{\"content\":\"hello\"}}]}")),
        outcome: Outcome::Ok,
        usage: serde_json::from_value(usage).ok(),
        cost: Some(Cost {
            input: usd("0.0001"),
            cache_read: usd("0.00002"),
            output: usd("0.00005"),
            total: usd("0.00017"),
            ..Cost::default()
        }),
        saved: None,
        cache: Some(CacheUse::Miss),
        decisions: vec![Decision {
            guardrail: "pii".to_owned(),
            stage: Stage::Output,
            verdict: Verdict::Masked,
            found: vec![("email".to_owned(), 2)],
        }],
        started_unix_ns: 1_700_000_000_000_000_000,
        first_token: Some(Duration::from_millis(30)),
        duration: Duration::from_millis(90),
        streamed: true,
        attempts: vec![
            attempt("first", Outcome::Failed { status: 503, message: "busy".to_owned() }),
            attempt("second", Outcome::Ok),
        ],
        losses: vec![Loss { field: "seed".to_owned(), why: "is left out".to_owned() }],
        parent: Some(TraceParent { trace_id: [0xab; 16], span_id: [0xcd; 8], is_sampled: true }),
        caller: None,
        client: None,
        recording: None,
    }
}

/// The trace of a call, from the database.
async fn recorded(call: Call) -> Trace {
    let folder = tempfile::tempdir().expect("a folder");
    let uri = format!("sqlite:///{}/t.db", folder.path().display());
    let db = db::Db::open(&uri).await.expect("a database");
    let options = ArtifactOptions::resolve(None, Some(folder.path().display().to_string()), true);
    let tracking = Tracking::open(db, options).await.expect("a store");
    let name = format!("gateway/{}", call.endpoint);
    let (sender, receiver) = channel();
    let recorder = Recorder::start(&tracking, receiver, None).expect("a thread");
    assert!(sender.try_send(call), "room for a call");
    recorder.finish().await;
    let store = tracking.store();
    let experiment = store.experiment_by_name(&name).await.expect("an answer").expect("an experiment");
    let search = TraceSearch {
        experiment_ids: vec![experiment.experiment_id],
        filter: String::new(),
        order_by: Vec::new(),
        max_results: 10,
        page_token: None,
    };
    let found = store.search_traces(&search).await.expect("a page").items;
    assert_eq!(found.len(), 1);
    store.trace(&found[0].trace_id).await.expect("a trace")
}

#[tokio::test]
async fn a_call_is_a_trace_with_its_attempts_its_cost_and_its_decisions() {
    let trace = recorded(call()).await;
    let metadata = |key: &str| trace.info.metadata.get(key).map(String::as_str);
    assert_eq!(metadata("mlflow.gateway.linkedTraceId"), Some("tr-abababababababababababababababab"));
    let json_of = |key: &str| -> Value { serde_json::from_str(metadata(key).expect(key)).expect(key) };
    assert_eq!(json_of("mlflow.trace.tokenUsage")["cache_read_input_tokens"], 40);
    assert_eq!(json_of("mlflow.trace.cost")["total_cost"], 0.000_17);

    let names: Vec<&str> = trace.spans.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let span = |name: &str| trace.spans.iter().find(|it| it.name == name).expect(name);
    let root = &trace.spans[0];
    assert_eq!((root.name.as_str(), &root.attributes["route_name"]), ("gateway/second-chat", &json!("both")));
    assert_eq!(root.attributes["tidegate.losses"], json!([{"field": "seed", "why": "is left out"}]));
    assert_eq!(root.attributes["tidegate.cache"], "miss");
    assert_eq!(root.links[0].span_id, "cdcdcdcdcdcdcdcd");

    let first = span("provider/first/m");
    assert_eq!((first.parent_id, &first.status), (Some(root.span_id), &SpanStatus::Error("503: busy".to_owned())));
    assert_eq!(first.end_ns, Some(first.start_ns + 20_000_000));
    assert!(!first.attributes.contains_key("mlflow.llm.cost"));

    let second = span("provider/second/m");
    assert_eq!(second.end_ns, root.end_ns);
    assert_eq!(
        second.attributes["mlflow.llm.cost"],
        json!({"input_cost": 0.000_12, "output_cost": 0.000_05, "total_cost": 0.000_17})
    );
    assert_eq!(second.attributes["mlflow.chat.tokenUsage"]["cache_creation_input_tokens"], 10);
    assert_eq!(second.attributes["time_to_first_token_ms"], 30.0);

    let guardrail = span("guardrail/pii");
    assert_eq!(guardrail.attributes["tidegate.verdict"], "masked");
    assert_eq!(guardrail.attributes["tidegate.found"], json!({"email": 2}));
    assert_eq!(Some(guardrail.start_ns), root.end_ns);
}

#[tokio::test]
async fn a_call_that_nobody_was_asked_for_has_no_attempt() {
    let hit = Call {
        attempts: Vec::new(),
        decisions: Vec::new(),
        cache: Some(CacheUse::Hit { age: Duration::from_secs(7), similarity: None }),
        cost: Some(Cost::default()),
        saved: call().cost,
        parent: None,
        caller: None,
        ..call()
    };
    let trace = recorded(hit).await;
    assert_eq!(trace.spans.len(), 1);
    assert_eq!(trace.spans[0].attributes["tidegate.cache_age_s"], 7);
    assert_eq!(trace.spans[0].attributes["tidegate.saved_usd"], 0.000_17);
    assert!(!trace.info.metadata.contains_key("mlflow.trace.tokenUsage"));
}
