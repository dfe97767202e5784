//! One HTTP server that answers calls: its pooled client, its timeouts, and its errors in the vocabulary's terms.

mod aws_events;
mod cutting;
mod events;
mod failure;
mod public;
mod raw;
mod upgrade;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::{Bytes, BytesMut};
use llm::Error;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url};
use tokio::time::{Instant, timeout, timeout_at};

use super::scrub::Scrub;
use super::{Outgoing, Sign};
use crate::config::{EndpointConfig, Timeouts};
use crate::explain::{Explained, ExplainedHttp};
use crate::losses::Losses;

pub(super) use events::{data_frames, drain, events};
use failure::failure;
pub(super) use failure::in_ok_answer;

/// Bytes of an answer at most, also of a stream, of which a translation keeps what it has not told yet: a thousand
/// embeddings of 3072 dimensions as text fit twice.
const ANSWER_BYTES_MAX: usize = 128 << 20;
/// Bytes of an error answer that are read; the rest is somebody's HTML page.
const ERROR_BYTES_MAX: usize = 64 << 10;
/// Idle connections that are kept to each host: as many as calls usually run at once.
const IDLE_CONNECTIONS_MAX: usize = 256;
/// What a whole answer is asked for as, and a streamed one.
const WHOLE: &str = "application/json";
const STREAM: &str = "text/event-stream";
/// Servers close idle connections after a minute or more; ours go first, so that no call meets a closing one.
const IDLE_CONNECTION_AGE_MAX: Duration = Duration::from_secs(50);

/// The clients built so far, one for each server, shared by the endpoints that ask it.
#[derive(Default)]
pub(crate) struct Clients {
    built: HashMap<ClientKey, Client>,
    /// Those of the configuration before, which keep their connections if they are asked for again.
    before: HashMap<ClientKey, Client>,
}

/// Which server, how long connecting may take, and whether the server must be a public one.
type ClientKey = (String, Duration, bool);

impl Clients {
    /// The same clients for another configuration; those that it does not ask for are let go when it is built.
    pub(crate) fn renewed(&self) -> Self {
        Self { built: HashMap::new(), before: self.built.clone() }
    }

    /// Lets go of the clients that no endpoint has any more.
    pub(crate) fn forget_unused(&mut self) {
        self.before.clear();
    }

    /// An endpoint's server: its `api_base`, or the vendor's own address.
    pub(super) fn upstream(
        &mut self,
        endpoint: &EndpointConfig,
        base: &str,
        headers: HeaderMap,
    ) -> Result<Upstream, String> {
        if let Some(base) = endpoint.settings.address("api_base") {
            return self.upstream_at(endpoint, base, headers);
        }
        // The vendors' own addresses, which nobody chose over the API, are trusted.
        let base = Url::parse(base).map_err(|error| format!("`{base}` is no address: {error}"))?;
        self.upstream_in(endpoint, &base, headers, false)
    }

    /// An endpoint's server at an address that its configuration names, whole or in parts.
    pub(super) fn upstream_at(
        &mut self,
        endpoint: &EndpointConfig,
        base: &Url,
        headers: HeaderMap,
    ) -> Result<Upstream, String> {
        self.upstream_in(endpoint, base, headers, endpoint.origin.must_be_public())
    }

    fn upstream_in(
        &mut self,
        endpoint: &EndpointConfig,
        base: &Url,
        mut headers: HeaderMap,
        must_be_public: bool,
    ) -> Result<Upstream, String> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(more) = endpoint.settings.headers("headers") {
            headers.extend(more.clone());
        }
        let key = (base.origin().ascii_serialization(), endpoint.timeouts.connect, must_be_public);
        let client = match self.built.get(&key).or_else(|| self.before.get(&key)) {
            Some(client) => client.clone(),
            None => client(base, endpoint.timeouts.connect, must_be_public)?,
        };
        self.built.insert(key, client.clone());
        Ok(Upstream {
            client,
            base: base.as_str().trim_end_matches('/').to_owned(),
            scrub: Scrub::new(&endpoint.settings, &headers),
            headers,
            sign: None,
            timeouts: endpoint.timeouts,
            who: format!("provider `{}`", endpoint.vendor.name),
            last_asked: ArcSwapOption::empty(),
            must_be_public,
        })
    }
}

/// A client for one server, which must have a public address if whoever named it is not trusted with others.
pub(crate) fn client(base: &Url, connect: Duration, must_be_public: bool) -> Result<Client, String> {
    let builder = client_builder(base, connect, must_be_public)?;
    builder.build().map_err(|error| format!("the HTTP client cannot be built: {error}"))
}

