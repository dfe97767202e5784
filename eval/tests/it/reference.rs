//! Metrics equal scikit-learn's and what MLflow logs, over data that `reference/make.py` wrote with the values.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{Bench, metric_of, value};

#[tokio::test]
async fn every_metric_equals_the_reference() {
    let cases: Value = serde_json::from_str(include_str!("reference/cases.json")).unwrap();
    let mut compared = 0;
    for case in cases["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let bench = Bench::new().file("rows.json", &case["rows"].to_string());
        let outcome = bench.run(&suite(case)).await.unwrap_or_else(|it| panic!("{name}: {it}"));
        for (metric, expected) in case["values"].as_object().unwrap() {
            let found = value(&outcome, "model", metric);
            match (found.as_f64(), expected.as_f64()) {
                (Some(found), Some(expected)) => {
                    let allowed = 1e-12 * expected.abs().max(1e-3);
                    assert!((found - expected).abs() <= allowed, "{name}: {metric} is {found}, not {expected}");
                }
                (found, expected) => assert_eq!(found, expected, "{name}: {metric}"),
            }
            compared += 1;
        }
    }
    assert!(compared >= 150, "only {compared} values were compared");
}

#[tokio::test]
async fn intervals_are_students_for_means_and_wilsons_for_shares() {
    let cases: Value = serde_json::from_str(include_str!("reference/cases.json")).unwrap();
    let rows = "x,y\n1,0\n2,0\n3,0\n4,0\n10,0\n";
    let suite = "{data: {source: rows.csv, roles: {expected: y}}, targets: col:x, task: regression, metrics: [bias]}";
    let outcome = Bench::new().file("rows.csv", rows).run(suite).await.unwrap();
    close(&metric_of(&outcome, "x", "bias")["ci"], &cases["intervals"]["t"]);
    let rows: String = (0..10).map(|it| if it < 8 { "a,a\n" } else { "a,b\n" }).collect();
    let suite = "{data: {source: rows.csv, roles: {expected: y}}, targets: col:x, metrics: [accuracy_score]}";
    let outcome = Bench::new().file("rows.csv", &format!("x,y\n{rows}")).run(suite).await.unwrap();
    close(&metric_of(&outcome, "x", "accuracy_score")["ci"], &cases["intervals"]["wilson 8 of 10"]);
}

#[tokio::test]
async fn bootstrap_intervals_are_repeatable_and_hold_the_value() {
    let cases: Value = serde_json::from_str(include_str!("reference/cases.json")).unwrap();
    let case = &cases["cases"][1];
    let text = suite(case).replace("bootstrap: 0", "bootstrap: 200");
    let bench = Bench::new().file("rows.json", &case["rows"].to_string());
    let (first, second) = (bench.run(&text).await.unwrap(), bench.run(&text).await.unwrap());
    let score = metric_of(&first, "model", "r2_score");
    let bound = |index: usize| score["ci"][index].as_f64().unwrap();
    let found = score["value"].as_f64().unwrap();
    assert!(bound(0) < found && found < bound(1), "{score}");
    // scipy.stats.bootstrap of r2_score over the same rows gives about this width.
    assert!((0.03..0.15).contains(&(bound(1) - bound(0))), "{score}");
    assert_eq!(score, metric_of(&second, "model", "r2_score"));
    assert!(metric_of(&first, "model", "sum_on_target").get("ci").is_none(), "a sum has no interval");
}

fn suite(case: &Value) -> String {
    let metrics: Vec<String> = case["values"]
        .as_object()
        .unwrap()
        .keys()
        .map(|name| match (name.as_str(), case["average"].as_str()) {
            ("mean_pinball_loss", _) => "{mean_pinball_loss: {alpha: 0.9}}".to_owned(),
            ("recall_score" | "precision_score" | "f1_score" | "roc_auc", Some(average)) => {
                format!("{{{name}: {{average: {average}}}}}")
            }
            (name, _) => name.to_owned(),
        })
        .collect();
    let mut target = "{predictions: {label: p".to_owned();
    if let Some(columns) = case["scores"].as_array() {
        let names: Vec<&str> = columns.iter().filter_map(Value::as_str).collect();
        let scores = if names.len() == 1 { names[0].to_owned() } else { format!("[{}]", names.join(", ")) };
        write!(target, ", scores: {scores}").unwrap();
    }
    let weight = if case["weighted"] == true { ", weight: w" } else { "" };
    let task = case["task"].as_str().unwrap();
    format!(
        "data: {{source: rows.json, roles: {{expected: y{weight}}}}}\ntask: {task}\ntargets: {{model: {target}}}}}}}\n\
         metrics: [{}]\ncompare: {{bootstrap: 0}}\n",
        metrics.join(", ")
    )
}

fn close(found: &Value, expected: &Value) {
    for index in 0..2 {
        let (found, expected) = (found[index].as_f64().unwrap(), expected[index].as_f64().unwrap());
        assert!((found - expected).abs() < 1e-8, "{found}, not {expected}");
    }
}
