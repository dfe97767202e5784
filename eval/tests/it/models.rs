//! Asking models: retries, budgets, stopping, resuming, the cache.

use std::sync::atomic::Ordering;

use llm::Error;

use crate::support::{Bench, value};

const SUITE: &str = "
data: [{q: one}, {q: two}, {q: three}, {q: four}]
targets: endpoint:scripted
prompts: \"{{ q }}\"
metrics: [{contains: said}]
run: {concurrency: 1, retries: {max: 2, wait: 1ms}}
";

fn calls(bench: &Bench) -> usize {
    bench.model.calls.swap(0, Ordering::SeqCst)
}

#[tokio::test]
async fn passing_errors_are_tried_again_and_others_are_not() {
    let passing = Error::Limited { message: "slow down".to_owned(), retry_after: Some(std::time::Duration::ZERO) };
    let bench = Bench::new().answers(&[("two", Err(passing))]);
    let outcome = bench.run(SUITE).await.unwrap();
    assert_eq!(calls(&bench), 3 + 3, "one call and two more tries for `two`");
    assert_eq!(value(&outcome, "scripted", "errors"), 0.25);
    assert!(outcome.table().contains("slow down (after 3 tries)"), "{}", outcome.table());
    let bench = Bench::new().answers(&[("two", Err(Error::invalid("messages", "too long")))]);
    bench.run(SUITE).await.unwrap();
    assert_eq!(calls(&bench), 4);
}

#[tokio::test]
async fn a_target_that_cannot_answer_at_all_stops_the_run_at_once() {
    let bench = Bench::new().answers(&[("one", Err(Error::Denied("the key is wrong".to_owned())))]);
    assert_eq!(bench.error(SUITE).await, (3, "variant `scripted`: the key is wrong".to_owned()));
    assert_eq!(calls(&bench), 1);
}

#[tokio::test]
async fn budgets_and_errors_stop_with_code_4_and_partial_results() {
    let bench = Bench::new();
    let outcome = bench.run(&SUITE.replace("concurrency: 1", "concurrency: 1, budget: {requests: 2}")).await.unwrap();
    assert_eq!((outcome.exit_code(), calls(&bench)), (4, 2));
    assert_eq!(value(&outcome, "scripted", "contains"), 1.0);
    assert!(outcome.table().contains("the budget of 2 requests is used up"), "{}", outcome.table());
    let failing = Error::invalid("q", "no");
    let bench = Bench::new().answers(&[("two", Err(failing.clone())), ("three", Err(failing))]);
    let outcome = bench.run(&SUITE.replace("concurrency: 1", "concurrency: 1, max_errors: 1")).await.unwrap();
    assert_eq!((outcome.exit_code(), calls(&bench)), (4, 3));
    assert!(outcome.table().contains("2 of 4 cells failed"), "{}", outcome.table());
}

#[tokio::test]
async fn an_unfinished_run_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let stopped = bench.run(&SUITE.replace("concurrency: 1", "concurrency: 1, budget: {requests: 3}")).await.unwrap();
    assert_eq!((stopped.exit_code(), calls(&bench)), (4, 3));
    let finished = bench.run(SUITE).await.unwrap();
    assert_eq!((finished.exit_code(), calls(&bench), &finished.json()["reused"]), (0, 1, &3.into()));
    bench.run(SUITE).await.unwrap();
    assert_eq!(calls(&bench), 4, "a finished run leaves nothing to resume");
}

#[tokio::test]
async fn an_interrupt_is_code_130_and_keeps_what_was_finished() {
    let bench = Bench::new();
    let model = bench.model.clone();
    // Ready as soon as the second call was made.
    let stop = std::future::poll_fn(move |context| {
        context.waker().wake_by_ref();
        if model.calls.load(Ordering::SeqCst) >= 2 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    });
    let error = bench.run_until(SUITE, stop).await.unwrap_err();
    assert_eq!(error.exit_code(), 130, "{error}");
    let asked = calls(&bench);
    let finished = bench.run(SUITE).await.unwrap();
    let reused = usize::try_from(finished.json()["reused"].as_u64().unwrap()).unwrap();
    assert!(asked >= 2 && reused >= 1 && calls(&bench) == 4 - reused, "{asked} {reused}");
}

#[tokio::test]
async fn the_cache_keeps_answers_across_runs_when_it_is_asked_to() {
    let bench = Bench::new();
    let cached = SUITE.replace("concurrency: 1", "concurrency: 1, cache: true");
    bench.run(&cached).await.unwrap();
    assert_eq!(calls(&bench), 4);
    let again = bench.run(&cached).await.unwrap();
    assert_eq!((calls(&bench), &again.json()["reused"]), (0, &4.into()));
    bench.run(&SUITE.replace("concurrency: 1", "concurrency: 1, cache: refresh")).await.unwrap();
    assert_eq!(calls(&bench), 4);
    bench.run(&cached.replace("{{ q }}", "{{ q }}!")).await.unwrap();
    assert_eq!(calls(&bench), 4, "another prompt is another request");
}
