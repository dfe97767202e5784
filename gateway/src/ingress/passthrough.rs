//! What passes to the provider that has it, as it is: images, audio, moderation, reranking, files, batches, and MLflow's
//! raw proxy.

mod answer;
mod multipart;
mod passing;
mod usage;

use axum::Router;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use axum::routing::{delete, get, post};
use bytes::Bytes;
use llm::Error;
use serde_json::json;

use crate::Gateway;
use crate::caller::Caller;
use crate::dispatch::Parcel;
use crate::explain::is_wanted;
use crate::http::{Refused, read};
use crate::json::{patch, quote};
use crate::provider::{Raw, RawReply};
use crate::request::object;
use crate::served::Endpoint;
pub(super) use passing::{Passage, To, answered};
pub(super) use usage::of_value as usage_in;

/// Names the endpoint where the body does not: of files and batches, which belong to no model.
const ENDPOINT: HeaderName = HeaderName::from_static("x-tidegate-endpoint");

/// Addresses below `/v1/` whose body names an endpoint as its model.
const MODELLED: [&str; 8] = [
    "images/generations",
    "images/edits",
    "images/variations",
    "audio/speech",
    "audio/transcriptions",
    "audio/translations",
    "moderations",
    "rerank",
];

pub(crate) fn router() -> Router<Gateway> {
    let mut router = Router::new();
    for path in MODELLED {
        router = router.route(&format!("/v1/{path}"), post(modelled));
    }
    router
        .route("/v1/files", get(stored).post(stored))
        .route("/v1/files/{id}", get(stored).merge(delete(stored)))
        .route("/v1/files/{id}/content", get(stored))
        .route("/v1/batches", get(stored).post(stored))
        .route("/v1/batches/{id}", get(stored))
        .route("/v1/batches/{id}/cancel", post(stored))
        .route("/gateway/proxy/{endpoint}/{*path}", post(proxy))
}

/// A request whose body names the endpoint as its `model`.
async fn modelled(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    answered(&gateway, modelled_passage(request).await).await
}

async fn modelled_passage(request: HttpRequest) -> Result<Passage, Error> {
    let path = below_v1(&request);
    let headers = passed(request.headers());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let named = header_of(request.headers(), &ENDPOINT);
    let missing = || {
        Error::invalid(
            "model",
            "`model` is missing; send the name of an endpoint, in a form before the file, or in the header \
             `x-tidegate-endpoint`",
        )
    };
    if let Some(boundary) = multipart::boundary(request.headers()) {
        let caller = caller_of(&request);
        let form = multipart::open(request, &boundary).await?;
        let name = form.model().map(str::to_owned).or(named).ok_or_else(missing)?;
        let record = json!({"path": path, "content_type": "multipart/form-data", "model": name}).to_string();
        let parcel = once(form, move |form, endpoint| {
            let (body, length) = form.body(&endpoint.info.model);
            let headers = with_length(headers.clone(), length);
            Raw { method: reqwest::Method::POST, path: path.clone(), query: query.clone(), headers, body }
        });
        return Ok(Passage { record: record.into(), ..passage(caller, name, To::Any, parcel) });
    }
    let (caller, body) = read(request).await.map_err(refused)?;
    let name =
        object(&body)?.get("model").and_then(|it| serde_json::from_str(it).ok()).or(named).ok_or_else(missing)?;
    let record = body.clone();
    let parcel = modelled_parcel(path, query, headers, body);
    Ok(Passage { record, ..passage(caller, name, To::Any, parcel) })
}

/// A JSON body whose model is each endpoint's own.
pub(super) fn modelled_parcel(path: String, query: String, headers: HeaderMap, body: Bytes) -> Parcel<RawReply> {
    let make = move |endpoint: &Endpoint| {
        let body = patch(&body, &[("model", &quote(&endpoint.info.model))])
            .map_err(|error| Error::Internal(format!("a body could not be patched: {error}")))?;
        let (path, query, headers) = (path.clone(), query.clone(), headers.clone());
        Ok(Raw { method: reqwest::Method::POST, path, query, headers, body: body.into() })
    };
    Parcel::raw(true, make)
}

/// Something that can be sent once only.
fn once<T: Send + 'static>(what: T, make: impl Fn(T, &Endpoint) -> Raw + Send + 'static) -> Parcel<RawReply> {
    let mut what = Some(what);
    let make = move |endpoint: &Endpoint| match what.take() {
        Some(what) => Ok(make(what, endpoint)),
        None => Err(Error::Internal("a body that streams through was to be sent twice".to_owned())),
    };
    Parcel::raw(false, make)
}

pub(super) fn passage(caller: Caller, name: String, to: To, parcel: Parcel<RawReply>) -> Passage {
    Passage { caller, name, to, record: Bytes::new(), parcel, is_sealed: false, is_counted: true }
}

pub(super) fn refused(refused: Refused) -> Error {
    Error::Upstream { status: refused.status.as_u16(), message: refused.message, body: None }
}

/// A request about what the provider stores; the header or the query names the endpoint.
async fn stored(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    let path = below_v1(&request);
    let passage = named_endpoint(&request).and_then(|(name, query)| unread(name, To::First, path, query, request));
    answered(&gateway, passage).await
}

