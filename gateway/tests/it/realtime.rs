//! Realtime sessions: a WebSocket on either side, and a gateway between them.

use futures::{SinkExt, StreamExt};
use gateway::{Outcome, hashed};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::support::{Provider, TestGateway};

const KEY: &str = "tg-ann-0123456789abcdef";

fn yaml(base: &str) -> String {
    format!(
        "
endpoints:
  - name: voice
    endpoint_type: llm/v1/chat
    retries: {{max: 1, base_ms: 1}}
    concurrency: {{max: 1, queue: 0}}
    model: {{provider: openai, name: gpt realtime, config: {{openai_api_key: $KEY, openai_api_base: \"{base}/v1\"}}}}
  - name: azure
    endpoint_type: llm/v1/chat
    model:
      provider: azure
      name: m
      config: {{openai_api_key: $KEY, openai_api_base: \"{base}\", openai_api_version: v1, openai_deployment_name: d}}
  - name: claude
    endpoint_type: llm/v1/chat
    model: {{provider: anthropic, name: m, config: {{anthropic_api_key: $KEY, anthropic_api_base: \"{base}\"}}}}
prices:
  - {{provider: openai, model: gpt realtime, input: 1, output: 2}}
"
    )
}

/// What a provider's sessions begin with: the address, the key, a header.
type Begun = (String, String, Option<String>);

/// A provider whose sessions the test plays itself.
struct Voice {
    base: String,
    sessions: mpsc::Receiver<(Begun, WebSocketStream<TcpStream>)>,
}

impl Voice {
    /// `refusals`: how many sessions it refuses first, with 503.
    async fn start(mut refusals: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (sender, sessions) = mpsc::channel(4);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut begun = None;
                #[expect(clippy::result_large_err, reason = "the form is the library's")]
                let accepted = accept_hdr_async(stream, |request: &Request, response: Response| {
                    if refusals > 0 {
                        refusals -= 1;
                        let mut refused = ErrorResponse::new(Some(r#"{"error":{"message":"busy"}}"#.to_owned()));
                        *refused.status_mut() = axum::http::StatusCode::SERVICE_UNAVAILABLE;
                        return Err(refused);
                    }
                    let text = |name: &str| request.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
                    let key = text("authorization").or_else(|| text("api-key")).unwrap();
                    begun = Some((request.uri().to_string(), key, text("openai-beta")));
                    Ok(response)
                });
                if let Ok(session) = accepted.await {
                    sender.send((begun.unwrap(), session)).await.unwrap();
                }
            }
        });
        Self { base, sessions }
    }
}

async fn dial(
    gateway: &TestGateway,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<(WebSocketStream<TcpStream>, Response), Error> {
    let host = gateway.base.trim_start_matches("http://");
    let mut request = axum::http::Request::builder()
        .uri(format!("ws://{host}/v1/realtime?{query}"))
        .header("host", host)
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (socket, response) = client_async(request.body(()).unwrap(), TcpStream::connect(host).await.unwrap()).await?;
    Ok((socket, response.map(|_| ())))
}

fn refusal(result: Result<(WebSocketStream<TcpStream>, Response), Error>) -> (u16, Value) {
    match result {
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (response.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default())
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("a session began"),
    }
}

async fn text(socket: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn close(socket: &mut WebSocketStream<TcpStream>) -> Option<CloseFrame> {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Close(frame) => return frame,
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn done(input: u64, output: u64) -> String {
    let usage = json!({"total_tokens": input + output, "input_tokens": input, "output_tokens": output});
    json!({"type": "response.done", "response": {"id": "r", "usage": usage}}).to_string()
}

#[tokio::test]
async fn a_session_passes_both_ways_and_is_counted() {
    let mut voice = Voice::start(1).await;
    let mut gateway = TestGateway::start(&yaml(&voice.base), &Provider::start().await).await;
    let offered = [("sec-websocket-protocol", "realtime, openai-beta.realtime-v1")];
    let (mut caller, head) = dial(&gateway, "model=voice&intent=x", &offered).await.unwrap();
    assert_eq!(head.headers()["sec-websocket-protocol"], "realtime");
    // The first attempt was refused.
    assert_eq!(
        (&head.headers()["x-tidegate-endpoint"], &head.headers()["x-tidegate-attempts"]),
        (&"voice".parse().unwrap(), &"2".parse().unwrap())
    );
    let (begun, mut session) = voice.sessions.recv().await.unwrap();
    let address = "/v1/realtime?model=gpt%20realtime&intent=x".to_owned();
    assert_eq!(begun, (address, "Bearer sk-secret".to_owned(), Some("realtime=v1".to_owned())));

    // Its turn at the endpoint lasts as long as the session.
    let (status, error) = refusal(dial(&gateway, "model=voice", &[]).await);
    assert_eq!(status, 503, "{error}");
    gateway.calls.recv().await.unwrap();

    caller.send(Message::text(r#"{"type":"response.create"}"#)).await.unwrap();
    assert_eq!(text(&mut session).await, json!({"type": "response.create"}));
    for event in [done(5, 2), done(7, 3)] {
        session.send(Message::text(event.clone())).await.unwrap();
        assert_eq!(text(&mut caller).await.to_string(), event);
    }
    session.send(Message::Binary(vec![1, 2].into())).await.unwrap();
    assert_eq!(caller.next().await.unwrap().unwrap(), Message::Binary(vec![1, 2].into()));
    let bye = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    caller.close(Some(bye.clone())).await.unwrap();
    assert_eq!(close(&mut session).await, Some(bye));
    let call = gateway.calls.recv().await.unwrap();
    let usage = call.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (12, Some(5)));
    assert_eq!(call.cost.unwrap().total.to_string(), "0.000022");
    assert_eq!((call.outcome, call.attempts.len()), (Outcome::Ok, 2));
}

#[tokio::test]
async fn a_side_that_drops_takes_the_other_along() {
    let mut voice = Voice::start(0).await;
    let mut gateway = TestGateway::start(&yaml(&voice.base), &Provider::start().await).await;
    let (caller, _) = dial(&gateway, "model=azure", &[]).await.unwrap();
    let (begun, mut session) = voice.sessions.recv().await.unwrap();
    assert_eq!((begun.0.as_str(), begun.1.as_str()), ("/openai/realtime?api-version=v1&deployment=d", "sk-secret"));
    drop(caller);
    assert_eq!(close(&mut session).await, None);
    assert_eq!(gateway.calls.recv().await.unwrap().outcome, Outcome::Ok);

    let (mut caller, _) = dial(&gateway, "model=azure", &[]).await.unwrap();
    let (_, session) = voice.sessions.recv().await.unwrap();
    drop(session);
    let error = text(&mut caller).await;
    assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!("server_error")));
    assert_eq!(close(&mut caller).await.unwrap().code, CloseCode::Error);
    let outcome = format!("{:?}", gateway.calls.recv().await.unwrap().outcome);
    assert!(outcome.contains("`azure` broke off the session"), "{outcome}");
}

#[tokio::test]
async fn who_may_not_call_begins_no_session() {
    let mut voice = Voice::start(0).await;
    let provider = Provider::start().await;
    let open = TestGateway::start(&yaml(&voice.base), &provider).await;
    // Browsers let every page open sockets, and say whose page it is.
    let (status, error) = refusal(dial(&open, "model=voice", &[("origin", "https://elsewhere.example")]).await);
    assert_eq!((status, &error["error"]["type"]), (403, &json!("permission_error")));
    assert_eq!(refusal(dial(&open, "model=claude", &[]).await).0, 400);
    assert_eq!(refusal(dial(&open, "model=nobody", &[]).await).0, 404);
    assert_eq!(refusal(dial(&open, "", &[]).await).0, 400);
    let (status, error) = open.get("/v1/realtime?model=voice").await;
    assert_eq!((status, &error["error"]["type"]), (426, &json!("invalid_request_error")));

    let keys =
        format!("{}keys:\n  - {{name: ann, hash: \"{}\", endpoints: [voice]}}\n", yaml(&voice.base), hashed(KEY));
    let gateway = TestGateway::start(&keys, &provider).await;
    assert_eq!(refusal(dial(&gateway, "model=voice", &[]).await).0, 401);
    let bearer = format!("Bearer {KEY}");
    assert_eq!(refusal(dial(&gateway, "model=azure", &[("authorization", &bearer)]).await).0, 403);
    // A page that has a key may come from anywhere, and can put it only here.
    let offered = format!("realtime, openai-insecure-api-key.{KEY}");
    let headers = [("sec-websocket-protocol", offered.as_str()), ("origin", "https://elsewhere.example")];
    let (_caller, head) = dial(&gateway, "model=voice", &headers).await.unwrap();
    assert_eq!(head.headers()["sec-websocket-protocol"], "realtime");
    let (begun, _session) = voice.sessions.recv().await.unwrap();
    assert_eq!(begun.1, "Bearer sk-secret");
}
