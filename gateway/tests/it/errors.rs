//! What goes wrong, told in the protocol's shape with the provider's words and never with the key.

use gateway::Outcome;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{CHAT, Provider, Reply, TestGateway, hello};

const CHAT_PATH: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_providers_refusals() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(CHAT, &provider).await;
    let refused = r#"{"error":{"message":"Incorrect API key provided: sk-secret.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
    let cases = [
        (
            Reply::json(401, refused),
            401,
            json!({"message": "provider `openai` refused the key of this endpoint (HTTP 401): Incorrect API key provided: [key].",
                   "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}),
        ),
        (
            Reply::json(500, r#"{"error":{"message":"oops","type":"server_error"}}"#),
            500,
            json!({"message": "provider `openai` answered HTTP 500: oops",
                   "type": "server_error", "param": null, "code": null}),
        ),
        (
            Reply::json(302, ""),
            502,
            json!({"message": "provider `openai` redirects elsewhere (HTTP 302); correct `api_base`: (no words)",
                   "type": "upstream_error", "param": null, "code": null}),
        ),
        (
            Reply::json(200, r#"{"error":{"code":429,"message":"slow down"}}"#),
            429,
            json!({"message": "provider `openai` answered with an error: slow down",
                   "type": "rate_limit_error", "param": null, "code": "rate_limit_exceeded"}),
        ),
    ];
    for (reply, status, error) in cases {
        provider.will(reply);
        let got = gateway.ask(CHAT_PATH, &hello(Some("chat"))).await;
        assert_eq!(got, (status, json!({"error": error})));
        let call = gateway.calls.recv().await.unwrap();
        let message = error["message"].as_str().unwrap().to_owned();
        assert_eq!(call.outcome, Outcome::Failed { status, message });
    }

    for garbage in ["<html>busy</html>", "[1]", "{\"choices\":", ""] {
        provider.will(Reply::json(200, garbage));
        let (status, body) = gateway.ask(CHAT_PATH, &hello(Some("chat"))).await;
        assert_eq!(status, 502, "{garbage}");
        let words = "provider `openai` answered with something that is no JSON object";
        assert!(body["error"]["message"].as_str().unwrap().starts_with(words), "{body}");
    }
}

#[tokio::test]
async fn a_providers_rate_limit_keeps_its_retry_after() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(CHAT, &provider).await;
    provider.will(Reply::Bytes {
        status: 429,
        headers: vec![("retry-after", "17".to_owned())],
        body: r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#.to_owned(),
    });
    let response = gateway.post(CHAT_PATH, &hello(Some("chat"))).await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"17".parse().unwrap()));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
}

#[tokio::test]
async fn a_provider_that_is_not_there() {
    let provider = Provider::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let gateway = TestGateway::start(&CHAT.replace("BASE", &base), &provider).await;
    let (status, body) = gateway.ask(CHAT_PATH, &hello(Some("chat"))).await;
    let message = body["error"]["message"].as_str().unwrap();
    assert_eq!((status, &body["error"]["type"]), (503, &json!("upstream_unavailable")));
    assert!(message.starts_with(&format!("provider `openai` at {base} cannot be reached: ")), "{message}");
}

#[tokio::test]
async fn a_provider_that_does_not_begin() {
    let provider = Provider::start().await;
    let yaml = CHAT.replace("    model:\n", "    timeouts: {first_byte_ms: 200}\n    model:\n");
    let gateway = TestGateway::start(&yaml, &provider).await;
    let (gone, _went) = tokio::sync::oneshot::channel();
    provider.will(Reply::Never { gone });
    let (status, body) = gateway.ask(CHAT_PATH, &hello(Some("chat"))).await;
    assert_eq!((status, &body["error"]["message"]), (504, &json!("provider `openai` did not answer within 200ms")));
}

#[tokio::test]
async fn a_provider_that_does_not_go_on() {
    let provider = Provider::start().await;
    // Long enough for the first chunk to come on a busy machine too.
    let yaml = CHAT.replace("    model:\n", "    timeouts: {idle_ms: 1500}\n    model:\n");
    let gateway = TestGateway::start(&yaml, &provider).await;
    let (gone, went) = tokio::sync::oneshot::channel();
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n".to_owned();
    provider.will(Reply::Hang { body, gone });
    let mut request = hello(Some("chat"));
    request["stream"] = true.into();
    let events = gateway.stream(CHAT_PATH, &request).await;
    assert_eq!(events.len(), 2);
    assert!(events[1].contains("provider `openai` sent nothing for 1.5s"), "{}", events[1]);
    went.await.unwrap();
}

