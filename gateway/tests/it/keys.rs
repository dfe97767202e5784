//! Virtual keys let callers in, and quotas count what they take.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::join_all;
use gateway::hashed;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::support::{Provider, Reply, TestGateway, hello, load};

const ANN: &str = "tg-ann-0123456789abcdef";
const BOB: &str = "tg-bob-0123456789abcdef";

fn yaml(rest: &str) -> String {
    let (ann, bob) = (hashed(ANN), hashed(BOB));
    format!(
        "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: m, config: {{openai_api_key: $KEY, openai_api_base: BASE}}}}
  - name: other
    endpoint_type: llm/v1/chat
    model: {{provider: vllm, name: m, config: {{api_base: BASE}}}}
prices:
  - {{provider: openai, model: m, input: 1, output: 1000}}
keys:
  - {{name: ann, hash: \"{ann}\", user: ann@sea, team: tide}}
  - {{name: bob, hash: [\"{bob}\"], team: tide, endpoints: [other]}}
{rest}"
    )
}

fn answer(tokens: u64) -> Reply {
    let usage = json!({"prompt_tokens": 0, "completion_tokens": tokens, "total_tokens": tokens});
    let message = json!({"role": "assistant", "content": "aye"});
    let body = json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage});
    Reply::json(200, &body.to_string())
}

async fn ask(gateway: &TestGateway, key: &str, path: &str, body: &Value) -> (u16, reqwest::header::HeaderMap, Value) {
    let request = gateway.http.post(format!("{}{path}", gateway.base)).bearer_auth(key).json(body);
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.json().await.unwrap())
}

#[tokio::test]
async fn a_gateway_with_keys_asks_for_one_in_the_callers_own_words() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(&yaml(""), &provider).await;
    provider.will(answer(1));
    let (status, _, _) = ask(&gateway, ANN, "/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!(status, 200);
    // The provider sees its own key, never the caller's.
    assert_eq!(provider.seen()[0].headers["authorization"], "Bearer sk-secret");
    let caller = gateway.calls.recv().await.unwrap().caller.unwrap();
    assert_eq!((&*caller.key, caller.user.as_deref(), caller.team.as_deref()), ("ann", Some("ann@sea"), Some("tide")));

    let check = async |path: &str, pointer: &str, expected: &str| {
        let response = gateway.post(path, &hello(Some("chat"))).await;
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body.pointer(pointer), Some(&expected.into()), "{body}");
    };
    check("/v1/chat/completions", "/error/code", "invalid_api_key").await;
    check("/v1/messages", "/error/type", "authentication_error").await;
    let words = "this gateway asks for a key; send one of its virtual keys as `Authorization: Bearer …`";
    check("/endpoints/chat/invocations", "/detail", words).await;
    assert_eq!(gateway.get("/v1/models").await.0, 401);

    let (status, _, body) = ask(&gateway, "tg-wrong", "/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!(status, 401);
    assert!(!body.to_string().contains("tg-wrong"), "{body}");

    let (status, _, body) = ask(&gateway, BOB, "/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!(status, 403);
    assert_eq!(body["error"]["type"], "permission_error");
    assert!(body["error"]["message"].as_str().unwrap().starts_with("the key `bob` does not reach `chat`"), "{body}");
    provider.will(answer(1));
    assert_eq!(ask(&gateway, BOB, "/v1/chat/completions", &hello(Some("other"))).await.0, 200);
    assert_eq!(provider.seen().len(), 2);
}

#[tokio::test]
async fn limits_tell_what_is_left_and_when_there_is_more() {
    let provider = Provider::start().await;
    let rest = "limits:\n  - {per: team, requests: 2, tokens: 1000, window: 10 days}\n";
    let gateway = TestGateway::start(&yaml(rest), &provider).await;
    provider.will(answer(700));
    let (status, headers, _) = ask(&gateway, ANN, "/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&headers["x-ratelimit-limit-requests"], &headers["x-ratelimit-remaining-requests"]),
        (&"2".parse().unwrap(), &"1".parse().unwrap())
    );
    assert_eq!(headers["x-ratelimit-limit-tokens"], "1000");

    // 300 tokens are left: the estimate of 256 for the answer fits, a bound of 400 does not.
    let mut long = hello(Some("other"));
    long["max_tokens"] = 400.into();
    let (status, headers, body) = ask(&gateway, BOB, "/v1/chat/completions", &long).await;
    assert_eq!(status, 429);
    assert!(headers.contains_key("retry-after"));
    let words =
        "Rate limit exceeded: 1000 tokens per 10 days for team `tide`, of which 700 tokens are used or reserved";
    assert!(body["error"]["message"].as_str().unwrap().starts_with(words), "{body}");

    provider.will(answer(1));
    assert_eq!(ask(&gateway, BOB, "/v1/chat/completions", &hello(Some("other"))).await.0, 200);
    let (status, _, body) = ask(&gateway, ANN, "/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!(status, 429);
    assert!(
        body["error"]["message"].as_str().unwrap().starts_with("Rate limit exceeded: 2 requests per 10 days"),
        "{body}"
    );
    assert_eq!(provider.seen().len(), 2);
}

#[tokio::test]
async fn what_a_failed_call_reserved_is_given_back_and_reloads_forget_nothing() {
    let provider = Provider::start().await;
    let rest = "limits:\n  - {per: key, tokens: 300, window: 10 days}\n";
    let gateway = TestGateway::start(&yaml(rest), &provider).await;
    for _ in 0..3 {
        provider.will(Reply::json(500, "{}"));
        assert_eq!(ask(&gateway, ANN, "/v1/chat/completions", &hello(Some("chat"))).await.0, 500);
    }
    provider.will(answer(100));
    assert_eq!(ask(&gateway, ANN, "/v1/chat/completions", &hello(Some("chat"))).await.0, 200);
    gateway.gateway.reload(load(&yaml(rest).replace("BASE", &provider.base)).unwrap()).unwrap();
    assert_eq!(ask(&gateway, ANN, "/v1/chat/completions", &hello(Some("chat"))).await.0, 429);
}

#[tokio::test]
async fn a_budget_is_overdrawn_by_no_more_than_what_is_under_way() {
    let provider = Provider::start().await;
    // A call reserves 256 tokens of output and takes 100: 0.1 USD each.
    let rest = "budgets:\n  - {per: all, usd: 2, window: 10 days}\n";
    let gateway = Arc::new(TestGateway::start(&yaml(rest), &provider).await);
    for _ in 0..512 {
        provider.will(answer(100));
    }
    let body = hello(Some("chat"));
    let calls = (0..512).map(|_| ask(&gateway, ANN, "/v1/chat/completions", &body));
    let statuses: Vec<u16> = join_all(calls).await.into_iter().map(|it| it.0).collect();
    let answered = statuses.iter().filter(|it| **it == 200).count();
    assert_eq!(answered, provider.seen().len());
    assert_eq!(statuses.iter().filter(|it| **it == 429).count(), 512 - answered);
    assert!(answered >= 7, "{answered}");
    assert!(answered * 100 <= 2000, "{answered} calls of 0.1 USD were answered from a budget of 2 USD");
    // One after the other they use the budget up: each needs 0.256 USD before it begins.
    let mut sum = answered;
    loop {
        let (status, _, body) = ask(&gateway, ANN, "/v1/chat/completions", &body).await;
        if status != 200 {
            assert_eq!(status, 429);
            assert!(
                body["error"]["message"].as_str().unwrap().starts_with("Budget exceeded: 2 USD per 10 days"),
                "{body}"
            );
            break;
        }
        sum += 1;
    }
    assert_eq!(sum, 18);
}

#[tokio::test]
async fn a_key_has_limits_of_its_own_and_the_tightest_holds() {
    let provider = Provider::start().await;
    let rest = "limits:\n  - {per: key, requests: 5, window: 10 days}\n";
    let own = "endpoints: [other], limits: [{requests: 2, window: 10 days}], budgets: [{usd: 1, window: month}]";
    let yaml = yaml(rest).replace("endpoints: [other]", own);
    let gateway = TestGateway::start(&yaml, &provider).await;
    let asked = async |key: &str, name: &str| {
        provider.will(answer(1));
        let (status, headers, body) = ask(&gateway, key, "/v1/chat/completions", &hello(Some(name))).await;
        (status, headers.get("x-ratelimit-remaining-requests").map(|it| it.to_str().unwrap().to_owned()), body)
    };
    let (status, remaining, _) = asked(BOB, "other").await;
    assert_eq!((status, remaining.as_deref()), (200, Some("1")));
    assert_eq!(asked(BOB, "other").await.0, 200);
    let (status, _, body) = asked(BOB, "other").await;
    assert_eq!(status, 429);
    let words = "Rate limit exceeded: 2 requests per 10 days for key `bob`, of which 2 requests are used";
    assert!(body["error"]["message"].as_str().unwrap().starts_with(words), "{body}");
    // Ann's are those that all keys have.
    let (status, remaining, _) = asked(ANN, "chat").await;
    assert_eq!((status, remaining.as_deref()), (200, Some("4")));
}

#[tokio::test]
async fn calls_under_way_hold_their_places_to_their_end() {
    let provider = Provider::start().await;
    let rest = "limits:\n  - {per: key, concurrent: 1}\n  - {per: team, concurrent: 2}\n";
    let mut gateway = TestGateway::start(&yaml(rest), &provider).await;
    let (gone, went) = oneshot::channel();
    let body = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n".to_owned();
    provider.will(Reply::Hang { body, gone });
    let mut streamed = hello(Some("chat"));
    streamed["stream"] = true.into();
    let request = gateway.http.post(format!("{}/v1/chat/completions", gateway.base)).bearer_auth(ANN);
    let mut stream = request.json(&streamed).send().await.unwrap().bytes_stream();
    assert!(stream.next().await.unwrap().unwrap().starts_with(b"data: {"));

    let (status, headers, body) = ask(&gateway, ANN, "/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!((status, &headers["retry-after"]), (429, &"1".parse().unwrap()));
    let words = "Rate limit exceeded: 1 calls at once for key `ann`, of which 1 are under way";
    assert!(body["error"]["message"].as_str().unwrap().starts_with(words), "{body}");
    // Another key of the team has a place, and gives it back when its call has ended, however that was.
    for reply in [answer(1), Reply::json(500, "{}"), answer(1)] {
        provider.will(reply);
        assert_ne!(ask(&gateway, BOB, "/v1/chat/completions", &hello(Some("other"))).await.0, 429);
        gateway.calls.recv().await.unwrap();
    }
    // Who leaves gives theirs back as well.
    drop(stream);
    went.await.unwrap();
    gateway.calls.recv().await.unwrap();
    provider.will(answer(1));
    assert_eq!(ask(&gateway, ANN, "/v1/chat/completions", &hello(Some("chat"))).await.0, 200);
}

#[tokio::test]
async fn a_budget_outlives_the_gateway() {
    let provider = Provider::start().await;
    let folder = tempfile::tempdir().unwrap();
    let db = db::Db::open(&format!("sqlite:///{}", folder.path().join("spent.db").display())).await.unwrap();
    // A call reserves 0.256 USD and takes 0.1.
    let rest = "budgets:\n  - {per: team, usd: 0.45, window: 10 months}\n";
    for (calls, last) in [(2, 200), (1, 429)] {
        let gateway = TestGateway::start(&yaml(rest), &provider).await;
        gateway.gateway.use_budgets(db.clone()).await.unwrap();
        for call in 1..=calls {
            provider.will(answer(100));
            let (status, _, body) = ask(&gateway, ANN, "/v1/chat/completions", &hello(Some("chat"))).await;
            assert_eq!(status, if call == calls { last } else { 200 }, "{body}");
        }
        gateway.gateway.flush().await;
    }
    let spent: (i64, i64) =
        db.fetch_one("SELECT COUNT(*), CAST(SUM(used) AS BIGINT) FROM tidegate_budgets", vec![]).await.unwrap();
    assert_eq!(spent, (1, 200_000_000));
}

#[tokio::test]
async fn a_budget_that_is_passed_tells_its_webhook_once() {
    let provider = Provider::start().await;
    let hook = Provider::start().await;
    let budget = |usd: &str, action: &str| {
        let webhook = format!("{{url: \"{}/hook\", secret: a-secret}}", hook.base);
        format!("  - {{per: team, usd: {usd}, window: 10 months, action: {action}, webhook: {webhook}}}\n")
    };
    let rest = format!("budgets:\n{}{}", budget("0.15", "alert"), budget("0.4", "reject"));
    let gateway = TestGateway::start(&yaml(&rest), &provider).await;
    hook.will(Reply::json(500, "{}")).will(Reply::json(200, "{}")).will(Reply::json(200, "{}"));
    // Each takes 0.1 USD and reserves 0.256: the first passes what is told of, the third does not fit.
    for expected in [200, 200, 429, 429] {
        provider.will(answer(100));
        assert_eq!(ask(&gateway, ANN, "/v1/chat/completions", &hello(Some("chat"))).await.0, expected);
    }
    let mut seen = hook.seen();
    while seen.len() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        seen = hook.seen();
    }
    // What the first answer did not take is sent again as it was.
    assert_eq!((&seen[0].body, &seen[0].headers["webhook-id"]), (&seen[1].body, &seen[1].headers["webhook-id"]));
    assert_ne!(seen[1].headers["webhook-id"], seen[2].headers["webhook-id"]);
    assert!(seen[2].headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
    let told = |place: usize| (&seen[place].body["type"], &seen[place].body["data"]);
    let (kind, data) = told(0);
    assert_eq!((kind, &data["per"], &data["subject"]), (&json!("budget.exceeded"), &json!("team"), &json!("tide")));
    assert_eq!(
        (&data["usd"], &data["action"], &data["window"]),
        (&json!("0.15"), &json!("alert"), &json!("10 months"))
    );
    let (_, data) = told(2);
    assert_eq!((&data["usd"], &data["action"], &data["used_usd"]), (&json!("0.4"), &json!("reject"), &json!("0.2")));
}
