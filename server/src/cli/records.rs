//! The records that a verb works on: a tracking server's over HTTP, or a database's through the same API in this process.

mod artifacts;
mod failure;

use std::time::Duration;

use anyhow::{Context, bail};
use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Limited};
use reqwest::Url;
use serde_json::Value;
use tower::ServiceExt;
use tracking::{ArtifactOptions, Tracking};

use crate::config::ServerConfig;

pub(super) use artifacts::{ArtifactFolder, local_folder};
pub(super) use failure::Failure;

/// The largest answer that is read: a page of runs is some megabytes, and a longer one is no page of ours.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A server that does not accept a connection in this time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A request for records that takes longer is lost; files have no such limit.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(5);

/// Entries that one request asks for; MLflow's own client takes as many.
const PAGE_SIZE: u64 = 1000;

/// Which records a verb works on.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// A tracking server (`http://host:5000`) or a database (`sqlite:///mlflow.db`, `postgresql://…`,
    /// `mysql+pymysql://…`).
    #[arg(long, global = true, value_name = "URI", env = "MLFLOW_TRACKING_URI", hide_env_values = true)]
    tracking_uri: Option<String>,
    /// For a database: where the files behind `mlflow-artifacts:/` are kept.
    #[arg(long, global = true, value_name = "URI", env = "MLFLOW_ARTIFACTS_DESTINATION")]
    artifacts_destination: Option<String>,
    /// For a database: where new experiments keep their artifacts; by default behind `mlflow-artifacts:/`.
    #[arg(long, global = true, value_name = "URI", env = "MLFLOW_DEFAULT_ARTIFACT_ROOT")]
    default_artifact_root: Option<String>,
}

/// What may happen to a database that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is created.
    Create,
    /// It is an error; whoever only looks or deletes has mistyped the address.
    Refuse,
}

/// The records behind one address.
#[derive(Debug)]
pub(super) struct Records {
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Server { base: Url, http: reqwest::Client, login: Login },
    Here(Box<Router>),
}

/// How a server is told who asks, as MLflow's client does it.
#[derive(Clone)]
enum Login {
    None,
    Basic { user: String, password: Option<String> },
    Bearer(String),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Login(…)")
    }
}

impl Login {
    fn from_env() -> Self {
        let read = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        match (read("MLFLOW_TRACKING_USERNAME"), read("MLFLOW_TRACKING_TOKEN")) {
            (Some(user), _) => Self::Basic { user, password: read("MLFLOW_TRACKING_PASSWORD") },
            (None, Some(token)) => Self::Bearer(token),
            (None, None) => Self::None,
        }
    }

    fn add_to(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self {
            Self::None => request,
            Self::Basic { user, password } => request.basic_auth(user, password.as_ref()),
            Self::Bearer(token) => request.bearer_auth(token),
        }
    }
}

impl Records {
    /// Opens what the command line and the environment name; by default `./mlflow.db`, as `tidegate server` does.
    pub(super) async fn open(place: &Place, missing: Missing) -> anyhow::Result<Self> {
        let default = ServerConfig::default();
        let uri = place.tracking_uri.as_deref().unwrap_or(&default.backend_store_uri);
        if uri.starts_with("http://") || uri.starts_with("https://") {
            return Self::server(uri);
        }
        refuse_folder(uri)?;
        if missing == Missing::Refuse {
            refuse_missing(uri)?;
        }
        let db = db::Db::open(uri).await?;
        let destination = place.artifacts_destination.clone().unwrap_or(default.artifacts_destination);
        let options = ArtifactOptions::resolve(place.default_artifact_root.clone(), Some(destination), true);
        Ok(Self::of(Tracking::open(db, options).await?))
    }

    /// The records of a store in this process.
    pub(super) fn of(tracking: Tracking) -> Self {
        Self { transport: Transport::Here(Box::new(tracking::router(tracking))) }
    }

    /// A tracking server at its base address.
    pub(super) fn server(uri: &str) -> anyhow::Result<Self> {
        Self::with_login(uri, Login::from_env())
    }

    /// A server whose administrator asks, by their key.
    pub(super) fn signed_in(uri: &str, key: String) -> anyhow::Result<Self> {
        Self::with_login(uri, Login::Bearer(key))
    }

    fn with_login(uri: &str, login: Login) -> anyhow::Result<Self> {
        let base = Url::parse(uri.trim_end_matches('/')).with_context(|| format!("`{uri}` is no address"))?;
        // A provider that another part of the process installed first serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot set up the HTTP client")?;
        Ok(Self { transport: Transport::Server { base, http, login } })
    }