#[tokio::test]
async fn a_streams_errors_before_and_after_its_first_chunk() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(CHAT, &provider).await;
    let mut request = hello(Some("chat"));
    request["stream"] = true.into();

    // In the place of the first chunk: a response of its own.
    for (reply, expected) in [
        (Reply::sse("data: {\"error\":{\"message\":\"busy\",\"type\":\"overloaded_error\"}}\n\n"), 529),
        (Reply::sse("event: error\ndata: {\"error\":{\"message\":\"busy\",\"code\":503}}\n\n"), 503),
        (Reply::sse("data: {oops\n\n"), 502),
        (Reply::sse(""), 503),
        (Reply::json(200, r#"{"choices":[]}"#), 502),
    ] {
        provider.will(reply);
        assert_eq!(gateway.ask(CHAT_PATH, &request).await.0, expected);
        assert!(
            matches!(gateway.calls.recv().await.unwrap().outcome, Outcome::Failed { status, .. } if status == expected)
        );
    }

    // Later: an event, and no `[DONE]`.
    let first = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    for (rest, words) in [
        ("", "provider `openai` cut its stream short"),
        (
            "data: {\"error\":{\"message\":\"broke\",\"type\":\"server_error\"}}\n\n",
            "provider `openai` answered with an error: broke",
        ),
        ("data: nonsense\n\n", "provider `openai` streamed something that is no JSON object"),
    ] {
        provider.will(Reply::sse(&format!("{first}{rest}")));
        let events = gateway.stream(CHAT_PATH, &request).await;
        assert_eq!(events.len(), 2, "{events:?}");
        let error: Value = serde_json::from_str(&events[1]).unwrap();
        assert!(error["error"]["message"].as_str().unwrap().starts_with(words), "{error}");
        let call = gateway.calls.recv().await.unwrap();
        assert!(matches!(call.outcome, Outcome::Failed { .. }), "{:?}", call.outcome);
        let partial: Value = serde_json::from_slice(&call.response.unwrap()).unwrap();
        assert_eq!(
            partial["choices"][0],
            json!({"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": null})
        );
    }
    provider.will(Reply::Cut { content_type: "text/event-stream", body: first.to_owned() });
    let events = gateway.stream(CHAT_PATH, &request).await;
    assert!(events[1].contains("provider `openai` broke off its stream"), "{events:?}");

    // Some servers forget `[DONE]`, but say that the answer is finished.
    provider.will(Reply::sse(&format!(
        "{first}data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n"
    )));
    assert_eq!(gateway.stream(CHAT_PATH, &request).await.last().unwrap(), "[DONE]");
}

#[tokio::test]
async fn a_callers_mistakes() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(CHAT, &provider).await;
    let check = async |path: &str, body: Value, status: u16, param: Value, words: &str| {
        let (got, answer) = gateway.ask(path, &body).await;
        assert_eq!((got, &answer["error"]["param"]), (status, &param), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    };
    check(CHAT_PATH, hello(None), 400, json!("model"), "`model` is missing").await;
    check(CHAT_PATH, hello(Some("nope")), 404, Value::Null, "no endpoint or route is named `nope`").await;
    check(CHAT_PATH, json!({"model": "chat"}), 400, json!("messages"), "`messages` is missing").await;
    check(CHAT_PATH, json!(["chat"]), 400, Value::Null, "must be a JSON object").await;
    let prompt = json!({"model": "chat", "prompt": "p"});
    check("/v1/completions", prompt, 400, json!("model"), "is of type llm/v1/chat, not llm/v1/completions").await;
    check("/v1/nonsense", json!({}), 404, Value::Null, "POST /v1/nonsense is not served").await;

    let url = format!("{}{CHAT_PATH}", gateway.base);
    let status = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        assert!(body["error"]["message"].is_string(), "{body}");
        status
    };
    let json_type = ("content-type", "application/json");
    assert_eq!(status(gateway.http.post(&url).body("{}")).await, 415);
    assert_eq!(status(gateway.http.post(&url).header(json_type.0, json_type.1).body("{\"model\":")).await, 400);
    assert_eq!(status(gateway.http.get(&url)).await, 405);
    // Only the head: what comes after it need not be read.
    let mut socket = TcpStream::connect(gateway.base.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST {CHAT_PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        (64 << 20) + 1
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 16];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413 Pay");
    assert!(provider.seen().is_empty());
}
