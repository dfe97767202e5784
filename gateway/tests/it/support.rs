//! A provider that answers as a test says, and a gateway that asks it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use gateway::{CallReceiver, Config, ConfigError, Gateway, Parts};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What the provider was sent.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Value,
}

/// What the provider answers.
pub(crate) enum Reply {
    /// A head and bytes, cut into pieces of seven bytes.
    Bytes { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// A head and bytes of any kind, cut the same way.
    Raw { status: u16, content_type: String, body: Bytes },
    /// An error that quotes the head and the body of the request.
    Echo { status: u16 },
    /// Bytes, and then the connection breaks.
    Cut { content_type: &'static str, body: String },
    /// Bytes, and then silence until the gateway goes; `gone` is told when it does.
    Hang { body: String, gone: oneshot::Sender<()> },
    /// No head at all until the gateway goes.
    Never { gone: oneshot::Sender<()> },
}

impl Reply {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Bytes { status, headers: vec![("content-type", "application/json".to_owned())], body: body.to_owned() }
    }

    pub(crate) fn sse(body: &str) -> Self {
        Self::Bytes {
            status: 200,
            headers: vec![("content-type", "text/event-stream".to_owned())],
            body: body.to_owned(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) base: String,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let provider = Self { base, replies: Arc::default(), seen: Arc::default() };
        let app = Router::new().fallback(answer).with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        provider
    }

    pub(crate) fn will(&self, reply: Reply) -> &Self {
        self.replies.lock().unwrap().push_back(reply);
        self
    }

    /// Takes back what was not asked for.
    pub(crate) fn forget(&self) {
        self.replies.lock().unwrap().clear();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(State(provider): State<Provider>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let echo = {
        let head: Vec<_> = parts.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        let text = format!("{} {} {}", parts.uri, head.join(", "), String::from_utf8_lossy(&body));
        let heads: serde_json::Map<String, Value> =
            parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
        serde_json::json!({"error": {"message": text, "type": "api_error", "sent": heads}}).to_string()
    };
    provider.seen.lock().unwrap().push(Seen {
        path: parts.uri.to_string(),
        headers: parts.headers,
        // What is no JSON is kept as a text.
        body: serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into()),
    });
    let reply = provider.replies.lock().unwrap().pop_front().expect("the test says what the provider answers");
    match reply {
        Reply::Bytes { status, headers, body } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from_stream(stream::iter(pieces(&body)))).unwrap()
        }
        Reply::Echo { status } => Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(Body::from(echo))
            .unwrap(),
        Reply::Raw { status, content_type, body } => Response::builder()
            .status(status)
            .header("content-type", content_type)
            .body(Body::from_stream(stream::iter(pieces(&body))))
            .unwrap(),
        Reply::Cut { content_type, body } => {
            // The server sends what it has when the body makes it wait.
            let cut = stream::once(async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut"))
            });
            let body = Body::from_stream(stream::iter(pieces(&body)).chain(cut));
            Response::builder().header("content-type", content_type).body(body).unwrap()
        }
        Reply::Hang { body, gone } => {
            let guard = Gone(Some(gone));
            let state = (pieces(&body).into_iter(), guard);
            let body = stream::unfold(state, |(mut pieces, guard)| async move {
                match pieces.next() {
                    Some(piece) => Some((piece, (pieces, guard))),
                    None => std::future::pending().await,
                }
            });
            Response::builder().header("content-type", "text/event-stream").body(Body::from_stream(body)).unwrap()
        }
        Reply::Never { gone } => {
            let _guard = Gone(Some(gone));
            std::future::pending().await
        }
    }
}

/// Tells when it is dropped.
struct Gone(Option<oneshot::Sender<()>>);

impl Drop for Gone {
    fn drop(&mut self) {
        // Not every test waits to be told.
        let _ = self.0.take().unwrap().send(());
    }
}

fn pieces(body: &(impl AsRef<[u8]> + ?Sized)) -> Vec<Result<Bytes, std::io::Error>> {
    body.as_ref().chunks(7).map(|it| Ok(Bytes::copy_from_slice(it))).collect()
}

/// A gateway on a socket of its own.
pub(crate) struct TestGateway {
    pub(crate) gateway: Gateway,
    pub(crate) base: String,
    pub(crate) calls: CallReceiver,
    pub(crate) http: reqwest::Client,
}

impl TestGateway {
    /// Starts a gateway of this YAML. `$KEY` is `sk-secret`, `BASE` the provider's address, `ROOT` the same without `/v1`.
    pub(crate) async fn start(yaml: &str, provider: &Provider) -> Self {
        let root = provider.base.trim_end_matches("/v1");
        Self::start_with(&yaml.replace("BASE", &provider.base).replace("ROOT", root), Parts::default()).await
    }

    pub(crate) async fn start_with(yaml: &str, parts: Parts) -> Self {
        let (sender, calls) = gateway::calls(64, usize::MAX);
        let gateway = Gateway::start(load(yaml).unwrap(), Parts { calls: Some(sender), ..parts }).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = gateway::router(gateway.clone());
        // Whichever test comes first installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { gateway, base, calls, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.http.post(format!("{}{path}", self.base)).json(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Posts and gives status and body.
    pub(crate) async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        let response = self.post(path, body).await;
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
    }

    /// Posts and gives the data of each event.
    pub(crate) async fn stream(&self, path: &str, body: &Value) -> Vec<String> {
        let response = self.post(path, body).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        data_of(&response.text().await.unwrap())
    }
}

pub(crate) fn data_of(text: &str) -> Vec<String> {
    assert!(text.ends_with("\n\n"), "{text}");
    text.trim_end()
        .split("\n\n")
        .map(|it| it.strip_prefix("data: ").unwrap_or_else(|| panic!("no data event: {it}")).to_owned())
        .collect()
}

/// Reads a configuration from YAML text.
pub(crate) fn load(yaml: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, yaml).unwrap();
    Config::load_with_env(&file, &|name| match name {
        "KEY" => Some("sk-secret".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    })
}

/// An OpenAI chat endpoint named `chat`.
pub(crate) const CHAT: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model:
      provider: openai
      name: gpt-test
      config: {openai_api_key: $KEY, openai_api_base: BASE}
";

pub(crate) fn hello(model: Option<&str>) -> Value {
    let mut body = serde_json::json!({"messages": [{"role": "user", "content": "hi"}]});
    if let Some(model) = model {
        body["model"] = model.into();
    }
    body
}
