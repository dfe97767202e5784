//! Gates decide the exit code.

use crate::support::Bench;

async fn check(gates: &str, expected: u8) -> eval::Outcome {
    use std::fmt::Write as _;
    // `a` errs by 1 on every tenth row, `b` by 1 on every row, `c` is `a` with a little noise.
    let rows = (0..100).fold("y,a,b,c\n".to_owned(), |mut text, it| {
        let error = f64::from(u8::from(it % 10 == 0));
        let noise = f64::from(it % 7 - 3) / 100.0;
        writeln!(
            text,
            "{it}.5,{},{},{}",
            f64::from(it) + 0.5 + error,
            f64::from(it) + 1.5,
            f64::from(it) + 0.5 + error + noise
        )
        .unwrap();
        text
    });
    let suite = format!(
        "{{data: {{source: rows.csv, roles: {{expected: y}}}}, task: regression, targets: {{a: 'col:a', b: 'col:b', c: 'col:c'}}, \
         metrics: [default, spearmanr], compare: {{bootstrap: 100}}, gates: [{gates}]}}"
    );
    let outcome = Bench::new().file("rows.csv", &rows).run(&suite).await.unwrap();
    assert_eq!(outcome.exit_code(), expected, "{gates}\n{}", outcome.table());
    outcome
}

#[tokio::test]
async fn thresholds() {
    check("'mean_absolute_error <= 1'", 0).await;
    check("'mean_absolute_error <= 0.5'", 1).await;
    check("{gate: 'mean_absolute_error <= 0.5', target: a}", 0).await;
    check("{gate: 'mean_absolute_error <= 0.5', level: warn}", 0).await;
    check("'mean_absolute_error <= 110%', 'max_error.p95 <= 2'", 1).await;
    check("{gate: 'mean_absolute_error.ci.high <= 0.2', target: a}", 0).await;
    check("{gate: 'mean_absolute_error.ci.high <= 0.1', target: a}", 1).await;
    check("{gate: 'mean_absolute_error == 0.1', target: a}", 0).await;
}

#[tokio::test]
async fn comparisons_with_a_baseline() {
    check("{gate: 'mean_absolute_error better than b', target: a}", 0).await;
    check("{gate: 'mean_absolute_error better than b by 0.97', target: a}", 1).await;
    check("{gate: 'root_mean_squared_error better than b', target: c}", 0).await;
    check("{gate: 'mean_absolute_error not worse than a by 0.02', target: c}", 0).await;
    check("{gate: 'mean_absolute_error not worse than a by 10%', target: b}", 1).await;
    check("{gate: 'mean_absolute_error equivalent to a within 0.05', target: c}", 0).await;
    let open = "gate: 'mean_absolute_error better than b by 0.9', target: a";
    let outcome = check(&format!("{{{open}}}"), 0).await;
    assert_eq!(outcome.json()["gates"][0]["verdict"], "inconclusive");
    check(&format!("{{{open}, inconclusive: fail}}"), 2).await;
    check(&format!("{{{open}, inconclusive: fail}}, 'max_error <= 0'"), 1).await;
}

#[tokio::test]
async fn differences_to_the_baseline_are_part_of_the_report() {
    let rows = "y,a,b\n1,1,2\n2,2,4\n3,3,6\n4,4,7\n";
    let suite = "{data: {source: rows.csv, roles: {expected: y}}, task: regression, targets: {a: 'col:a', b: 'col:b'}, \
                 metrics: [mean_absolute_error], compare: {baseline: a}}";
    let outcome = Bench::new().file("rows.csv", rows).run(suite).await.unwrap();
    let difference = &outcome.json()["differences"][0];
    assert_eq!((&difference["variant"], &difference["difference"]), (&"b".into(), &2.25.into()));
    assert!(outcome.table().contains("Paired differences to a"), "{}", outcome.table());
    assert!(outcome.table().contains("worse"), "{}", outcome.table());
}
