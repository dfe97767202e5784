//! Rows: formats, roles, gaps and faults with their place.

use eval::Overrides;

use crate::support::{Bench, metric_of, value};

const SUITE: &str = "data: {source: rows.csv, roles: {expected: y}}\ntask: regression\ntargets: col:p\nmetrics: [default]\ncompare: {bootstrap: 0}\n";

async fn fault(rows: &str, suite: &str, expected: &str) {
    let (code, message) = Bench::new().file("rows.csv", rows).error(suite).await;
    assert_eq!((code, message.as_str()), (3, expected));
}

#[tokio::test]
async fn faults_name_file_line_column_and_value() {
    fault("y,q\n1,1\n", SUITE, "target `p`: rows.csv: no column `p`; known are y, q").await;
    fault(
        "quality,p\n1,1\n",
        &SUITE.replace("expected: y", "expected: qualty"),
        "rows.csv: no column `qualty`; did you mean `quality`? (its columns: quality, p)",
    )
    .await;
    fault("y,p\n1,1\n2,2,3\n", SUITE, "rows.csv:3: the row starting with `2` has 3 cells, the header has 2").await;
    fault("y,p\n1,1\nmany,2\n", SUITE, "rows.csv:3: column `y` must be numeric, but has `many`").await;
    fault("y,p\n1,1\n2,few\n", SUITE, "target `p`: rows.csv:3: a prediction must be numeric, but is `few`").await;
    fault(
        "y,p\n1,1\n,2\n",
        SUITE,
        "rows.csv:3: column `y` is empty; fill it, or set data.missing to drop (leave such rows out) or keep",
    )
    .await;
    fault("y,y\n1,1\n", SUITE, "rows.csv:1: the header names the column `y` twice").await;
    fault("y,p\n", SUITE, "rows: no rows to evaluate").await;
    fault(
        "y,p,w\n1,1,1\n2,2,-3\n",
        &SUITE.replace("expected: y", "expected: y, weight: w"),
        "rows.csv:3: the weight `w` is -3, but must be a number from 0",
    )
    .await;
    fault(
        "y,p,s\na,a,0.5\nb,b,1.5\n",
        "{data: {source: rows.csv, roles: {expected: y}}, targets: {m: {predictions: {label: p, scores: s}}}, metrics: [default]}",
        "target `m`: rows.csv:3: the score 1.5 is no probability from 0 to 1",
    )
    .await;
    let bench = Bench::new().file("rows.jsonl", "{\"y\": 1, \"p\": 1}\n[2]\n");
    let (_, message) = bench.error(&SUITE.replace("rows.csv", "rows.jsonl")).await;
    assert_eq!(message, "rows.jsonl:2: a row must be a JSON object, `{\"column\": value}`");
    let (_, message) = Bench::new().error(SUITE).await;
    assert!(message.starts_with("cannot read the data rows.csv: No such file"), "{message}");
}

#[tokio::test]
async fn every_format_gives_the_same_rows() {
    let csv = "y,p\n1,2\n3,5\n";
    let bench = Bench::new()
        .file("rows.csv", csv)
        .file("rows.tsv", &csv.replace(',', "\t"))
        .file("rows.json", r#"[{"y": 1, "p": 2}, {"y": 3, "p": 5}]"#)
        .file("rows.jsonl", "{\"y\": 1, \"p\": 2}\n\n{\"y\": 3, \"p\": 5}\n");
    let sources = ["rows.csv", "rows.tsv", "rows.json", "rows.jsonl", "[{y: 1, p: 2}, {y: 3, p: 5}]"];
    for source in sources {
        let outcome = bench.run(&SUITE.replace("rows.csv", source)).await.unwrap();
        assert_eq!(value(&outcome, "p", "mean_squared_error"), 2.5, "{source}");
    }
}

#[tokio::test]
async fn gaps_are_dropped_or_kept_as_the_suite_says() {
    let bench = Bench::new().file("rows.csv", "y,p\n1,2\n,9\n3,\n3,5\n");
    for missing in ["drop", "keep"] {
        let suite = SUITE.replace("roles", &format!("missing: {missing}, roles"));
        let outcome = bench.run(&suite).await.unwrap();
        assert_eq!(value(&outcome, "p", "mean_squared_error"), 2.5, "{missing}");
        let rows = &metric_of(&outcome, "p", "mean_squared_error");
        let expected = if missing == "drop" { 3 } else { 4 };
        assert_eq!((&rows["rows"], &rows["of"]), (&2.into(), &expected.into()), "coverage is told");
    }
}

#[tokio::test]
async fn limit_sample_and_shuffle_choose_the_same_rows_again() {
    use std::fmt::Write as _;
    let rows = (0..50).fold("y,p\n".to_owned(), |mut text, it| {
        writeln!(text, "{it},{}", it + 1).unwrap();
        text
    });
    let mut bench = Bench::new().file("rows.csv", &rows);
    let sums = |outcome: &eval::Outcome| value(outcome, "p", "sum_on_target").as_f64().unwrap();
    bench.overrides = Overrides { limit: Some(3), ..Overrides::default() };
    assert_eq!(sums(&bench.run(SUITE).await.unwrap()).to_bits(), 3f64.to_bits());
    let shuffled = SUITE.replace("roles", "shuffle: 7, roles");
    let first = sums(&bench.run(&shuffled).await.unwrap());
    assert!(first > 3.0 && first.to_bits() == sums(&bench.run(&shuffled).await.unwrap()).to_bits(), "{first}");
    bench.overrides = Overrides::default();
    let sampled = bench.run(&SUITE.replace("roles", "sample: {n: 10, seed: 3}, roles")).await.unwrap();
    assert_eq!(value(&sampled, "p", "example_count"), 10.0);
}

#[tokio::test]
async fn three_keys_are_enough_and_the_task_is_found() {
    let task = |rows: &'static str| async move {
        let outcome =
            Bench::new().file("rows.csv", rows).run("data: rows.csv\ntargets: col:pred\nmetrics: [default]\n").await;
        outcome.unwrap().json()["task"].as_str().unwrap().to_owned()
    };
    assert_eq!(task("expected,pred\n1.5,1\n2,2\n").await, "regression");
    assert_eq!(task("expected,pred\n1,1\n0,1\n").await, "classification");
    assert_eq!(task("label,pred\nyes,no\nno,no\n").await, "classification");
}
