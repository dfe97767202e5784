//! What the runs of an evaluation hold.

use serde_json::{Value, json};

use super::{DatasetRecord, RunRecord, results_table};
use crate::Result;
use crate::dataset::{Cell, Dataset, Source};
use crate::evaluation::Evaluation;
use crate::metric::classes;
use crate::score::{Answers, Frame, Scored};
use crate::stats::count;

/// The file in which MLflow's own evaluation keeps its table.
const TABLE_FILE: &str = "eval_results_table.json";

/// The run of the whole suite.
pub(super) fn parent(evaluation: &Evaluation<'_>) -> RunRecord {
    let suite = evaluation.suite;
    let mut tags = common_tags(evaluation);
    if evaluation.scored.iter().any(|it| matches!(it.answers, Answers::Asked(_))) {
        tags.push(("mlflow.runType".to_owned(), "genai_evaluate".to_owned()));
    }
    let params = vec![
        ("suite".to_owned(), suite.name().to_owned()),
        ("task".to_owned(), evaluation.task.name().to_owned()),
        ("data".to_owned(), evaluation.dataset.shown()),
        ("targets".to_owned(), suite.targets.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ")),
    ];
    let mut artifacts = vec![
        ("eval.yaml".to_owned(), suite.source.clone().into_bytes()),
        ("eval.lock.json".to_owned(), pretty(&lock(evaluation))),
        ("results.json".to_owned(), pretty(&crate::report::json(evaluation))),
        ("report.txt".to_owned(), crate::report::table(evaluation, None).into_bytes()),
    ];
    if !evaluation.gates.is_empty() {
        artifacts.push(("gates.json".to_owned(), pretty(&crate::report::gates_json(evaluation))));
    }
    let metrics = vec![
        ("example_count".to_owned(), count(evaluation.dataset.rows.len())),
        ("variant_count".to_owned(), count(evaluation.scored.len())),
    ];
    RunRecord { tags, params, artifacts, ..record(evaluation, suite.name().to_owned(), metrics) }
}

/// The run of one variant.
pub(super) fn child(evaluation: &Evaluation<'_>, scored: &Scored) -> Result<RunRecord> {
    let mut tags = common_tags(evaluation);
    // Written as Python writes JSON, blanks included: MLflow's client searches for this very text.
    let logged = format!("[{{\"path\": \"{TABLE_FILE}\", \"type\": \"table\"}}]");
    tags.push(("mlflow.loggedArtifacts".to_owned(), logged));
    let mut artifacts = vec![(TABLE_FILE.to_owned(), results_table::render(evaluation, scored).into_bytes())];
    if let Frame::Classes(classes, _) = &scored.frame {
        artifacts.push(("confusion_matrix.csv".to_owned(), classes::confusion_csv(classes)?.into_bytes()));
        if classes.positive.is_none() {
            artifacts.push(("per_class_metrics.csv".to_owned(), classes::per_class_csv(classes)?.into_bytes()));
        }
    }
    let metrics = scored.scores.iter().flat_map(crate::score::Score::logged).collect();
    let params = scored.variant.axes.clone();
    Ok(RunRecord { tags, params, artifacts, ..record(evaluation, scored.variant.name.clone(), metrics) })
}

fn record(evaluation: &Evaluation<'_>, name: String, metrics: Vec<(String, f64)>) -> RunRecord {
    RunRecord {
        name,
        is_failed: evaluation.stopped.is_some(),
        start_ms: evaluation.start_ms,
        end_ms: evaluation.end_ms,
        tags: Vec::new(),
        params: Vec::new(),
        metrics,
        dataset: dataset(evaluation),
        artifacts: Vec::new(),
    }
}

/// Whose run it is.
pub(super) fn user() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned())
}

fn common_tags(evaluation: &Evaluation<'_>) -> Vec<(String, String)> {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut tags = vec![
        pair("mlflow.user", &user()),
        pair("mlflow.source.name", "tidegate eval run"),
        pair("mlflow.source.type", "LOCAL"),
        pair("tidegate.eval.gates", evaluation.gates_word()),
    ];
    if let Some(reason) = &evaluation.stopped {
        tags.push(pair("tidegate.eval.stopped", reason));
    }
    tags.extend(evaluation.suite.output.tags.iter().cloned());
    tags
}

/// Digests of everything that decided the results.
fn lock(evaluation: &Evaluation<'_>) -> Value {
    json!({
        "tidegate": env!("CARGO_PKG_VERSION"),
        "suite": evaluation.suite.lock(),
        "data": {"name": evaluation.dataset.name, "sha256": evaluation.dataset.digest, "rows": evaluation.dataset.rows.len()},
        "resolved": evaluation.suite.resolved(),
    })
}

fn dataset(evaluation: &Evaluation<'_>) -> DatasetRecord {
    let dataset = evaluation.dataset;
    let (source_type, source) = match &evaluation.suite.data.source {
        Source::File { path, .. } => ("local", json!({"uri": path.display().to_string()})),
        Source::Inline(_) => ("code", json!({"tags": {"mlflow.source.name": "tidegate eval run"}})),
    };
    let rows = dataset.rows.len();
    DatasetRecord {
        name: dataset.name.clone(),
        // MLflow's digests are at most 36 characters long.
        digest: dataset.digest.chars().take(16).collect(),
        source_type,
        source: source.to_string(),
        schema: json!({"mlflow_colspec": schema(dataset)}).to_string(),
        profile: json!({"num_rows": rows, "num_elements": rows * dataset.columns.len()}).to_string(),
    }
}

/// The columns as MLflow's signatures name their types.
fn schema(dataset: &Dataset) -> Vec<Value> {
    let column = |(position, name): (usize, &String)| {
        let cells = || dataset.rows.iter().map(move |it| &it[position]);
        let is = |fits: fn(&Cell) -> bool| cells().all(|it| it.is_missing() || fits(it));
        let kind = if is(|it| matches!(it, Cell::Bool(_))) {
            "boolean"
        } else if is(|it| matches!(it, Cell::Int(_))) {
            "long"
        } else if is(|it| matches!(it, Cell::Int(_) | Cell::Number(_))) {
            "double"
        } else {
            "string"
        };
        json!({"type": kind, "name": name, "required": !cells().any(Cell::is_missing)})
    };
    dataset.columns.iter().enumerate().map(column).collect()
}

fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_else(|_| value.to_string().into_bytes())
}
