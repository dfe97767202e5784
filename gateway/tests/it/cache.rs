//! Answers that are kept: what a hit is, what none is, and whom it is kept from.

use std::time::Duration;

use gateway::{CacheUse, Usd};
use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello, load};

const YAML: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
    cache: {CACHE}
  - name: twin
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
    cache: {CACHE}
  - name: plain
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
routes:
  - name: route
    task_type: llm/v1/chat
    destinations: [{name: plain, traffic_percentage: 100}]
    cache: {CACHE}
";

async fn start(cache: &str, provider: &Provider) -> TestGateway {
    TestGateway::start(&YAML.replace("{CACHE}", &format!("{{{cache}}}")), provider).await
}

fn answer(text: &str) -> String {
    // Spaces and an unknown field, which a hit must repeat.
    format!(
        r#"{{"id":"c1", "object":"chat.completion","created":1,"model":"gpt-5","x":1.50,"choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010}}}}"#
    )
}

/// Asks, and gives what the cache did and the body.
async fn ask(gateway: &TestGateway, body: &Value, headers: &[(&str, &str)]) -> (Option<String>, String) {
    let mut request = gateway.http.post(format!("{}/v1/chat/completions", gateway.base)).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let used = response.headers().get("x-tidegate-cache").map(|it| it.to_str().unwrap().to_owned());
    (used, response.text().await.unwrap())
}

#[tokio::test]
async fn a_hit_is_the_answer_byte_for_byte_and_costs_nothing() {
    let provider = Provider::start().await;
    let mut gateway = start("ttl: 1h", &provider).await;
    provider.will(Reply::json(200, &answer("hello")));
    let request = hello(Some("chat"));
    assert_eq!(ask(&gateway, &request, &[]).await, (Some("miss".to_owned()), answer("hello")));
    let call = gateway.calls.recv().await.unwrap();
    assert_eq!((call.cache, call.cost.unwrap().total), (Some(CacheUse::Miss), Usd::parse("0.00135").unwrap()));
    assert_eq!((call.saved, call.attempts.len()), (None, 1));

    // The order of fields, and fields that change no answer, change no key.
    let same = json!({"user": "u", "metadata": {"a": "b"}, "messages": [{"content": "hi", "role": "user"}],
        "model": "chat", "temperature": null});
    let response = gateway.post("/v1/chat/completions", &same).await;
    assert_eq!(response.status(), 200);
    let head = response.headers().clone();
    assert_eq!(
        (&head["x-tidegate-cache"], &head["x-tidegate-cost-usd"]),
        (&"hit".parse().unwrap(), &"0".parse().unwrap())
    );
    assert!(head["age"].to_str().unwrap().parse::<u64>().unwrap() < 60);
    assert_eq!(response.text().await.unwrap(), answer("hello"));
    let call = gateway.calls.recv().await.unwrap();
    assert!(matches!(call.cache, Some(CacheUse::Hit { .. })));
    assert_eq!((call.cost.unwrap().total, call.saved.unwrap().total), (Usd::default(), Usd::parse("0.00135").unwrap()));
    assert_eq!((call.provider.as_str(), call.attempts.len()), ("openai", 0));
    assert_eq!(provider.seen().len(), 1);

    for other in [
        json!({"model": "chat", "messages": [{"role": "user", "content": "hi!"}]}),
        json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}),
        json!({"model": "chat", "messages": [{"role": "system", "content": "hi"}]}),
        json!({"model": "twin", "messages": [{"role": "user", "content": "hi"}]}),
        json!({"model": "route", "messages": [{"role": "user", "content": "hi"}]}),
    ] {
        provider.will(Reply::json(200, &answer("other")));
        assert_eq!(ask(&gateway, &other, &[]).await, (Some("miss".to_owned()), answer("other")), "{other}");
    }
    assert_eq!(ask(&gateway, &hello(Some("route")), &[]).await, (Some("hit".to_owned()), answer("other")));
    provider.will(Reply::json(200, &answer("plain")));
    assert_eq!(ask(&gateway, &hello(Some("plain")), &[]).await, (None, answer("plain")));
}

