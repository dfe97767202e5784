//! Faulty suites: each is refused with exit code 3 and words that name file, line, key and the nearest right one.

use std::sync::atomic::Ordering;

use eval::{Overrides, Suite};

use crate::support::Bench;

const ROWS: &str = "question,answer,guess\none,1,1\ntwo,2,3\n";

async fn check(suite: &str, expected: &str) {
    let bench = Bench::new().file("rows.csv", ROWS);
    let (code, message) = bench.error(suite).await;
    assert_eq!((code, message.as_str()), (3, expected), "{suite}");
    assert_eq!(bench.model.calls.load(Ordering::SeqCst), 0, "a refused suite asks nothing");
}

/// Three good lines; the faults below stand beside them.
fn with(line: &str) -> String {
    format!("data: {{source: rows.csv, roles: {{expected: answer}}}}\ntargets: col:guess\nmetrics: [default]\n{line}\n")
}

#[tokio::test]
async fn typos_are_errors_with_the_nearest_name() {
    check(&with("gate: [a <= 1]"), "suite.yaml:4: unknown key `gate`; did you mean `gates`?").await;
    check(&with("run: {concurency: 3}"), "suite.yaml:4: `run`: unknown key `concurency`; did you mean `concurrency`?")
        .await;
    check(&with("run:\n  retries: {mx: 3}"), "suite.yaml:5: `run.retries`: unknown key `mx`; did you mean `max`?")
        .await;
    check(&with("task: regresion"), "suite.yaml:4: `task`: unknown value `regresion`; did you mean `regression`?")
        .await;
    check(
        "data: rows.csv\ntargets: {a: {url: \"http://x\", modle: m}}\nmetrics: [default]",
        "suite.yaml:2: `targets.a`: unknown key `modle`; did you mean `model`?",
    )
    .await;
    check(&with("").replace("metrics", "metricks"), "suite.yaml:3: unknown key `metricks`; did you mean `metrics`?")
        .await;
    check(&with("").replace("source", "sorce"), "suite.yaml:1: `data`: unknown key `sorce`; did you mean `source`?")
        .await;
    check(&with("").replace("roles", "role"), "suite.yaml:1: `data`: unknown key `role`; did you mean `roles`?").await;
    check(
        &with("").replace("[default]", "[exact_mach]"),
        "suite.yaml:3: `metrics`: unknown metric `exact_mach`; did you mean `exact_match`?",
    )
    .await;
    check(
        &with("").replace("[default]", "[{f1_score: {avrage: macro}}]"),
        "suite.yaml:3: `metrics`: f1_score: unknown option `avrage`; did you mean `average`?",
    )
    .await;
    check(
        &with("").replace("[default]", "[{f1_score: {average: makro}}]"),
        "suite.yaml:3: `metrics`: f1_score.average: unknown value `makro`; did you mean `macro`?",
    )
    .await;
}

#[tokio::test]
async fn wrong_forms_are_errors() {
    check("data: rows.csv\nmetrics: [default]", "suite.yaml:1: the key `targets` is missing").await;
    check(
        &with("run: {timeout: soon}"),
        "suite.yaml:4: `run.timeout`: `soon` is not a duration such as `250ms`, `30s`, `5m` or `1h`",
    )
    .await;
    check(&with("run: {concurrency: 0}"), "suite.yaml:4: `run.concurrency`: `0` must be at least 1").await;
    check(
        &with("run: {concurrency: 5000}"),
        "suite.yaml:4: `run.concurrency`: 5000 is more than the 1024 that are allowed",
    )
    .await;
    check(&with("name: [a]"), "suite.yaml:4: `name`: expected string, found a list").await;
    check("data: [", "suite.yaml:1:7: not valid YAML: unclosed bracket '[' at line 1, column 7").await;
}

#[tokio::test]
async fn what_later_versions_run_is_refused_and_never_skipped() {
    check(&with("slices: [topic]"), "not supported yet: `slices` (suite.yaml:4): results per slice").await;
    check(&with("judges: {a: {rubric: good?}}"), "not supported yet: `judges` (suite.yaml:4): model judges").await;
    check(
        &with("").replace("source: rows.csv", "source: \"s3://b/k.csv\""),
        "not supported yet: `data.source: s3://…` (suite.yaml:1): reading from S3; download the file first",
    )
    .await;
    check(
        &with("").replace("col:guess", "models:/a/1"),
        "not supported yet: `targets` (suite.yaml:2): registered models as targets; serve the model and give its endpoint or URL",
    )
    .await;
    check(
        &with("").replace("[default]", "[rougeL]"),
        "not supported yet: `metrics.rougeL` (suite.yaml:3): this metric comes in a later version",
    )
    .await;
    check(&with("gates: [worst(a).b <= 1]"), "not supported yet: `gates: worst(…)` (suite.yaml:4): results per slice")
        .await;
    check(&with("run: {repeat: 3}"), "not supported yet: `run.repeat` (suite.yaml:4): repetitions").await;
    check(&with("output: {report: a.html}"), "not supported yet: `output.report` (suite.yaml:4): HTML reports").await;
}