/// The endpoint that the header or the query names, and the query without it.
pub(super) fn named_endpoint(request: &HttpRequest) -> Result<(String, String), Error> {
    let query = request.uri().query().unwrap_or_default();
    let in_query = query.split('&').find_map(|it| it.strip_prefix("endpoint=")).map(str::to_owned);
    let query = query.split('&').filter(|it| !it.starts_with("endpoint=")).collect::<Vec<_>>().join("&");
    let name = header_of(request.headers(), &ENDPOINT).or(in_query).ok_or_else(|| {
        Error::invalid(
            "x-tidegate-endpoint",
            "whose files, batches or conversations are meant is not clear; name an endpoint of that provider in the \
             header `x-tidegate-endpoint` or in the query, `?endpoint=NAME`",
        )
    })?;
    Ok((name, query))
}

/// `POST /gateway/proxy/<endpoint>/<path>`: MLflow's raw proxy. The body is not touched, not even its model.
async fn proxy(
    State(gateway): State<Gateway>,
    Path((name, _)): Path<(String, String)>,
    request: HttpRequest,
) -> Response {
    // As it came: what is percent-encoded stays so.
    let prefix = "/gateway/proxy/".len() + request.uri().path()["/gateway/proxy/".len()..].find('/').unwrap_or(0) + 1;
    let path = request.uri().path()[prefix..].to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    answered(&gateway, unread(name, To::First, path, query, request)).await
}

/// A request whose body nobody looks at.
fn unread(name: String, to: To, path: String, query: String, request: HttpRequest) -> Result<Passage, Error> {
    sound(&path)?;
    let caller = caller_of(&request);
    let method = request.method().clone();
    let headers = passed(request.headers());
    let length = content_length(request.headers());
    if length.is_some_and(|it| it > multipart::BYTES_MAX) {
        return Err(multipart::too_large());
    }
    let record = json!({"method": method.as_str(), "path": path}).to_string();
    let parcel = if matches!(method, reqwest::Method::GET | reqwest::Method::DELETE) {
        bare(method, path, query, headers)
    } else {
        let headers = with_length(headers, length);
        once(request.into_body(), move |body, _| {
            let (method, path, query, headers) = (method.clone(), path.clone(), query.clone(), headers.clone());
            Raw { method, path, query, headers, body: multipart::bounded(body, 0) }
        })
    };
    // What is only read was counted when it was made: a batch's tokens, say.
    Ok(Passage { record: record.into(), is_counted: !parcel.may_repeat, ..passage(caller, name, to, parcel) })
}

/// A request without a body.
pub(super) fn bare(method: reqwest::Method, path: String, query: String, headers: HeaderMap) -> Parcel<RawReply> {
    let make = move |_: &Endpoint| {
        let (method, path, query, headers) = (method.clone(), path.clone(), query.clone(), headers.clone());
        Ok(Raw { method, path, query, headers, body: reqwest::Body::default() })
    };
    Parcel::raw(true, make)
}

/// The headers that pass: what the body is, what is wanted, and those that go to providers anyway.
pub(super) fn passed(headers: &HeaderMap) -> HeaderMap {
    let mut passed: HeaderMap =
        Caller::of(headers, None).forwarded().map(|(name, value)| (name.clone(), value.clone())).collect();
    for name in [CONTENT_TYPE, ACCEPT] {
        if let Some(value) = headers.get(&name) {
            passed.insert(name, value.clone());
        }
    }
    passed
}

pub(super) fn caller_of(request: &HttpRequest) -> Caller {
    Caller {
        wants_explanation: is_wanted(request.uri()),
        ..Caller::of(request.headers(), request.extensions().get().cloned())
    }
}

fn with_length(mut headers: HeaderMap, length: Option<u64>) -> HeaderMap {
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    headers
}

pub(super) fn header_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|it| it.to_str().ok()).map(str::to_owned).filter(|it| !it.is_empty())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn below_v1(request: &HttpRequest) -> String {
    request.uri().path().trim_start_matches("/v1/").to_owned()
}

/// A path stays below the endpoint's address: steps upwards, written plainly or in percent signs, would leave it.
pub(super) fn sound(path: &str) -> Result<(), Error> {
    let lower = path.to_ascii_lowercase();
    let plain = lower.replace("%2e", ".");
    let climbs = plain.split('/').any(|it| it == ".." || it == "." || it.is_empty());
    if climbs || lower.contains("%2f") || lower.contains("%5c") || path.contains('\\') {
        return Err(Error::invalid("path", format!("`{path}` does not lead below the provider's address")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_address() {
        let check = |path: &str, is_sound: bool| assert_eq!(sound(path).is_ok(), is_sound, "{path}");
        check("v1/files/file-1/content", true);
        check("models/a:generateContent", true);
        check("../admin", false);
        check("a/%2e%2E/b", false);
        check("a/.%2e/b", false);
        check("a//b", false);
        check("a%2fb", false);
        check("a\\b", false);
        check("", false);
    }
}