#[tokio::test]
async fn callers_with_different_keys_share_only_what_the_configuration_shares() {
    let (anna, ben) = ([("authorization", "Bearer tg-anna")], [("authorization", "Bearer tg-ben")]);
    for (share, seen) in [("ttl: 1h", "miss"), ("share: key", "miss"), ("share: everyone", "hit")] {
        let provider = Provider::start().await;
        let gateway = start(share, &provider).await;
        provider.will(Reply::json(200, &answer("for Anna"))).will(Reply::json(200, &answer("for Ben")));
        assert_eq!(ask(&gateway, &hello(Some("chat")), &anna).await.0.as_deref(), Some("miss"));
        assert_eq!(ask(&gateway, &hello(Some("chat")), &ben).await.0.as_deref(), Some(seen), "{share}");
        assert_eq!(ask(&gateway, &hello(Some("chat")), &anna).await, (Some("hit".to_owned()), answer("for Anna")));
    }
}

#[tokio::test]
async fn endpoints_of_one_namespace_share_their_answers() {
    let provider = Provider::start().await;
    let gateway = start("namespace: faq", &provider).await;
    provider.will(Reply::json(200, &answer("hello")));
    assert_eq!(ask(&gateway, &hello(Some("chat")), &[]).await.0.as_deref(), Some("miss"));
    for name in ["chat", "twin", "route"] {
        assert_eq!(ask(&gateway, &hello(Some(name)), &[]).await, (Some("hit".to_owned()), answer("hello")), "{name}");
    }
}

#[tokio::test]
async fn callers_choose_by_cache_control() {
    let provider = Provider::start().await;
    let gateway = start("ttl: 1h", &provider).await;
    let request = hello(Some("chat"));
    let steps = [
        // Header, what the cache did, what came.
        ("no-store", "bypass", "1"),
        ("", "miss", "2"),
        ("", "hit", "2"),
        ("max-age=3600", "hit", "2"),
        ("max-age=0", "miss", "3"),
        ("", "hit", "3"),
        ("no-cache", "bypass", "4"),
        ("", "hit", "4"),
        ("no-store", "bypass", "5"),
        ("", "hit", "4"),
    ];
    for text in ["1", "2", "3", "4", "5"] {
        provider.will(Reply::json(200, &answer(text)));
    }
    for (step, (control, used, text)) in steps.into_iter().enumerate() {
        let headers = [("cache-control", control)];
        let headers = if control.is_empty() { &headers[..0] } else { &headers };
        assert_eq!(ask(&gateway, &request, headers).await, (Some(used.to_owned()), answer(text)), "step {step}");
    }
    assert_eq!(provider.seen().len(), 5);
}

#[tokio::test]
async fn an_answer_that_is_too_old_is_asked_for_again() {
    let provider = Provider::start().await;
    let gateway = start("ttl: 1s", &provider).await;
    provider.will(Reply::json(200, &answer("old"))).will(Reply::json(200, &answer("new")));
    let request = hello(Some("chat"));
    assert_eq!(ask(&gateway, &request, &[]).await.1, answer("old"));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(ask(&gateway, &request, &[]).await, (Some("miss".to_owned()), answer("new")));
}

