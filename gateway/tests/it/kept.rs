//! What providers keep is asked where it was made, and only for those whose it is.

use gateway::{Outcome, hashed};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, data_of};

const YAML: &str = "
endpoints:
  - name: gpt
    endpoint_type: llm/v1/chat
    retries: {max: 1, base_ms: 1}
    model: {provider: openai, name: gpt-test, config: {openai_api_key: $KEY, openai_api_base: BASE}}
  - name: azure
    endpoint_type: llm/v1/chat
    model:
      provider: azure
      name: gpt-test
      config:
        openai_api_key: $KEY
        openai_api_base: BASE
        openai_api_version: 2025-04-01-preview
        openai_deployment_name: d1
routes:
  - name: both
    task_type: llm/v1/chat
    destinations: [{name: gpt, traffic_percentage: 50}, {name: azure, traffic_percentage: 50}]
";

/// A caller with a key, or without one.
struct Asker<'a> {
    gateway: &'a TestGateway,
    key: Option<&'a str>,
}

impl Asker<'_> {
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Response {
        let mut request = self.gateway.http.request(method, format!("{}{path}", self.gateway.base));
        if let Some(key) = self.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let response = self.send(method, path, body).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

fn response(id: &str, previous: Option<&str>) -> Value {
    let usage = json!({"input_tokens": 3, "output_tokens": 4, "total_tokens": 7});
    json!({"id": id, "object": "response", "status": "completed", "error": null, "output": [], "usage": usage,
           "previous_response_id": previous})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_route_goes_on_where_it_began() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let mut asked = std::collections::BTreeSet::new();
    for round in 0..20 {
        let (first, second) = (format!("resp_{round}"), format!("resp_{round}b"));
        provider.will(Reply::json(200, &response(&first, None).to_string()));
        let made = gateway.post("/v1/responses", &json!({"model": "both", "input": "hi"})).await;
        let endpoint = made.headers()["x-tidegate-endpoint"].clone();
        asked.insert(endpoint.to_str().unwrap().to_owned());
        let handle = text(&made.json::<Value>().await.unwrap()["id"]);

        provider.will(Reply::json(200, &response(&second, Some(&first)).to_string()));
        let body = json!({"model": "both", "input": "more", "previous_response_id": handle});
        let more = gateway.post("/v1/responses", &body).await;
        assert_eq!(more.headers()["x-tidegate-endpoint"], endpoint);
        let more: Value = more.json().await.unwrap();
        assert_eq!(more["previous_response_id"], handle.as_str());
        assert_eq!(provider.seen().pop().unwrap().body["previous_response_id"], first.as_str());

        provider.will(Reply::json(200, &response(&second, Some(&first)).to_string()));
        let (status, got) = gateway.get(&format!("/v1/responses/{}?include[]=x", text(&more["id"]))).await;
        assert_eq!((status, &got), (200, &more));
        let base = if endpoint == "gpt" { "/v1/responses" } else { "/v1/openai/responses" };
        let query = if endpoint == "gpt" { "" } else { "api-version=2025-04-01-preview&" };
        assert_eq!(provider.seen().pop().unwrap().path, format!("{base}/{second}?{query}include[]=x"));
    }
    assert_eq!(asked.len(), 2, "{asked:?}");

    // Looking at it again costs nothing.
    let calls: Vec<_> = std::iter::from_fn(|| gateway.calls.try_recv()).collect();
    let counts = |index: usize| calls[index].usage.as_ref().map(|it| it.total_tokens);
    assert_eq!((counts(0), counts(1), counts(2)), (Some(7), Some(7), Some(0)));
    assert_eq!(calls[2].route.as_deref(), Some("both"));
}

#[tokio::test]
async fn everything_that_can_be_done_with_a_response() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let asker = Asker { gateway: &gateway, key: None };
    provider.will(Reply::json(200, &response("resp_1", None).to_string()));
    let body = json!({"model": "gpt", "input": "hi"});
    let (_, made) = asker.ask(Method::POST, "/v1/responses", Some(&body)).await;
    let handle = text(&made["id"]);
    let at = format!("/v1/responses/{handle}");

    let items = json!({"object": "list", "data": [{"id": "msg_1", "type": "message"}], "first_id": "msg_1"});
    provider.will(Reply::json(200, &items.to_string()));
    let listed = asker.ask(Method::GET, &format!("{at}/input_items?limit=5"), None).await;
    assert_eq!(listed, (200, items));
    // What failed is asked again, as calls are.
    provider.will(Reply::json(503, r#"{"error":{"message":"busy"}}"#));
    provider.will(Reply::json(200, &response("resp_1", None).to_string()));
    let cancelled = asker.send(Method::POST, &format!("{at}/cancel"), None).await;
    assert_eq!(
        (cancelled.status().as_u16(), &cancelled.headers()["x-tidegate-attempts"]),
        (200, &"2".parse().unwrap())
    );
    provider.will(Reply::json(200, r#"{"id":"resp_1","object":"response.deleted","deleted":true}"#));
    let deleted = asker.ask(Method::DELETE, &at, None).await;
    assert_eq!(deleted, (200, json!({"id": handle, "object": "response.deleted", "deleted": true})));

    let seen: Vec<String> = provider.seen()[1..].iter().map(|it| it.path.clone()).collect();
    let expected = ["resp_1/input_items?limit=5", "resp_1/cancel", "resp_1/cancel", "resp_1"];
    assert_eq!(seen, expected.map(|it| format!("/v1/responses/{it}")));

    // Its events again, from some place on.
    let shown = json!({"type": "response.completed", "response": response("resp_1", None), "sequence_number": 9});
    let mut wire = b": alive\n\n".to_vec();
    llm::sse::encode(Some("response.completed"), &shown.to_string(), &mut wire);
    provider.will(Reply::sse(&String::from_utf8(wire).unwrap()));
    let events = asker.send(Method::GET, &format!("{at}?stream=true&starting_after=8"), None).await;
    let events = events.text().await.unwrap().replace("event: response.completed\n", "");
    let event: Value = serde_json::from_str(&data_of(&events)[0]).unwrap();
    assert_eq!((&event["response"]["id"], &event["sequence_number"]), (&json!(handle), &json!(9)));

    // Shortening takes the model's name and the way back.
    let compacted = json!({"id": "resp_c", "object": "response.compaction", "output": [], "usage":
        {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}});
    provider.will(Reply::json(200, &compacted.to_string()));
    let body = json!({"model": "gpt", "previous_response_id": handle});
    assert_eq!(asker.ask(Method::POST, "/gateway/openai/v1/responses/compact", Some(&body)).await, (200, compacted));
    let seen = provider.seen().pop().unwrap();
    assert_eq!(
        (seen.path.as_str(), seen.body),
        ("/v1/responses/compact", json!({"model": "gpt-test", "previous_response_id": "resp_1"}))
    );
    let body = json!({"model": "gpt", "input": "x", "stream": true});
    let (status, error) = asker.ask(Method::POST, "/v1/responses/compact", Some(&body)).await;
    assert_eq!((status, &error["error"]["param"]), (400, &json!("stream")));
}

#[tokio::test]
async fn conversations_are_kept_where_they_began() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let asker = Asker { gateway: &gateway, key: None };
    let conversation = json!({"id": "conv_1", "object": "conversation", "metadata": {}});
    provider.will(Reply::json(200, &conversation.to_string()));
    let (_, begun) = asker.ask(Method::POST, "/v1/conversations?endpoint=azure", Some(&json!({"items": []}))).await;
    let handle = text(&begun["id"]);
    assert!(handle.starts_with("conv_tg1"), "{handle}");
    provider.will(Reply::json(200, r#"{"object":"list","data":[]}"#));
    let item = json!({"items": [{"type": "message", "role": "user", "content": "x"}]});
    asker.ask(Method::POST, &format!("/v1/conversations/{handle}/items"), Some(&item)).await;
    let mut answer = response("resp_2", None);
    answer["conversation"] = json!({"id": "conv_1"});
    provider.will(Reply::json(200, &answer.to_string()));
    let body = json!({"model": "both", "input": "hi", "conversation": {"id": handle}});
    let (_, answered) = asker.ask(Method::POST, "/v1/responses", Some(&body)).await;
    assert_eq!(answered["conversation"], json!({"id": handle}));
    provider.will(Reply::json(200, r#"{"id":"msg_1"}"#));
    asker.ask(Method::DELETE, &format!("/v1/conversations/{handle}/items/msg_1"), None).await;
    let seen: Vec<_> = provider.seen().into_iter().map(|it| (it.path, it.body)).collect();
    let version = "?api-version=2025-04-01-preview";
    assert_eq!(seen[0], (format!("/v1/openai/conversations{version}"), json!({"items": []})));
    assert_eq!(seen[1], (format!("/v1/openai/conversations/conv_1/items{version}"), item));
    assert_eq!(seen[2].1["conversation"], json!({"id": "conv_1"}));
    assert_eq!(seen[3].0, format!("/v1/openai/conversations/conv_1/items/msg_1{version}"));
}

#[tokio::test]
async fn other_teams_know_nothing_of_it() {
    let (ann, bob, eve) = ("tg-ann-0123456789abcdef", "tg-bob-0123456789abcdef", "tg-eve-0123456789abcdef");
    let keys = format!(
        "{YAML}keys:
  - {{name: ann, hash: \"{}\", team: tide}}
  - {{name: bob, hash: \"{}\", user: bob, team: tide, endpoints: [both]}}
  - {{name: eve, hash: \"{}\", team: ebb}}
",
        hashed(ann),
        hashed(bob),
        hashed(eve)
    );
    let provider = Provider::start().await;
    let gateway = TestGateway::start(&keys, &provider).await;
    // A second replica of the same configuration knows the way, too.
    let replica = TestGateway::start(&keys, &provider).await;
    let asker = |gateway, key| Asker { gateway, key: Some(key) };
    provider.will(Reply::json(200, &response("resp_1", None).to_string()));
    let body = json!({"model": "both", "input": "hi"});
    let (_, made) = asker(&gateway, ann).ask(Method::POST, "/v1/responses", Some(&body)).await;
    let at = format!("/v1/responses/{}", text(&made["id"]));
    // A key of the team sees it where it may call what was called.
    provider.will(Reply::json(200, &response("resp_1", None).to_string()));
    assert_eq!(asker(&replica, bob).ask(Method::GET, &at, None).await, (200, made.clone()));

    let asked = provider.seen().len();
    let (status, error) = asker(&gateway, eve).ask(Method::GET, &at, None).await;
    assert_eq!((status, &error["error"]["type"]), (404, &json!("not_found_error")));
    assert!(text(&error["error"]["message"]).starts_with("nothing is kept here under the id"), "{error}");
    for id in [text(&made["id"]), "resp_1".to_owned()] {
        let body = json!({"model": "both", "input": "hi", "previous_response_id": id});
        let (status, error) = asker(&gateway, eve).ask(Method::POST, "/v1/responses", Some(&body)).await;
        assert_eq!((status, &error["error"]["param"]), (400, &json!("previous_response_id")));
    }
    // Not even by the provider's own id, which the handle shows to whoever looks into it.
    let (status, _) = asker(&gateway, eve).ask(Method::GET, "/v1/responses/resp_1?endpoint=gpt", None).await;
    assert_eq!(status, 404);
    assert_eq!(provider.seen().len(), asked);
}

#[tokio::test]
async fn a_response_that_failed_is_tried_again_and_comes_as_it_is() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let body = json!({"model": "gpt", "input": "hi"});
    let mut failed = response("resp_1", None);
    failed["status"] = "failed".into();
    failed["error"] = json!({"code": "server_error", "message": "the model overflowed"});
    provider.will(Reply::json(200, &failed.to_string()));
    provider.will(Reply::json(200, &response("resp_2", None).to_string()));
    let (status, got) = gateway.ask("/v1/responses", &body).await;
    assert_eq!((status, &got["status"]), (200, &json!("completed")));
    let call = gateway.calls.recv().await.unwrap();
    assert_eq!((call.outcome, call.attempts.len()), (Outcome::Ok, 2));
    assert!(matches!(&call.attempts[0].outcome, Outcome::Failed { status: 502, .. }), "{:?}", call.attempts);

    provider.will(Reply::json(200, &failed.to_string())).will(Reply::json(200, &failed.to_string()));
    let (status, got) = gateway.ask("/v1/responses", &body).await;
    assert_eq!((status, &got["error"]), (200, &failed["error"]));
    assert!(text(&got["id"]).starts_with("resp_tg1"), "{got}");
    let outcome = format!("{:?}", gateway.calls.recv().await.unwrap().outcome);
    assert!(outcome.contains("the model overflowed"), "{outcome}");

    // One that ended early has an answer.
    let mut incomplete = response("resp_3", None);
    incomplete["status"] = "incomplete".into();
    incomplete["incomplete_details"] = json!({"reason": "max_output_tokens"});
    provider.will(Reply::json(200, &incomplete.to_string()));
    let (_, got) = gateway.ask("/v1/responses", &body).await;
    assert_eq!(got["incomplete_details"], incomplete["incomplete_details"]);
    assert_eq!(gateway.calls.recv().await.unwrap().outcome, Outcome::Ok);
}
