//! What the gateway tries when an answer does not come, against providers that fail in every way.

use gateway::{BreakerState, Outcome};
use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello};

const CHAT_PATH: &str = "/v1/chat/completions";
const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}"#;
const STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n\
                      data: [DONE]\n\n";

fn oops(status: u16) -> Reply {
    Reply::json(status, r#"{"error":{"message":"oops","type":"server_error"}}"#)
}

fn streaming(model: &str) -> Value {
    let mut body = hello(Some(model));
    body["stream"] = true.into();
    body
}

/// Endpoints `one` and `two` at two providers, each with more keys.
fn pair(one: (&Provider, &str), two: (&Provider, &str), rest: &str) -> String {
    let endpoint = |name: &str, (provider, keys): (&Provider, &str)| {
        format!(
            "  - name: {name}\n    endpoint_type: llm/v1/chat\n    {keys}\n    model:\n      provider: openai\n      \
             name: gpt-{name}\n      config: {{openai_api_key: $KEY, openai_api_base: {}}}\n",
            provider.base
        )
    };
    format!("endpoints:\n{}{}{rest}", endpoint("one", one), endpoint("two", two))
}

const ROUTE: &str = "
routes:
  - name: both
    task_type: llm/v1/chat
    destinations: [{name: one, traffic_percentage: 50}, {name: two, traffic_percentage: 50}]
";

#[tokio::test]
async fn retries_until_an_answer_comes() {
    let provider = Provider::start().await;
    let yaml = pair((&provider, "retries: {max: 6, base_ms: 1, max_ms: 2}"), (&provider, ""), "");
    let mut gateway = TestGateway::start(&yaml, &provider).await;
    let failures = || {
        [
            oops(500),
            oops(409),
            Reply::json(200, "<html>busy</html>"),
            Reply::json(200, r#"{"error":{"message":"busy","code":503}}"#),
            Reply::json(429, r#"{"error":{"message":"slow down"}}"#),
            Reply::Cut { content_type: "application/json", body: "{".to_owned() },
        ]
    };
    for failure in failures() {
        provider.will(failure);
    }
    provider.will(Reply::json(200, ANSWER));
    let response = gateway.post(CHAT_PATH, &hello(Some("one"))).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-tidegate-attempts"], "7");
    assert_eq!(response.headers()["x-tidegate-endpoint"], "one");
    let call = gateway.calls.recv().await.unwrap();
    let statuses: Vec<u16> = call
        .attempts
        .iter()
        .map(|it| match &it.outcome {
            Outcome::Failed { status, .. } => *status,
            _ => 200,
        })
        .collect();
    assert_eq!(statuses, [500, 409, 502, 503, 429, 503, 200]);
    assert_eq!(call.outcome, Outcome::Ok);

    // When all fail, the last error is the answer.
    for failure in failures() {
        provider.will(failure);
    }
    provider.will(oops(503));
    let response = gateway.post(CHAT_PATH, &hello(Some("one"))).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["x-tidegate-attempts"], "7");
    assert!(matches!(gateway.calls.recv().await.unwrap().outcome, Outcome::Failed { status: 503, .. }));
}

#[tokio::test]
async fn streams_are_retried_before_their_first_piece_and_never_after() {
    let provider = Provider::start().await;
    let yaml = pair((&provider, "retries: {max: 3, base_ms: 1}"), (&provider, ""), "");
    let mut gateway = TestGateway::start(&yaml, &provider).await;
    provider.will(Reply::sse("data: {\"error\":{\"message\":\"busy\",\"type\":\"overloaded_error\"}}\n\n"));
    provider.will(Reply::sse(""));
    provider.will(Reply::sse(STREAM));
    let events = gateway.stream(CHAT_PATH, &streaming("one")).await;
    assert_eq!(events.len(), 2);
    assert_eq!(gateway.calls.recv().await.unwrap().attempts.len(), 3);

    provider.will(Reply::Cut {
        content_type: "text/event-stream",
        body: "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n".to_owned(),
    });
    let events = gateway.stream(CHAT_PATH, &streaming("one")).await;
    assert_eq!(events.len(), 2);
    assert!(events[1].contains("broke off its stream"), "{}", events[1]);
    assert_eq!(provider.seen().len(), 4);
}

#[tokio::test]
async fn what_will_not_pass_is_not_repeated() {
    let provider = Provider::start().await;
    let yaml = pair((&provider, "retries: {max: 3, base_ms: 1, max_ms: 50}"), (&provider, ""), "");
    let gateway = TestGateway::start(&yaml, &provider).await;
    let limited = |after: &str| Reply::Bytes {
        status: 429,
        headers: vec![("retry-after", after.to_owned())],
        body: r#"{"error":{"message":"slow down"}}"#.to_owned(),
    };
    let purse = r#"{"error":{"message":"pay","code":"insufficient_quota"}}"#;
    for (reply, status) in [(oops(400), 400), (oops(401), 401), (limited("3600"), 429), (Reply::json(429, purse), 429)]
    {
        let before = provider.seen().len();
        provider.will(reply);
        assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, status);
        assert_eq!(provider.seen().len(), before + 1);
    }
}

#[tokio::test]
async fn fallbacks_are_asked_for_what_they_are_there_for() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let keys = "fallbacks: [{name: two, on: [context_length, content_filter, server_error]}]";
    let mut gateway = TestGateway::start(&pair((&first, keys), (&second, ""), ""), &first).await;
    let too_long =
        r#"{"error":{"message":"This model's maximum context length is 8 tokens","code":"context_length_exceeded"}}"#;
    let filtered = r#"{"error":{"message":"no","code":"content_filter"}}"#;
    for reply in [Reply::json(400, too_long), Reply::json(400, filtered), oops(500)] {
        first.will(reply);
        second.will(Reply::json(200, ANSWER));
        let response = gateway.post(CHAT_PATH, &hello(Some("one"))).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-tidegate-endpoint"], "two");
        let call = gateway.calls.recv().await.unwrap();
        assert_eq!((call.endpoint.as_str(), call.model.as_str(), call.attempts.len()), ("two", "gpt-two", 2));
    }
    assert_eq!(second.seen()[0].body["model"], "gpt-two");
    // Of a rate limit nothing was said.
    first.will(Reply::json(429, r#"{"error":{"message":"slow down"}}"#));
    assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, 429);
    // When both fail, the last one's error is told.
    first.will(oops(500));
    second.will(oops(502));
    assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, 502);
}

