//! OpenAI's realtime sessions: `GET /v1/realtime?model=<endpoint>`, a WebSocket that passes to the provider's own.
//!
//! Events pass unread, but for the counts in `response.done`. Keys, limits and budgets are asked once, before the session
//! begins, and settled when it ends. Protocol: <https://platform.openai.com/docs/guides/realtime-websocket>.

mod counts;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::upgrade::OnUpgrade;
use llm::Error;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use uuid::Uuid;

use super::openai::{REQUEST_ID, failure, find};
use super::passthrough::{caller_of, header_of, passed};
use crate::Gateway;
use crate::answer::Failed;
use crate::dialect::Dialect;
use crate::dispatch::{self, Parcel};
use crate::request::Request;
use session::Session;

/// Sessions at once in this process; each has two connections and some buffers.
const SESSIONS_MAX: usize = 1024;
/// The protocol of the beta, which is told to providers in a header.
const BETA_PROTOCOL: &str = "openai-beta.realtime-v1";
const BETA: HeaderName = HeaderName::from_static("openai-beta");

pub(crate) fn router() -> Router<Gateway> {
    let places = Arc::new(Semaphore::new(SESSIONS_MAX));
    Router::new().route("/v1/realtime", get(move |gateway, request| open(gateway, request, Arc::clone(&places))))
}

async fn open(State(gateway): State<Gateway>, request: HttpRequest, places: Arc<Semaphore>) -> Response {
    let id = Uuid::new_v4().to_string();
    let mut response = opened(&gateway, &id, request, places).await.unwrap_or_else(failure);
    if response.status() == StatusCode::UPGRADE_REQUIRED {
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    let id = HeaderValue::try_from(id).expect("a UUID fits a header");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Opens the provider's side, and then lets the caller's begin.
async fn opened(
    gateway: &Gateway,
    id: &str,
    mut request: HttpRequest,
    places: Arc<Semaphore>,
) -> Result<Response, Failed> {
    let caller = caller_of(&request);
    let accept = accepted(request.headers())?;
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or_else(not_a_socket)?;
    if caller.known.is_none() && is_foreign(request.headers()) {
        return Err(Error::Forbidden(
            "a page of another site may not open sessions here; give the gateway keys, and the page one of them"
                .to_owned(),
        )
        .into());
    }
    let (name, query) = named(&request)?;
    let protocol = offers(request.headers(), "realtime").then(|| HeaderValue::from_static("realtime"));
    let headers = forwarded(request.headers());
    let place = place(places)?;
    let served = find(gateway, &name)?;
    if served.screen().is_some_and(|it| it.has_guardrails()) {
        return Err(Error::Unsupported(format!(
            "endpoint `{name}` has guardrails, which cannot look into realtime sessions; ask an endpoint without any"
        ))
        .into());
    }
    if caller.wants_explanation {
        return Err(Error::Unsupported("a session cannot be explained; leave `explain` out".to_owned()).into());
    }
    let record = json!({"method": "GET", "path": "realtime", "query": query}).to_string();
    let request = Request::new(Dialect::OpenAi, served.kind(), record.into(), Some(name), false).by(caller);
    let (meter, quotas) = gateway.admit(id.to_owned(), &served, &request).await?;
    let parcel = Parcel::new(true, move |endpoint| {
        let (headers, query) = (headers.clone(), query.clone());
        Box::pin(async move { endpoint.provider.realtime(headers, &query).await })
    });
    let passed = match dispatch::pass(&served, &request, parcel, meter).await {
        Ok(passed) => passed,
        Err(mut failed) => {
            failed.headers.extend(quotas);
            return Err(failed);
        }
    };
    let mut headers = passed.headers.clone();
    headers.extend(quotas);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    // The session outlives this answer, which is what it begins with; it ends with either side.
    tokio::spawn(Session::new(passed).run(upgrade, place));
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// The answer to a WebSocket's beginning, where the request is one.
fn accepted(headers: &HeaderMap) -> Result<HeaderValue, Error> {
    let says = |name: HeaderName, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
        values.flat_map(|it| it.split(',')).any(|it| it.trim().eq_ignore_ascii_case(word))
    };
    let is_socket = says(CONNECTION, "upgrade") && says(UPGRADE, "websocket") && says(SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_socket).ok_or_else(not_a_socket)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| not_a_socket())
}

fn not_a_socket() -> Error {
    let message = "realtime sessions are WebSockets over HTTP/1.1; open one with `Upgrade: websocket`".to_owned();
    Error::Upstream { status: StatusCode::UPGRADE_REQUIRED.as_u16(), message, body: None }
}

/// The endpoint that the query or the header names, and the query without it.
fn named(request: &HttpRequest) -> Result<(String, String), Error> {
    let query = request.uri().query().unwrap_or_default();
    let model = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "model");
    let rest = query.split('&').filter(|it| !it.is_empty() && !it.starts_with("model=") && !it.starts_with("explain="));
    let rest = rest.collect::<Vec<_>>().join("&");
    let header = header_of(request.headers(), &dispatch::ENDPOINT);
    let name = model.map(|(_, value)| value.into_owned()).or(header).ok_or_else(|| {
        Error::invalid("model", "`model` is missing in the query; name an endpoint, `/v1/realtime?model=NAME`")
    })?;
    Ok((name, rest))
}

fn offers(headers: &HeaderMap, protocol: &str) -> bool {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|it| it.to_str().ok());
    offered.flat_map(|it| it.split(',')).any(|it| it.trim() == protocol)
}

fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut forwarded = passed(headers);
    if offers(headers, BETA_PROTOCOL) && !forwarded.contains_key(BETA) {
        forwarded.insert(BETA, HeaderValue::from_static("realtime=v1"));
    }
    forwarded
}

/// Whether a page of another site asks. Browsers let pages open sockets anywhere, and say whose page it is.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let own = origin.to_str().ok().and_then(|it| it.split_once("://")).map(|(_, host)| host);
    own.is_none() || own != text(HOST)
}

fn place(places: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Error> {
    places.try_acquire_owned().map_err(|_| {
        Error::Unavailable(format!("{SESSIONS_MAX} realtime sessions are open, as many as may be; try again later"))
    })
}