fn client_builder(base: &Url, connect: Duration, must_be_public: bool) -> Result<reqwest::ClientBuilder, String> {
    // Whoever installed a provider before has chosen; TLS works either way.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .connect_timeout(connect)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(IDLE_CONNECTION_AGE_MAX)
        .tcp_nodelay(true)
        // A redirect would carry the key to a place that nobody configured.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
    let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
    if must_be_public {
        public::check_literal(base)?;
        // A proxy would resolve the name by itself, and reach what we may not.
        builder = builder.no_proxy().dns_resolver(Arc::new(public::PublicNames));
    }
    if is_loopback {
        // A proxy on another machine would look for the model on its own.
        builder = builder.no_proxy();
    }
    Ok(builder)
}

/// One server, with what it must be sent.
pub(super) struct Upstream {
    client: Client,
    base: String,
    headers: HeaderMap,
    scrub: Scrub,
    sign: Option<Arc<dyn Sign>>,
    timeouts: Timeouts,
    who: String,
    /// The path that was asked for last, with its address: most endpoints ask for one all the time, and to read an
    /// address costs more than to read a chat.
    last_asked: ArcSwapOption<(String, Url)>,
    /// Whether whoever named the server is not trusted with others than public ones.
    must_be_public: bool,
}

/// A streamed answer whose head has come.
pub(super) struct Body {
    response: Response,
    headers: HeaderMap,
    idle: Duration,
    deadline: Instant,
    /// Bytes that may still come.
    bytes_left: usize,
    who: String,
    scrub: Scrub,
}

impl Upstream {
    /// The same server, whose requests are signed one by one.
    pub(super) fn signed(self, sign: Arc<dyn Sign>) -> Self {
        Self { scrub: self.scrub.signed(Arc::clone(&sign)), sign: Some(sign), ..self }
    }

    /// What must not come back in this server's words.
    pub(super) fn scrub(&self) -> &Scrub {
        &self.scrub
    }

    /// Sends a body and waits for the whole answer. Gives it with its head.
    pub(super) async fn whole(&self, outgoing: Outgoing) -> Result<(Bytes, HeaderMap), Error> {
        let deadline = Instant::now() + self.timeouts.total;
        let mut response = self.send(outgoing, WHOLE).await?;
        let headers = std::mem::take(response.headers_mut());
        let body =
            self.bounded(read(response, ANSWER_BYTES_MAX), deadline).await?.map_err(|error| self.broken(&error))?;
        Ok((body, headers))
    }

    /// Sends a body and waits for the head of the stream.
    pub(super) async fn stream(&self, outgoing: Outgoing) -> Result<Body, Error> {
        let deadline = Instant::now() + self.timeouts.total;
        let mut response = self.send(outgoing, STREAM).await?;
        let headers = std::mem::take(response.headers_mut());
        let is_json = headers
            .get(CONTENT_TYPE)
            .and_then(|it| it.to_str().ok())
            .is_some_and(|it| it.starts_with("application/json"));
        if is_json {
            let body = self.bounded(read(response, ERROR_BYTES_MAX), deadline).await?.unwrap_or_default();
            return Err(match failure::in_ok_answer(&self.who, &body) {
                Some(error) => self.scrub.error(error),
                None => bad_gateway(format!("{} answered a streaming request without a stream", self.who)),
            });
        }
        Ok(Body {
            response,
            headers,
            idle: self.timeouts.idle,
            deadline,
            bytes_left: ANSWER_BYTES_MAX,
            who: self.who.clone(),
            scrub: self.scrub.clone(),
        })
    }

    pub(super) fn who(&self) -> &str {
        &self.who
    }

    async fn send(&self, outgoing: Outgoing, accept: &'static str) -> Result<Response, Error> {
        let first_byte = self.timeouts.first_byte.min(self.timeouts.total);
        let response = timeout(first_byte, self.execute(outgoing, accept))
            .await
            .map_err(|_| Error::Timeout(format!("{} did not answer within {first_byte:?}", self.who)))??;
        self.judged(response).await
    }

    /// The response, if it is a good one.
    async fn judged(&self, response: Response) -> Result<Response, Error> {
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = timeout(self.timeouts.idle, read(response, ERROR_BYTES_MAX)).await.ok().and_then(Result::ok);
        Err(failure(&self.who, status, &headers, &body.unwrap_or_default(), &self.scrub))
    }

    async fn execute(&self, outgoing: Outgoing, accept: &'static str) -> Result<Response, Error> {
        let mut request = self.request(outgoing, accept)?;
        if let Some(sign) = &self.sign {
            sign.sign(&mut request).await?;
        }
        self.client.execute(request).await.map_err(|error| self.unreached(&error))
    }

    /// A request that is complete but for its signature.
    fn request(&self, outgoing: Outgoing, accept: &'static str) -> Result<reqwest::Request, Error> {
        self.client
            .post(self.address(outgoing.path)?)
            .headers(self.headers.clone())
            .header(ACCEPT, HeaderValue::from_static(accept))
            .headers(outgoing.headers)
            .body(outgoing.body)
            .build()
            .map_err(|error| self.unreached(&error))
    }