#[tokio::test]
async fn an_endpoint_that_asks_to_be_left_alone_is_and_its_fallback_is_asked_at_once() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let yaml = pair((&first, "fallbacks: [{name: two, on: rate_limit}]"), (&second, ""), "");
    let mut gateway = TestGateway::start(&yaml, &first).await;
    first.will(Reply::Bytes {
        status: 429,
        headers: vec![("retry-after", "30".to_owned())],
        body: r#"{"error":{"message":"slow down"}}"#.to_owned(),
    });
    for attempts in [2, 1] {
        second.will(Reply::json(200, ANSWER));
        assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, 200);
        assert_eq!(gateway.calls.recv().await.unwrap().attempts.len(), attempts);
    }
    assert_eq!((first.seen().len(), second.seen().len()), (1, 2));
    assert!(gateway.gateway.health()[0].is_limited);
}

#[tokio::test]
async fn what_takes_too_long_is_stopped_and_goes_elsewhere() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let keys = "timeouts: {first_byte_ms: 100}\n    fallbacks: [{name: two, on: timeout}]";
    let mut gateway = TestGateway::start(&pair((&first, keys), (&second, ""), ""), &first).await;
    let (gone, went) = tokio::sync::oneshot::channel();
    first.will(Reply::Never { gone });
    second.will(Reply::sse(STREAM));
    assert_eq!(gateway.stream(CHAT_PATH, &streaming("one")).await.len(), 2);
    went.await.unwrap();
    let attempts = gateway.calls.recv().await.unwrap().attempts;
    let message = "provider `openai` did not answer within 100ms".to_owned();
    assert_eq!(attempts[0].outcome, Outcome::Failed { status: 504, message });
    assert_eq!((attempts[1].endpoint.as_str(), &attempts[1].outcome), ("two", &Outcome::Ok));
}

