//! Text answers: checks, modifiers, coverage, and what a call took.

use crate::support::{Bench, metric_of, value};

const ROWS: &str = "question,answer,kind\nCapital of France?,Paris,geo\nCapital of Peru?,Lima,geo\n1 + 1?,2,math\n";

const SUITE: &str = "
data: {source: rows.csv, roles: {expected: answer}}
targets: endpoint:scripted
prompts: \"Q: {{ question }}\"
params: {temperature: 0}
run: {retries: 0}
";

fn bench() -> Bench {
    Bench::new().file("rows.csv", ROWS).answers(&[
        ("France", Ok("It is Paris.")),
        ("Peru", Ok("lima")),
        ("1 + 1", Err(llm::Error::Unavailable("the model is gone".to_owned()))),
    ])
}

#[tokio::test]
async fn answers_are_checked_and_failures_are_no_zeros() {
    let metrics = "metrics: [exact_match, contains, icontains, {contains: {value: '{{ answer }}', ignore_case: true, as: templated}}, \
                   {not: {contains: Paris}}, {regex_match: '^\\w+$'}, squad_f1, {response_length: {max: 1, unit: words}}, \
                   {contains_any: [Paris, lima]}, {any: [exact_match, {equals: {ignore_case: true}}], as: x}]";
    let metrics = metrics.replace(", as: x}", "}");
    let outcome = bench().run(&format!("{SUITE}{metrics}")).await.unwrap();
    let check = |metric: &str, expected: f64| {
        let found = value(&outcome, "scripted", metric).as_f64().unwrap();
        assert!((found - expected).abs() < 1e-12, "{metric}: {found}");
    };
    check("exact_match", 0.0);
    check("contains", 0.5);
    check("icontains", 1.0);
    check("templated", 1.0);
    check("not_contains", 0.5);
    check("regex_match", 0.5);
    check("squad_f1", f64::midpoint(0.5, 1.0));
    check("response_length", 0.5);
    check("contains_any", 1.0);
    check("any", 0.5);
    check("errors", 1.0 / 3.0);
    let coverage = metric_of(&outcome, "scripted", "icontains");
    assert_eq!((&coverage["rows"], &coverage["of"]), (&2.into(), &3.into()));
    assert_eq!(value(&outcome, "scripted", "tokens"), 6.0, "4 + 3 and 4 + 1 tokens");
    assert_eq!(metric_of(&outcome, "scripted", "tokens")["sum"], 12.0);
    assert!(value(&outcome, "scripted", "cost").is_null(), "without a price the cost is unknown, not nothing");
    assert!(value(&outcome, "scripted", "latency").as_f64().unwrap() >= 0.0);
    assert!(outcome.table().contains("the model is gone"), "{}", outcome.table());
}

#[tokio::test]
async fn when_and_pass_change_which_rows_count_and_how() {
    let metrics = "metrics: [{icontains: {when: \"kind == 'geo'\", as: geo}}, {squad_f1: {pass: '>= 0.9', as: good}}]";
    let outcome = bench().run(&format!("{SUITE}{metrics}")).await.unwrap();
    let geo = metric_of(&outcome, "scripted", "geo");
    assert_eq!((&geo["value"], &geo["rows"], &geo["of"]), (&1.0.into(), &2.into(), &2.into()));
    assert_eq!(value(&outcome, "scripted", "good"), 0.5);
    let wrong = format!("{SUITE}metrics: [{{icontains: {{when: \"knd == 'geo'\"}}}}]");
    let (code, message) = bench().error(&wrong).await;
    assert_eq!(code, 3);
    assert_eq!(message, "suite.yaml: metric `icontains`: when: `knd` is no column of rows.csv; did you mean `kind`?");
}

#[tokio::test]
async fn variants_are_the_grid_of_targets_prompts_and_params() {
    let suite = SUITE
        .replace("prompts: \"Q: {{ question }}\"", "prompts: {short: \"{{ question }}\", long: [{role: system, content: Be brief.}, {role: user, content: \"{{ row.question }}\"}]}")
        .replace("temperature: 0", "temperature: [0, 1], max_tokens: 5");
    let outcome = Bench::new().file("rows.csv", ROWS).run(&format!("{suite}metrics: [default]")).await.unwrap();
    let variants = outcome.json()["variants"].as_array().unwrap();
    let names: Vec<&str> = variants.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["short/temperature=0", "short/temperature=1", "long/temperature=0", "long/temperature=1"]);
    assert_eq!(variants[3]["axes"]["max_tokens"], "5");
    let (code, message) =
        bench().error(&format!("{}metrics: [default]", SUITE.replace("temperature: 0", "temperature: hot"))).await;
    assert_eq!(code, 3);
    assert!(
        message.starts_with("suite.yaml: `params` of variant `scripted`: invalid type: string \"hot\""),
        "{message}"
    );
}

#[tokio::test]
async fn answers_can_be_labels_and_numbers() {
    let rows = "text,label\ngreat,good\nawful,bad\nodd,good\n";
    let bench = Bench::new().file("rows.csv", rows).answers(&[
        ("great", Ok("good\n")),
        ("awful", Ok("good")),
        ("odd", Ok("I cannot say.")),
    ]);
    let suite = "{data: rows.csv, task: classification, targets: endpoint:scripted, prompts: '{{ text }}', metrics: [accuracy_score]}";
    let accuracy = bench.run(suite).await.unwrap();
    let accuracy = metric_of(&accuracy, "scripted", "accuracy_score");
    assert_eq!((&accuracy["value"], &accuracy["rows"], &accuracy["of"]), (&0.5.into(), &2.into(), &3.into()));
}