#[tokio::test]
async fn names_that_lead_nowhere_are_errors() {
    let asks = "data: rows.csv\ntargets: endpoint:nobody\nprompts: \"{{question}}\"\nmetrics: [latency]\n";
    check(asks, "target `endpoint:nobody`: no endpoint `nobody`; there is scripted").await;
    check(
        &asks.replace("{{question}}", "{{qestion}}"),
        "prompt `prompt`: `qestion` is no column of rows.csv; did you mean `question`?",
    )
    .await;
    check(&asks.replace("prompts: \"{{question}}\"\n", ""), "suite.yaml:2: `prompts` is missing: the target `nobody` is asked and needs a template, for example `prompts: \"{{question}}\"`").await;
    check(
        &with("gates: [acuracy_score >= 1]").replace("[default]", "[accuracy_score]"),
        "suite.yaml: gate `acuracy_score >= 1`: no metric `acuracy_score`; did you mean `accuracy_score`?",
    )
    .await;
    check(
        &with("gates: [accuracy_score >= many]"),
        "suite.yaml:4: `gates`: `accuracy_score >= many` is no gate; write `metric <= 0.5`, `metric.p95 <= 4s`, \
         `metric better than NAME`, `metric not worse than NAME by 0.01` or `metric equivalent to NAME within 0.01`",
    )
    .await;
    check(
        &with("gates: [accuracy_score better than gues]"),
        "suite.yaml: gate `accuracy_score better than gues`: no variant `gues`; did you mean `guess`?",
    )
    .await;
    check(&with("compare: {baseline: other}"), "suite.yaml: `compare.baseline`: no variant `other`; known are guess")
        .await;
    check(
        &asks.replace("endpoint:nobody", "{url: \"http://127.0.0.1:1/v1\", key: \"${TIDEGATE_TEST_UNSET}\"}"),
        "suite.yaml:2: `targets.key`: the environment variable TIDEGATE_TEST_UNSET is not set; export it before the run",
    )
    .await;
    check(
        &with("").replace("[default]", "[log_loss]"),
        "suite.yaml: metric `log_loss`: it needs probabilities; give the target as {predictions: {label: COLUMN, scores: COLUMN}}",
    )
    .await;
    check(
        &with("task: regression").replace("roles", "positive: 1, roles"),
        "suite.yaml: `data.positive` is for classification, but the task is regression; remove it, or set `task: classification`",
    )
    .await;
    check(
        &with("").replace("roles", "positive: 1, roles"),
        "rows.csv: data.positive is for two labels, found 3: 1, 2, 3",
    )
    .await;
    check(
        &with("task: regression").replace("[default]", "[f1_score]"),
        "suite.yaml: metric `f1_score`: it compares labels, but the task is regression; set `task: classification`",
    )
    .await;
}

#[test]
fn overrides_are_checked_like_the_file() {
    let load = |set: &[&str], only: &[&str]| {
        let bench = Bench::new().file("rows.csv", ROWS);
        let set = set.iter().map(|it| (*it).to_owned()).collect();
        let only = only.iter().map(|it| (*it).to_owned()).collect();
        let overrides = Overrides { set, only, limit: Some(2), ..Overrides::default() };
        Suite::parse(&with(""), &bench.path().join("suite.yaml"), &overrides)
            .and_then(|it| Ok((it.resolved().clone(), eval::plan(&it)?)))
            .map_err(|it| it.to_string().replace(&format!("{}/", bench.path().display()), ""))
    };
    let (resolved, plan) = load(&["run.concurrency=8", "gates=[accuracy_score >= 0.5]"], &["target=guess"]).unwrap();
    assert_eq!((resolved["run"]["concurrency"].as_u64(), plan.rows), (Some(8), 2));
    assert_eq!(resolved["run"]["timeout"], "120s", "defaults are part of the resolved suite");
    assert_eq!(resolved["gates"][0], "accuracy_score >= 0.5");
    let wrong = load(&["run.concurency=8"], &[]).unwrap_err();
    assert_eq!(wrong, "suite.yaml (after --set): `run`: unknown key `concurency`; did you mean `concurrency`?");
    assert!(load(&["run.concurrency"], &[]).unwrap_err().starts_with("--set run.concurrency: expected `key=value`"));
    let wrong = load(&[], &["target=gues"]).unwrap_err();
    assert_eq!(wrong, "--only target=gues: the suite has no target `gues`; did you mean `guess`?");
}
