//! A run as people read it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::output::{duration, field, moment, table, whole};

/// Tables of what a run is, measured, was given, read and made.
pub(super) fn shown(run: &Value) -> String {
    let mut text = about(&run["info"]);
    let data = &run["data"];
    metrics(&mut text, entries(data, "metrics"));
    pairs(&mut text, "param", entries(data, "params"));
    pairs(&mut text, "tag", entries(data, "tags"));
    inputs(&mut text, run);
    text
}

fn about(info: &Value) -> String {
    let start = whole(info, "start_time");
    let end = whole(info, "end_time").filter(|it| *it != 0);
    let mut shown = table(["field", "value"]);
    shown.add_row(["id", &field(info, "run_id")]);
    shown.add_row(["name", &field(info, "run_name")]);
    shown.add_row(["experiment", &field(info, "experiment_id")]);
    shown.add_row(["status", &field(info, "status")]);
    shown.add_row(["stage", &field(info, "lifecycle_stage")]);
    shown.add_row(["user", &field(info, "user_id")]);
    shown.add_row(["started (UTC)", &moment(start)]);
    shown.add_row(["ended (UTC)", &moment(end)]);
    if let Some((start, end)) = start.zip(end) {
        shown.add_row(["took", &duration(end - start)]);
    }
    shown.add_row(["artifacts", &field(info, "artifact_uri")]);
    shown.to_string()
}

fn metrics(text: &mut String, metrics: &[Value]) {
    if metrics.is_empty() {
        return;
    }
    let mut shown = table(["metric", "latest value", "step", "at (UTC)"]);
    for metric in metrics {
        let at = moment(whole(metric, "timestamp"));
        let step = whole(metric, "step").unwrap_or_default();
        shown.add_row([field(metric, "key"), field(metric, "value"), step.to_string(), at]);
    }
    let _ = write!(text, "\n{shown}");
}

fn pairs(text: &mut String, kind: &str, pairs: &[Value]) {
    if pairs.is_empty() {
        return;
    }
    let mut shown = table([kind, "value"]);
    for pair in pairs {
        shown.add_row([field(pair, "key"), field(pair, "value")]);
    }
    let _ = write!(text, "\n{shown}");
}

fn inputs(text: &mut String, run: &Value) {
    let datasets = entries(&run["inputs"], "dataset_inputs");
    let read = entries(&run["inputs"], "model_inputs");
    let made = entries(&run["outputs"], "model_outputs");
    if datasets.is_empty() && read.is_empty() && made.is_empty() {
        return;
    }
    let mut shown = table(["", "name", "digest or step", "for"]);
    for input in datasets {
        let context = entries(input, "tags").iter().find(|it| it["key"] == "mlflow.data.context");
        let context = context.map(|it| field(it, "value")).unwrap_or_default();
        let dataset = &input["dataset"];
        shown.add_row(["dataset read".to_owned(), field(dataset, "name"), field(dataset, "digest"), context]);
    }
    for model in read {
        shown.add_row(["model read".to_owned(), field(model, "model_id"), String::new(), String::new()]);
    }
    for model in made {
        let step = whole(model, "step").unwrap_or_default();
        shown.add_row(["model made".to_owned(), field(model, "model_id"), step.to_string(), String::new()]);
    }
    let _ = write!(text, "\n{shown}");
}

fn entries<'v>(object: &'v Value, key: &str) -> &'v [Value] {
    object[key].as_array().map(Vec::as_slice).unwrap_or_default()
}