#[tokio::test]
async fn a_stream_without_an_end_is_ended() {
    let provider = Provider::start().await;
    let yaml = pair((&provider, "timeouts: {total_ms: 1500}"), (&provider, ""), "");
    let gateway = TestGateway::start(&yaml, &provider).await;
    let (gone, went) = tokio::sync::oneshot::channel();
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n".to_owned();
    provider.will(Reply::Hang { body, gone });
    let events = gateway.stream(CHAT_PATH, &streaming("one")).await;
    assert_eq!(events.len(), 2);
    assert!(events[1].contains("provider `openai` streamed for longer than the call may take"), "{}", events[1]);
    went.await.unwrap();
}

#[tokio::test]
async fn the_fast_endpoint_gets_the_calls() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let yaml = pair(
        (&first, ""),
        (&second, ""),
        &format!("{ROUTE}    routing_strategy: LEAST_LATENCY\n    retries: {{max: 1}}\n"),
    );
    let gateway = TestGateway::start(&yaml, &first).await;
    // One failure counts as an answer that took long.
    first.will(oops(500));
    for _ in 0..20 {
        second.will(Reply::json(200, ANSWER));
    }
    for _ in 0..20 {
        assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("both"))).await.0, 200);
    }
    assert_eq!((first.seen().len(), second.seen().len()), (1, 20));
}

#[tokio::test]
async fn endpoints_may_fall_back_to_each_other_without_going_in_circles() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let yaml = pair((&first, "fallbacks: [{name: two}]"), (&second, "fallbacks: [{name: one}]"), "");
    let gateway = TestGateway::start(&yaml, &first).await;
    first.will(oops(500));
    second.will(oops(500));
    assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, 500);
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1));
}

#[tokio::test]
async fn a_route_turns_to_its_other_endpoint() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let yaml = pair((&first, ""), (&second, ""), &format!("{ROUTE}    retries: {{max: 1}}\n"));
    let gateway = TestGateway::start(&yaml, &first).await;
    // Whichever is asked first fails; the call goes on at the other one.
    for _ in 0..4 {
        first.will(oops(500));
        second.will(oops(500));
        assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("both"))).await.0, 500);
    }
    assert_eq!((first.seen().len(), second.seen().len()), (4, 4));
}

/// A gateway whose route has two endpoints, of which the first fails twice; the second always answers.
async fn failing_twice(rest_ms: u32) -> (Provider, TestGateway) {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let breaker = format!("breaker: {{failures: 2, rest_ms: {rest_ms}}}");
    let yaml = pair((&first, &breaker), (&second, &breaker), &format!("{ROUTE}    retries: {{max: 1}}\n"));
    let gateway = TestGateway::start(&yaml, &first).await;
    for _ in 0..2 {
        first.will(oops(500));
    }
    for _ in 0..CALLS {
        second.will(Reply::json(200, ANSWER));
    }
    (first, gateway)
}

/// Enough for either endpoint to be drawn twice: that it is not has a chance of 1 in 10^28.
const CALLS: usize = 100;

fn breaker_of(gateway: &TestGateway, name: &str) -> (BreakerState, u64) {
    let all = gateway.gateway.health();
    all.into_iter().find(|it| it.endpoint == name).map(|it| (it.breaker, it.opened)).unwrap()
}

#[tokio::test]
async fn an_endpoint_that_fails_again_and_again_is_left_alone() {
    let (first, gateway) = failing_twice(3_600_000).await;
    for _ in 0..CALLS {
        assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("both"))).await.0, 200);
    }
    assert_eq!(first.seen().len(), 2);
    assert_eq!(breaker_of(&gateway, "one"), (BreakerState::Open, 1));
    assert_eq!(breaker_of(&gateway, "two"), (BreakerState::Closed, 0));
    let (_, shown) = gateway.get("/api/3.0/tidegate/gateway/health").await;
    assert_eq!((&shown["endpoints"][0]["breaker"], &shown["endpoints"][0]["opened"]), (&json!("open"), &json!(1)));
}