#[tokio::test]
async fn errors_and_what_is_too_large_are_not_kept() {
    let provider = Provider::start().await;
    let gateway = start("max_bytes: 4096, max_entry_bytes: 2KiB", &provider).await;
    let request = hello(Some("chat"));
    let large = answer(&"x".repeat(3000));
    provider
        .will(Reply::json(500, r#"{"error":{"message":"no"}}"#))
        .will(Reply::json(200, r#"{"error":{"message":"no"}}"#))
        .will(Reply::json(200, &large))
        .will(Reply::json(200, &answer("hello")));
    ask(&gateway, &request, &[]).await;
    ask(&gateway, &request, &[]).await;
    assert_eq!(ask(&gateway, &request, &[]).await, (Some("miss".to_owned()), large));
    assert_eq!(ask(&gateway, &request, &[]).await.0.as_deref(), Some("miss"));
    assert_eq!(ask(&gateway, &request, &[]).await, (Some("hit".to_owned()), answer("hello")));

    // Five answers do not fit: the oldest has gone.
    for text in 0..6 {
        provider.will(Reply::json(200, &answer(&"y".repeat(300))));
        let other = json!({"model": "chat", "messages": [{"role": "user", "content": text.to_string()}]});
        assert_eq!(ask(&gateway, &other, &[]).await.0.as_deref(), Some("miss"));
    }
    provider.will(Reply::json(200, &answer("again")));
    assert_eq!(ask(&gateway, &request, &[]).await, (Some("miss".to_owned()), answer("again")));
}

fn stream(delta: &Value) -> String {
    let chunk = |delta: &Value, finish: Option<&str>| {
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5", "x": 1,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let usage = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5", "choices": [],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}});
    format!("data: {}\n\ndata: {}\n\ndata: {usage}\n\n", chunk(delta, None), chunk(&json!({}), Some("tool_calls")))
}

#[tokio::test]
async fn streams_replay_as_streams_and_only_whole_ones() {
    let provider = Provider::start().await;
    let gateway = start("ttl: 1h", &provider).await;
    let call = json!({"tool_calls": [{"index": 0, "id": "t1", "type": "function",
        "function": {"name": "f", "arguments": "{\"a\":1}"}}]});
    let wire = stream(&call);
    let first = wire.find("\n\n").unwrap() + 2;
    provider
        .will(Reply::Cut { content_type: "text/event-stream", body: wire[..first].to_owned() })
        .will(Reply::sse(&format!("{wire}data: [DONE]\n\n")));
    let mut request = hello(Some("chat"));
    request["stream"] = true.into();
    let (used, text) = ask(&gateway, &request, &[]).await;
    assert_eq!(used.as_deref(), Some("miss"));
    assert!(text.contains("\"error\""), "{text}");

    request["stream_options"] = json!({"include_usage": true});
    let (used, first) = ask(&gateway, &request, &[]).await;
    assert_eq!(used.as_deref(), Some("miss"));
    assert!(first.contains("tool_calls") && first.contains("\"total_tokens\":1010"), "{first}");
    let (used, again) = ask(&gateway, &request, &[]).await;
    assert_eq!(used.as_deref(), Some("hit"));
    assert_eq!(again, first.replace("x-tidegate-cost-usd 0.00135", "x-tidegate-cost-usd 0"));
    // Who did not ask for the counts gets none, from the same entry.
    request["stream_options"] = json!({});
    let (used, uncounted) = ask(&gateway, &request, &[]).await;
    assert_eq!(used.as_deref(), Some("hit"));
    assert!(!uncounted.contains("total_tokens") && uncounted.contains("tool_calls"), "{uncounted}");

    // The whole answer is another entry.
    request.as_object_mut().unwrap().remove("stream");
    provider.will(Reply::json(200, &answer("whole")));
    assert_eq!(ask(&gateway, &request, &[]).await, (Some("miss".to_owned()), answer("whole")));
}

#[test]
fn a_wrong_cache_is_told_with_its_place() {
    for (cache, expected) in [
        ("store: disk", "`endpoints[0].cache.store`: `disk` keeps no answers; write `memory`, `database` or `redis`"),
        ("ttl: soon", "`endpoints[0].cache.ttl`: must be a stretch of time, such as 30s, 5m, 1h or 7d, but is `soon`"),
        ("ttl: 0s", "must be a stretch of time"),
        ("max_bytes: 1TB", "`endpoints[0].cache.max_bytes`: must be an amount of bytes"),
        (
            "max_bytes: 1KiB, max_entry_bytes: 1MiB",
            "one answer may have 1048576 bytes, but all together no more than 1024",
        ),
        ("semantic: {endpoint: plane}", "`endpoints[0].cache.semantic.endpoint`: `plane` is no endpoint or route"),
        ("semantic: {endpoint: plain}", "`plain` is of type llm/v1/chat; name one of type llm/v1/embeddings"),
        ("semantic: {endpoint: plain, threshold: 2}", "must be a number from 0.5 to 1, but is `2`"),
        ("share: team", "`team` is nobody to share with; write `key`"),
        ("max_byte: 1", "unknown key `max_byte`; did you mean `max_bytes`?"),
    ] {
        let yaml = YAML.replace("{CACHE}", &format!("{{{cache}}}")).replace("BASE", "http://localhost/v1");
        let error = load(&yaml).unwrap_err().to_string();
        assert!(error.contains(expected), "{cache}: {error}");
    }
}

/// A database of its own on SQLite.
async fn database() -> (tempfile::TempDir, db::Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = db::Db::open(&format!("sqlite:///{}/cache.db", folder.path().display())).await.unwrap();
    (folder, db)
}

/// Rows of the table, once there are as many as expected.
async fn rows(db: &db::Db, expected: usize) -> Vec<(String, i64)> {
    for _ in 0..500 {
        let rows = db.fetch_all("SELECT namespace, bytes FROM tidegate_cache ORDER BY kept_at", vec![]).await;
        if let Ok(rows) = rows
            && rows.len() == expected
        {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the table never had {expected} rows");
}

#[tokio::test]
async fn a_database_shares_answers_among_replicas_and_outlives_them() {
    let provider = Provider::start().await;
    let (_folder, db) = database().await;
    let first = start("store: database", &provider).await;
    assert!(first.gateway.needs_database());
    // Before there is a database, nothing is kept and nothing fails.
    provider.will(Reply::json(200, &answer("unkept")));
    assert_eq!(ask(&first, &hello(Some("chat")), &[]).await, (Some("miss".to_owned()), answer("unkept")));
    first.gateway.use_database(db.clone()).await.unwrap();
    rows(&db, 0).await;

    provider.will(Reply::json(200, &answer("hello")));
    assert_eq!(ask(&first, &hello(Some("chat")), &[]).await.0.as_deref(), Some("miss"));
    let mut streaming = hello(Some("chat"));
    streaming["stream"] = true.into();
    provider.will(Reply::sse(&format!("{}data: [DONE]\n\n", stream(&json!({"content": "héllo"})))));
    let (_, streamed) = ask(&first, &streaming, &[]).await;
    rows(&db, 2).await;
    drop(first);

    let second = start("store: database", &provider).await;
    second.gateway.use_database(db.clone()).await.unwrap();
    assert_eq!(ask(&second, &hello(Some("chat")), &[]).await, (Some("hit".to_owned()), answer("hello")));
    let (used, replayed) = ask(&second, &streaming, &[]).await;
    assert_eq!(used.as_deref(), Some("hit"));
    assert_eq!(replayed, streamed.replace("x-tidegate-cost-usd 0.00135", "x-tidegate-cost-usd 0"));
    // Another key, another answer.
    provider.will(Reply::json(200, &answer("for Ben")));
    let ben = [("authorization", "Bearer tg-ben")];
    assert_eq!(ask(&second, &hello(Some("chat")), &ben).await, (Some("miss".to_owned()), answer("for Ben")));
}

#[tokio::test]
async fn a_database_holds_no_more_than_it_may_and_nothing_for_longer() {
    let provider = Provider::start().await;
    let (_folder, db) = database().await;
    let gateway = start("store: database, max_bytes: 3000, ttl: 1s", &provider).await;
    gateway.gateway.use_database(db.clone()).await.unwrap();
    rows(&db, 0).await;
    let mut question = hello(Some("chat"));
    let mut count = 0;
    // Six answers of some 650 bytes each do not fit.
    for number in 0..6 {
        question["messages"][0]["content"] = number.to_string().into();
        provider.will(Reply::json(200, &answer(&"y".repeat(300))));
        assert_eq!(ask(&gateway, &question, &[]).await.0.as_deref(), Some("miss"));
        count = (count + 1).min(4);
        let rows = rows(&db, count).await;
        assert!(rows.iter().map(|it| it.1).sum::<i64>() <= 3000, "{rows:?}");
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    provider.will(Reply::json(200, &answer("new")));
    assert_eq!(ask(&gateway, &question, &[]).await, (Some("miss".to_owned()), answer("new")));
    rows(&db, 1).await;
}

#[tokio::test]
async fn questions_that_mean_the_same_have_one_answer() {
    let (provider, vectors) = (Provider::start().await, Provider::start().await);
    let yaml = YAML
        .replace(
            "routes:",
            "  - name: vectors
    endpoint_type: llm/v1/embeddings
    model: {provider: openai, name: v, config: {openai_api_key: $KEY, openai_api_base: OTHER}}
routes:",
        )
        .replace("{CACHE}", "{semantic: {endpoint: vectors, threshold: 0.9}}")
        .replace("OTHER", &vectors.base);
    let mut gateway = TestGateway::start(&yaml, &provider).await;
    let vector = |it: [f32; 2]| {
        Reply::json(
            200,
            &json!({"object": "list", "model": "v", "data": [{"object": "embedding", "index": 0, "embedding": it}]})
                .to_string(),
        )
    };
    let question = |system: &str, text: &str| json!({"model": "chat", "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}]});
    vectors.will(vector([2.0, 0.0]));
    provider.will(Reply::json(200, &answer("at noon")));
    assert_eq!(ask(&gateway, &question("s", "When is high tide?"), &[]).await.0.as_deref(), Some("miss"));
    assert_eq!(vectors.seen()[0].body["input"], "When is high tide?");
    // The same word for word needs no vector.
    assert_eq!(ask(&gateway, &question("s", "When is high tide?"), &[]).await.0.as_deref(), Some("hit"));
    assert_eq!(vectors.seen().len(), 1);

    // How long vectors are says nothing.
    vectors.will(vector([0.96, 0.28]));
    let response = gateway.post("/v1/chat/completions", &question("s", "High tide is when?")).await;
    let head = response.headers().clone();
    assert_eq!(
        (&head["x-tidegate-cache"], &head["x-tidegate-cache-similarity"]),
        (&"hit".parse().unwrap(), &"0.9600".parse().unwrap())
    );
    assert_eq!(response.text().await.unwrap(), answer("at noon"));

    // Another question, another system prompt, another key: each asks the provider.
    for (body, meant, headers) in [
        (question("s", "Who are you?"), [0.0, 1.0], None),
        (question("t", "High tide is when?"), [1.0, 0.0], None),
        (question("s", "High tide is when?"), [1.0, 0.0], Some(("authorization", "Bearer tg-ben"))),
    ] {
        vectors.will(vector(meant));
        provider.will(Reply::json(200, &answer("other")));
        let used = ask(&gateway, &body, headers.as_slice()).await;
        assert_eq!(used, (Some("miss".to_owned()), answer("other")), "{body}");
    }
    // Where no vector comes, the provider is asked.
    vectors.will(Reply::json(500, "{}"));
    provider.will(Reply::json(200, &answer("asked")));
    assert_eq!(ask(&gateway, &question("s", "?"), &[]).await, (Some("miss".to_owned()), answer("asked")));
    let mut hits = Vec::new();
    while let Some(call) = gateway.calls.try_recv() {
        if let Some(CacheUse::Hit { similarity, .. }) = call.cache {
            hits.push((similarity.map(|it| (it * 100.0).round()), call.cost.unwrap().total));
        }
    }
    assert_eq!(hits, [(None, Usd::default()), (Some(96.0), Usd::default())]);
}