    /// `GET` of an API's path below `/api/2.0/mlflow/` with query parameters.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        let mut target = format!("/api/2.0/mlflow/{path}");
        for (place, (key, value)) in query.iter().enumerate() {
            target.push(if place == 0 { '?' } else { '&' });
            target.push_str(key);
            target.push('=');
            target.push_str(&encode(value));
        }
        self.json(Method::GET, &target, None).await
    }

    /// `POST` of JSON to an API's path below `/api/2.0/mlflow/`.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.json(Method::POST, &format!("/api/2.0/mlflow/{path}"), Some(body)).await
    }

    /// Hands the entries of a search to `take`, page by page, `most` of them at most; says whether more follow.
    pub(super) async fn search<F>(
        &self,
        path: &str,
        body: Value,
        key: &str,
        most: u64,
        mut take: F,
    ) -> anyhow::Result<bool>
    where
        F: FnMut(Value) -> anyhow::Result<()>,
    {
        let mut body = body;
        let mut left = most;
        loop {
            body["max_results"] = left.min(PAGE_SIZE).into();
            let mut page = self.post(path, &body).await?;
            let entries = match page[key].take() {
                Value::Array(entries) => entries,
                _ => Vec::new(),
            };
            for entry in entries {
                left = left.saturating_sub(1);
                take(entry)?;
            }
            let token = page["next_page_token"].as_str().filter(|it| !it.is_empty());
            match token {
                None => return Ok(false),
                Some(_) if left == 0 => return Ok(true),
                Some(token) => body["page_token"] = token.into(),
            }
        }
    }

    /// A request to a path with a body, where it has one.
    pub(super) async fn json(&self, method: Method, target: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let bytes = body.map_or_else(Bytes::new, |it| Bytes::from(it.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::CONTENT_TYPE, "application/json")
            // Without it the body would go in chunks, which MLflow's server takes for an empty one.
            .header(header::CONTENT_LENGTH, bytes.len())
            .body(Body::from(bytes))
            .context("the request cannot be written")?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, async { read(self.send(request).await?).await })
            .await
            .map_err(|_| Failure::Broken(anyhow::anyhow!("no answer within {} s", ANSWER_TIMEOUT.as_secs())))??;
        serde_json::from_slice(&answer).map_err(|error| {
            Failure::Broken(anyhow::anyhow!("the answer to {target} is no JSON ({error}); is this an MLflow server?"))
        })
    }

    /// Sends a request and gives its answer when it is a success.
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let answer = match &self.transport {
            // The router's error type has no values.
            Transport::Here(router) => match router.as_ref().clone().oneshot(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            },
            Transport::Server { base, http, login } => {
                let (parts, body) = request.into_parts();
                let url = format!("{}{}", base.as_str().trim_end_matches('/'), parts.uri);
                let request = http
                    .request(parts.method, url)
                    .headers(parts.headers)
                    .body(reqwest::Body::wrap_stream(body.into_data_stream()));
                let answer = login.add_to(request).send().await.map_err(|error| failure::unreachable(base, &error))?;
                let (status, headers) = (answer.status(), answer.headers().clone());
                let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                response
            }
        };
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        Err(failure::refused(status, &read(answer).await.unwrap_or_default()))
    }
}

/// Reads an answer whole.
async fn read(answer: Response<Body>) -> Result<Bytes, Failure> {
    match Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(Failure::Broken(anyhow::anyhow!("reading the answer failed: {error}"))),
    }
}

/// A folder of MLflow's file store is no database.
fn refuse_folder(uri: &str) -> anyhow::Result<()> {
    if uri.contains("://") && !uri.starts_with("file:") {
        return Ok(());
    }
    let folder = uri.trim_start_matches("file://");
    bail!(
        "`{uri}` is neither a server nor a database; a folder of MLflow's file store becomes one with `tidegate import \
         {folder} --to sqlite:///mlflow.db`"
    )
}

/// Who only looks at or deletes records of a file that is not there has mistyped its name.
pub(super) fn refuse_missing(uri: &str) -> anyhow::Result<()> {
    let Some(path) = uri.split_once(":///").filter(|(scheme, _)| scheme.starts_with("sqlite")).map(|(_, path)| path)
    else {
        return Ok(());
    };
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" || std::path::Path::new(path).exists() {
        return Ok(());
    }
    bail!(
        "there is no database {uri} (the file {path}); name one with --tracking-uri or MLFLOW_TRACKING_URI, or create it \
         with `tidegate db upgrade {uri}`"
    )
}

/// Text for one place of a path or a query.
pub(super) fn encode(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}