#[tokio::test]
async fn a_probe_that_succeeds_ends_its_rest() {
    let (first, gateway) = failing_twice(1).await;
    for _ in 0..CALLS {
        first.will(Reply::json(200, ANSWER));
    }
    let mut asked = 0;
    while breaker_of(&gateway, "one") != (BreakerState::Closed, 1) {
        asked += 1;
        assert!(asked < CALLS, "it never opened, or never closed again");
        assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("both"))).await.0, 200);
    }
    assert!(first.seen().len() >= 3);
}

#[tokio::test]
async fn the_only_endpoint_is_asked_however_often_it_failed() {
    let provider = Provider::start().await;
    let yaml = pair((&provider, "breaker: {failures: 1}"), (&provider, ""), "");
    let gateway = TestGateway::start(&yaml, &provider).await;
    for _ in 0..3 {
        provider.will(oops(500));
        assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, 500);
    }
    provider.will(Reply::json(200, ANSWER));
    assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, 200);
}

#[tokio::test]
async fn a_slow_attempt_gets_company_and_the_loser_is_stopped() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let yaml = pair((&first, ""), (&second, ""), &format!("{ROUTE}    hedge: {{after_ms: 20}}\n"));
    let mut gateway = TestGateway::start(&yaml, &first).await;
    let (gone, went) = tokio::sync::oneshot::channel();
    let (gone_too, went_too) = tokio::sync::oneshot::channel();
    first.will(Reply::Never { gone });
    second.will(Reply::Never { gone: gone_too });
    let body = hello(Some("both"));
    let pending = gateway.post(CHAT_PATH, &body);
    let both_asked = async {
        while first.seen().len() + second.seen().len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    // The caller leaves: both are stopped.
    tokio::select! { _ = pending => panic!("nobody answers"), () = both_asked => {} }
    went.await.unwrap();
    went_too.await.unwrap();
    assert_eq!(gateway.calls.recv().await.unwrap().outcome, Outcome::Cancelled);

    // Now only one hangs.
    let yaml = pair((&first, "hedge: {after_ms: 20}"), (&second, ""), "");
    let mut gateway = TestGateway::start(&yaml, &first).await;
    let (gone, went) = tokio::sync::oneshot::channel();
    first.will(Reply::Never { gone });
    first.will(Reply::json(200, ANSWER));
    assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, 200);
    went.await.unwrap();
    let outcomes: Vec<_> = gateway.calls.recv().await.unwrap().attempts.into_iter().map(|it| it.outcome).collect();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.contains(&Outcome::Cancelled) && outcomes.contains(&Outcome::Ok), "{outcomes:?}");
}

#[tokio::test]
async fn company_comes_after_what_is_usual_and_to_a_share_of_the_calls_only() {
    let provider = Provider::start().await;
    let hedge = "hedge: {after: p95, min_samples: 10, min_ms: 1, max_ms: 20, max_percent: 1}\n    \
        timeouts: {first_byte_ms: 400}";
    let yaml = pair((&provider, hedge), (&provider, ""), "");
    let mut gateway = TestGateway::start(&yaml, &provider).await;
    // Before anybody knows what is usual, nobody gets company.
    provider.will(Reply::Never { gone: tokio::sync::oneshot::channel().0 });
    assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, 504);
    assert_eq!(gateway.calls.recv().await.unwrap().attempts.len(), 1);
    for _ in 0..10 {
        provider.will(Reply::json(200, ANSWER));
        assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, 200);
        assert!(matches!(gateway.calls.recv().await.unwrap().outcome, Outcome::Ok));
    }
    provider.forget();
    let mut hedged = 0;
    for _ in 0..11 {
        provider.will(Reply::Never { gone: tokio::sync::oneshot::channel().0 }).will(Reply::json(200, ANSWER));
        let status = gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0;
        let attempts = gateway.calls.recv().await.unwrap().attempts.len();
        assert!(matches!((status, attempts), (200, 2) | (504, 1)), "{status} after {attempts}");
        hedged += attempts - 1;
        provider.forget();
    }
    // Ten may be made at once; then it is one in a hundred.
    assert_eq!(hedged, 10);
}

