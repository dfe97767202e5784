//! Evaluations as MLflow runs, in the store of this process and over REST.

use eval::Destination;
use serde_json::Value;
use tracking::experiment::{ExperimentId, ViewType};
use tracking::run::{Run, RunSearch, RunStatus};
use tracking::{ArtifactOptions, Tracking};

use crate::support::Bench;

const SUITE: &str = "
name: small-qa
data: {source: rows.csv, roles: {id: id, expected: answer}}
targets: endpoint:scripted
prompts: {plain: \"{{ question }}\", polite: \"Please: {{ question }}\"}
metrics: [icontains]
gates: [icontains >= 0.5]
run: {retries: 0}
output: {experiment: qa, tags: {release: 1.5}}
";

fn bench() -> Bench {
    let rows = "id,question,answer\na,Capital of France?,Paris\nb,\"What/how, \"\"ü\"\"?\",x\n";
    Bench::new().file("rows.csv", rows).answers(&[("France", Ok("Paris")), ("ü", Err(llm::Error::invalid("q", "no")))])
}

async fn open(bench: &Bench) -> Tracking {
    let uri = format!("sqlite:///{}/mlflow.db", bench.path().display());
    let options = ArtifactOptions::resolve(None, Some(bench.path().join("artifacts").display().to_string()), true);
    Tracking::open(db::Db::open(&uri).await.unwrap(), options).await.unwrap()
}

async fn runs(tracking: &Tracking, experiment: ExperimentId) -> Vec<Run> {
    let search = RunSearch {
        experiment_ids: vec![experiment],
        filter: String::new(),
        view: ViewType::ActiveOnly,
        order_by: vec!["attributes.run_name ASC".to_owned()],
        max_results: 100,
        page_token: None,
    };
    tracking.store().search_runs(&search).await.unwrap().items
}

/// What any destination has to hold after the suite ran.
async fn check_recorded(tracking: &Tracking, outcome: &eval::Outcome) {
    let recorded = outcome.recorded().expect("the run was recorded");
    let experiment = tracking.store().experiment_by_name("qa").await.unwrap().expect("the experiment was created");
    assert_eq!(recorded.experiment_id, experiment.experiment_id.to_string());
    let runs = runs(tracking, experiment.experiment_id).await;
    let names: Vec<&str> = runs.iter().map(|it| it.info.run_name.as_deref().unwrap()).collect();
    assert_eq!(names, ["plain", "polite", "small-qa"]);
    let (child, parent) = (&runs[0], &runs[2]);
    let tag = |run: &Run, key: &str| run.data.tags.iter().find(|it| it.key == key).map(|it| it.value.clone());
    assert_eq!(parent.info.run_id, recorded.run_id);
    assert_eq!(tag(child, "mlflow.parentRunId"), Some(recorded.run_id.clone()));
    assert_eq!(tag(parent, "mlflow.runType").as_deref(), Some("genai_evaluate"));
    assert_eq!(tag(parent, "tidegate.eval.gates").as_deref(), Some("pass"));
    assert_eq!(tag(child, "release").as_deref(), Some("1.5"));
    let logged = r#"[{"path": "eval_results_table.json", "type": "table"}]"#;
    assert_eq!(tag(child, "mlflow.loggedArtifacts").as_deref(), Some(logged));
    assert_eq!(child.info.status, RunStatus::Finished);
    assert!(child.info.end_time >= Some(child.info.start_time));
    let metric = |key: &str| child.data.metrics.iter().find(|it| it.key == key).map(|it| it.value);
    assert_eq!(metric("icontains/mean"), Some(1.0));
    assert_eq!(metric("icontains/coverage"), Some(0.5));
    assert_eq!(metric("errors"), Some(0.5));
    assert!(metric("icontains/mean.ci.low").is_some() && metric("latency/p95").is_some());
    assert_eq!(metric("cost/mean"), None, "what is undefined is not logged");
    let param = child.data.params.iter().find(|it| it.key == "prompt").map(|it| it.value.as_str());
    assert_eq!(param, Some("plain"));
    let input = &child.inputs.dataset_inputs[0];
    assert_eq!((input.dataset.name.as_str(), input.dataset.digest.len()), ("rows", 16));
    let uri = child.info.artifact_uri.as_deref().unwrap();
    let table = tracking.artifacts().read(uri, "eval_results_table.json", 1 << 20).await.unwrap();
    let text = String::from_utf8(table).unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(table["columns"][3], "outputs");
    assert_eq!(table["columns"][5], "icontains/score");
    assert_eq!(
        table["data"][0].as_array().unwrap()[..6],
        serde_json::json!(["a", "Capital of France?", "Paris", "Paris", null, 1.0]).as_array().unwrap()[..]
    );
    assert_eq!(table["data"][1][4], "no");
    assert!(text.contains("What\\/how, \\\"\\u00fc\\\"?"), "texts are escaped as pandas does: {text}");
    let uri = parent.info.artifact_uri.as_deref().unwrap();
    let gates = tracking.artifacts().read(uri, "gates.json", 1 << 20).await.unwrap();
    let gates: Value = serde_json::from_slice(&gates).unwrap();
    assert_eq!((&gates[0]["verdict"], &gates[0]["variant"]), (&"pass".into(), &"plain".into()));
    let suite = tracking.artifacts().read(uri, "eval.yaml", 1 << 20).await.unwrap();
    assert_eq!(String::from_utf8(suite).unwrap(), SUITE);
}

#[tokio::test]
async fn into_the_store_of_this_process() {
    let mut bench = bench();
    let tracking = open(&bench).await;
    bench.destination = Destination::Store(tracking.clone());
    let outcome = bench.run(SUITE).await.unwrap();
    assert_eq!((outcome.exit_code(), outcome.record_error()), (0, None));
    check_recorded(&tracking, &outcome).await;
}

#[tokio::test]
async fn into_a_server_over_rest() {
    let mut bench = bench();
    let tracking = open(&bench).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = tracking::router(tracking.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    bench.destination = Destination::server(&url).unwrap();
    let outcome = bench.run(SUITE).await.unwrap();
    assert_eq!((outcome.exit_code(), outcome.record_error()), (0, None));
    check_recorded(&tracking, &outcome).await;
    let recorded = outcome.recorded().unwrap();
    let page = format!("{url}/#/experiments/{}/runs/{}", recorded.experiment_id, recorded.run_id);
    assert_eq!(recorded.url.as_deref(), Some(page.as_str()));
}

#[tokio::test]
async fn a_tracking_server_that_is_not_there_is_found_before_anything_is_asked() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut bench = bench();
    bench.destination = Destination::server(&format!("http://user:hidden@{address}/")).unwrap();
    let (code, message) = bench.error(SUITE).await;
    assert_eq!(code, 3);
    assert!(
        message.contains(&format!("http://{address}/api/2.0/mlflow/experiments/get-by-name: cannot be reached")),
        "{message}"
    );
    assert!(!message.contains("hidden"), "{message}");
    assert_eq!(bench.model.calls.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn labels_get_their_tables() {
    let mut bench = Bench::new().file("rows.csv", "y,p\na,a\nb,c\nc,c\na,b\n");
    let tracking = open(&bench).await;
    bench.destination = Destination::Store(tracking.clone());
    let suite = "{name: labels, data: {source: rows.csv, roles: {expected: y}}, targets: col:p, metrics: [default]}";
    let outcome = bench.run(suite).await.unwrap();
    let run = tracking.store().run(&outcome.recorded().unwrap().variants[0].1).await.unwrap();
    let uri = run.info.artifact_uri.unwrap();
    let read = |path: &'static str| {
        let (tracking, uri) = (tracking.clone(), uri.clone());
        async move { String::from_utf8(tracking.artifacts().read(&uri, path, 1 << 20).await.unwrap()).unwrap() }
    };
    // mlflow.models.evaluate on the same rows writes these lines.
    insta::assert_snapshot!(read("per_class_metrics.csv").await, @"
    positive_class,true_negatives,false_positives,false_negatives,true_positives,example_count,accuracy_score,recall_score,precision_score,f1_score
    a,2,0,1,1,4,0.75,0.5,1.0,0.6666666666666666
    b,2,1,1,0,4,0.5,0.0,0.0,0.0
    c,2,1,0,1,4,0.75,1.0,0.5,0.6666666666666666
    ");
    insta::assert_snapshot!(read("confusion_matrix.csv").await, @"
    expected,a,b,c
    a,1,1,0
    b,0,0,1
    c,0,0,1
    ");
}