    /// The address of a path below the base.
    fn address(&self, path: String) -> Result<Url, Error> {
        if let Some(known) = &*self.last_asked.load()
            && known.0 == path
        {
            return Ok(known.1.clone());
        }
        let address = Url::parse(&format!("{}/{path}", self.base))
            .map_err(|error| bad_gateway(format!("{} has no address {}/{path}: {error}", self.who, self.base)))?;
        self.last_asked.store(Some(Arc::new((path, address.clone()))));
        Ok(address)
    }

    /// What would be sent, without what is secret in its head.
    pub(super) fn explain(
        &self,
        outgoing: Outgoing,
        stream: bool,
        losses: Losses,
        is_native: bool,
    ) -> Result<Explained, Error> {
        let request = self.request(outgoing, if stream { STREAM } else { WHOLE })?;
        let scrub = |text: String| self.scrub.text(text);
        let headers = request.headers().iter().map(|(name, value)| {
            let shown = if value.is_sensitive() || *name == AUTHORIZATION {
                "[secret]".to_owned()
            } else {
                scrub(String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
            (name.as_str().to_owned(), shown)
        });
        let http = ExplainedHttp {
            url: scrub(request.url().to_string()),
            headers: headers.collect(),
            is_signed: self.sign.is_some(),
        };
        let body = request.body().and_then(|it| it.as_bytes()).map(<[u8]>::to_vec).unwrap_or_default();
        Ok(Explained { http: Some(http), body, losses, is_native })
    }

    async fn bounded<T>(&self, future: impl Future<Output = T>, deadline: Instant) -> Result<T, Error> {
        timeout_at(deadline, future)
            .await
            .map_err(|_| Error::Timeout(format!("{} took longer than {:?}", self.who, self.timeouts.total)))
    }

    fn unreached(&self, error: &reqwest::Error) -> Error {
        let Self { who, base, timeouts, .. } = self;
        if error.is_timeout() {
            return Error::Timeout(format!(
                "{who} at {base} did not accept a connection within {:?}",
                timeouts.connect
            ));
        }
        let what = if error.is_connect() { "cannot be reached" } else { "broke off the call" };
        Error::Unavailable(format!("{who} at {base} {what}: {}", root_cause(error)))
    }

    fn broken(&self, error: &ReadError) -> Error {
        match error {
            ReadError::Cut(error) => {
                Error::Unavailable(format!("{} broke off its answer: {}", self.who, root_cause(error)))
            }
            ReadError::TooLarge => bad_gateway(format!(
                "{} sent an answer of more than {ANSWER_BYTES_MAX} bytes; ask for less in one call",
                self.who
            )),
        }
    }
}

impl Body {
    /// The head of the answer.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn who(&self) -> &str {
        &self.who
    }

    pub(super) fn scrub(&self) -> &Scrub {
        &self.scrub
    }

    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let until = (Instant::now() + self.idle).min(self.deadline);
        match timeout_at(until, self.response.chunk()).await {
            Ok(Ok(None)) => Ok(None),
            Ok(Ok(Some(bytes))) => match self.bytes_left.checked_sub(bytes.len()) {
                Some(left) => {
                    self.bytes_left = left;
                    Ok(Some(bytes))
                }
                None => Err(bad_gateway(format!(
                    "{} streamed more than {ANSWER_BYTES_MAX} bytes; ask for less in one call",
                    self.who
                ))),
            },
            Ok(Err(error)) => {
                Err(Error::Unavailable(format!("{} broke off its stream: {}", self.who, root_cause(&error))))
            }
            Err(_) if until == self.deadline => {
                Err(Error::Timeout(format!("{} streamed for longer than the call may take", self.who)))
            }
            Err(_) => Err(Error::Timeout(format!("{} sent nothing for {:?}", self.who, self.idle))),
        }
    }
}

/// An answer that makes no sense, told as the gateway's peer would be.
pub(super) fn bad_gateway(message: String) -> Error {
    Error::Upstream { status: 502, message, body: None }
}

enum ReadError {
    Cut(reqwest::Error),
    TooLarge,
}

async fn read(mut response: Response, bytes_max: usize) -> Result<Bytes, ReadError> {
    let Some(first) = response.chunk().await.map_err(ReadError::Cut)? else { return Ok(Bytes::new()) };
    let Some(second) = response.chunk().await.map_err(ReadError::Cut)? else {
        return if first.len() > bytes_max { Err(ReadError::TooLarge) } else { Ok(first) };
    };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    while all.len() <= bytes_max {
        match response.chunk().await.map_err(ReadError::Cut)? {
            None => return Ok(all.freeze()),
            Some(bytes) => all.extend_from_slice(&bytes),
        }
    }
    Err(ReadError::TooLarge)
}

/// The innermost reason; the outer ones repeat the address.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