#[tokio::test]
async fn a_full_endpoint_says_so_and_a_caller_who_leaves_makes_room() {
    let provider = Provider::start().await;
    let yaml = pair((&provider, "concurrency: {max: 1, queue: 1, wait_ms: 60000}"), (&provider, ""), "");
    let gateway = TestGateway::start(&yaml, &provider).await;
    let waiting = |count: u32| {
        let gateway = gateway.gateway.clone();
        async move {
            while gateway.health()[0].waiting != count {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        }
    };
    let (gone, went) = tokio::sync::oneshot::channel();
    provider.will(Reply::Hang { body: STREAM.replace("data: [DONE]\n\n", ""), gone });
    let mut first = gateway.post(CHAT_PATH, &streaming("one")).await;
    assert!(first.chunk().await.unwrap().is_some());
    assert_eq!(gateway.gateway.health()[0].in_flight, 1);

    // One waits; the next is told so; the one that waited leaves.
    let body = hello(Some("one"));
    let queued = gateway.post(CHAT_PATH, &body);
    let refused = async {
        waiting(1).await;
        gateway.post(CHAT_PATH, &hello(Some("one"))).await
    };
    let refused = tokio::select! { _ = queued => panic!("there is no room"), refused = refused => refused };
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    let body: Value = refused.json().await.unwrap();
    let words = "endpoint `one` has 1 calls running, as many as its `concurrency` lets, and 1 more wait already; try \
                 again later";
    assert_eq!(body["error"]["message"], json!(words));
    waiting(0).await;
    assert_eq!(provider.seen().len(), 1, "the one who left was never sent");

    assert_eq!(gateway.gateway.health()[0].waiting, 0);
    // The end of the first stream lets the next call in.
    drop(first);
    went.await.unwrap();
    provider.will(Reply::json(200, ANSWER));
    assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("one"))).await.0, 200);
}

#[tokio::test]
async fn a_caller_who_leaves_between_attempts_ends_them() {
    let provider = Provider::start().await;
    let limited = Reply::Bytes {
        status: 429,
        headers: vec![("retry-after", "60".to_owned())],
        body: r#"{"error":{"message":"slow down"}}"#.to_owned(),
    };
    let yaml = pair((&provider, "retries: {max: 3, max_ms: 100000}"), (&provider, ""), "");
    let mut gateway = TestGateway::start(&yaml, &provider).await;
    provider.will(limited);
    let asked = async {
        while provider.seen().is_empty() || gateway.gateway.health()[0].in_flight > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    let body = hello(Some("one"));
    let pending = gateway.post(CHAT_PATH, &body);
    tokio::select! { _ = pending => panic!("it waits for a minute"), () = asked => {} }
    let call = gateway.calls.recv().await.unwrap();
    assert_eq!((call.outcome, call.attempts.len()), (Outcome::Cancelled, 1));
}

#[tokio::test]
async fn a_session_stays_where_it_is() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let yaml = pair((&first, ""), (&second, ""), &format!("{ROUTE}    routing_strategy: STICKY\n"));
    let gateway = TestGateway::start(&yaml, &first).await;
    for provider in [&first, &second] {
        for _ in 0..40 {
            provider.will(Reply::json(200, ANSWER));
        }
    }
    let mut moved = std::collections::HashSet::new();
    for session in 0..10 {
        let before = first.seen().len();
        for _ in 0..4 {
            let request = gateway.http.post(format!("{}{CHAT_PATH}", gateway.base));
            let request = request.header("x-tidegate-session", format!("session-{session}"));
            assert_eq!(request.json(&hello(Some("both"))).send().await.unwrap().status(), 200);
        }
        let taken = first.seen().len() - before;
        assert!(taken == 0 || taken == 4, "session {session} went both ways");
        moved.insert(taken);
    }
    assert_eq!(moved.len(), 2, "all sessions went one way");
    let (_, listed) = gateway.get("/api/3.0/gateway/route/both").await;
    assert_eq!(listed["routing_strategy"], "STICKY");
}
