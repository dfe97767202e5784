//! What passes to the provider that has it, as it is: images, audio, moderation, reranking, files, batches, and MLflow's
//! raw proxy.

mod multipart;
mod usage;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use llm::Error;
use serde_json::json;
use uuid::Uuid;

use super::openai::{REQUEST_ID, failure, find, plain_error};
use crate::Gateway;
use crate::answer::Failed;
use crate::caller::Caller;
use crate::cost::COST;
use crate::dialect::Dialect;
use crate::explain::is_wanted;
use crate::http::read;
use crate::json::{patch, quote};
use crate::metering::{Attempt, Meter, Outcome, unix_ns};
use crate::provider::{Raw, RawReply, told};
use crate::request::{Request, object};
use crate::served::Endpoint;

/// Names the endpoint where the body does not: of files and batches, which belong to no model.
const ENDPOINT: HeaderName = HeaderName::from_static("x-tidegate-endpoint");
/// Bytes of a JSON answer at most: several large images in base64.
const ANSWER_BYTES_MAX: usize = 128 << 20;

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
    let path = below_v1(&request);
    let headers = passed(request.headers());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let named = header_of(request.headers(), &ENDPOINT);
    if let Some(boundary) = multipart::boundary(request.headers()) {
        let caller = caller_of(&request);
        let form = match multipart::open(request, &boundary).await {
            Ok(form) => form,
            Err(error) => return failure(error.into()),
        };
        let name = form.model().map(str::to_owned).or(named);
        let record = json!({"path": path, "content_type": "multipart/form-data", "model": name}).to_string();
        return answered(&gateway, caller, name, record.into(), move |endpoint| {
            let (body, length) = form.body(&endpoint.info.model);
            Ok(raw(reqwest::Method::POST, path, query, with_length(headers, length), body))
        })
        .await;
    }
    let (caller, body) = match read(request).await {
        Ok(read) => read,
        Err(refused) => return plain_error(refused.status, &refused.message),
    };
    let name = match object(&body) {
        Ok(fields) => fields.get("model").and_then(|it| serde_json::from_str(it).ok()).or(named),
        Err(error) => return failure(error.into()),
    };
    answered(&gateway, caller, name, body.clone(), move |endpoint| {
        let body = patch(&body, &[("model", &quote(&endpoint.info.model))])
            .map_err(|error| Error::Internal(format!("a body could not be patched: {error}")))?;
        Ok(raw(reqwest::Method::POST, path, query, headers, body.into()))
    })
    .await
}

/// A request about what the provider stores; the header or the query names the endpoint.
async fn stored(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    let path = below_v1(&request);
    let caller = caller_of(&request);
    let query = request.uri().query().unwrap_or_default();
    let in_query = query.split('&').find_map(|it| it.strip_prefix("endpoint=")).map(str::to_owned);
    let query = query.split('&').filter(|it| !it.starts_with("endpoint=")).collect::<Vec<_>>().join("&");
    let name = header_of(request.headers(), &ENDPOINT).or(in_query);
    let Some(name) = name else {
        let error = Error::invalid(
            "x-tidegate-endpoint",
            "whose files and batches are meant is not clear; name an endpoint of that provider in the header \
             `x-tidegate-endpoint` or in the query, `?endpoint=NAME`",
        );
        return failure(error.into());
    };
    unread(&gateway, caller, &name, path, query, request).await
}

/// `POST /gateway/proxy/<endpoint>/<path>`: MLflow's raw proxy. The body is not touched, not even its model.
async fn proxy(
    State(gateway): State<Gateway>,
    Path((name, _)): Path<(String, String)>,
    request: HttpRequest,
) -> Response {
    let caller = caller_of(&request);
    // As it came: what is percent-encoded stays so.
    let prefix = "/gateway/proxy/".len() + request.uri().path()["/gateway/proxy/".len()..].find('/').unwrap_or(0) + 1;
    let path = request.uri().path()[prefix..].to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    unread(&gateway, caller, &name, path, query, request).await
}

/// Passes a request whose body nobody looks at.
async fn unread(
    gateway: &Gateway,
    caller: Caller,
    name: &str,
    path: String,
    query: String,
    request: HttpRequest,
) -> Response {
    if let Err(error) = sound(&path) {
        return failure(error.into());
    }
    let method = request.method().clone();
    let headers = passed(request.headers());
    let length = content_length(request.headers());
    if length.is_some_and(|it| it > multipart::BYTES_MAX) {
        return failure(multipart::too_large().into());
    }
    let record = json!({"method": method.as_str(), "path": path}).to_string();
    answered(gateway, caller, Some(name.to_owned()), record.into(), move |_| {
        let has_body = !matches!(method, reqwest::Method::GET | reqwest::Method::DELETE);
        let body = if has_body { multipart::bounded(request.into_body(), 0) } else { reqwest::Body::default() };
        Ok(raw(method, path, query, with_length(headers, length.filter(|_| has_body)), body))
    })
    .await
}

fn raw(method: reqwest::Method, path: String, query: String, headers: HeaderMap, body: reqwest::Body) -> Raw {
    Raw { method, path, query, headers, body }
}

async fn answered(
    gateway: &Gateway,
    caller: Caller,
    name: Option<String>,
    record: Bytes,
    raw: impl FnOnce(&Endpoint) -> Result<Raw, Error> + Send,
) -> Response {
    let id = Uuid::new_v4().to_string();
    let mut response = match pass(gateway, &id, caller, name, record, raw).await {
        Ok(response) => response,
        Err(failed) => failure(failed),
    };
    let id = HeaderValue::try_from(id).expect("a UUID fits a header");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn pass(
    gateway: &Gateway,
    id: &str,
    caller: Caller,
    name: Option<String>,
    record: Bytes,
    raw: impl FnOnce(&Endpoint) -> Result<Raw, Error> + Send,
) -> Result<Response, Failed> {
    let name = name.ok_or_else(|| {
        Error::invalid(
            "model",
            "`model` is missing; send the name of an endpoint, in a form before the file, or in the header \
             `x-tidegate-endpoint`",
        )
    })?;
    let served = find(gateway, &name)?;
    if served.screen().is_some_and(|it| it.has_guardrails()) {
        return Err(Error::Unsupported(format!(
            "endpoint `{name}` has guardrails, which cannot look into what passes unread; ask an endpoint without any"
        ))
        .into());
    }
    if caller.wants_explanation {
        return Err(Error::Unsupported("what passes unread cannot be explained; leave `explain` out".to_owned()).into());
    }
    // What is stored lies with one provider, so that a route stands for its first destination.
    let endpoint = Arc::clone(&served.endpoints()[0]);
    let raw = raw(&endpoint)?;
    // No type of endpoint is that of images or files, so that the record has the endpoint's own.
    let request = Request::new(Dialect::OpenAi, served.kind(), record, Some(name), false).by(caller);
    let (mut meter, quotas) = gateway.admit(id.to_owned(), &served, &request).await?;
    meter.is_for(&endpoint);
    let (started, started_unix_ns) = (Instant::now(), unix_ns());
    let result = endpoint.provider.pass(raw).await;
    meter.tried(Attempt {
        endpoint: endpoint.info.name.clone(),
        provider: endpoint.info.provider.clone(),
        model: endpoint.info.model.clone(),
        started_unix_ns,
        duration: started.elapsed(),
        outcome: result.as_ref().map_or_else(Outcome::of, |_| Outcome::Ok),
    });
    match result {
        Ok(reply) => match finished(reply, meter).await {
            Ok(mut response) => {
                response.headers_mut().extend(quotas);
                Ok(response)
            }
            Err(error) => Err(Failed { error, headers: quotas }),
        },
        Err(error) => {
            meter.fail(&error);
            Err(Failed { error, headers: quotas })
        }
    }
}

/// The response. A JSON answer is read for its counts; all else passes as it comes.
async fn finished(reply: RawReply, meter: Meter) -> Result<Response, Error> {
    let RawReply { headers: theirs, body } = reply;
    let mut headers = told(&theirs);
    for name in [CONTENT_TYPE, CONTENT_DISPOSITION, CONTENT_ENCODING] {
        if let Some(value) = theirs.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Ok((headers, Body::from_stream(metered(body, meter))).into_response());
    }
    let read = body.try_fold(Vec::new(), |mut all, bytes| async move {
        if all.len() + bytes.len() > ANSWER_BYTES_MAX {
            let message =
                format!("the provider answered with more than {ANSWER_BYTES_MAX} bytes; ask for less at once");
            return Err(Error::Upstream { status: 502, message, body: None });
        }
        all.extend_from_slice(&bytes);
        Ok(all)
    });
    match read.await {
        Ok(body) => {
            let body = Bytes::from(body);
            if let Some(cost) = meter.passed(&body, usage::of(&body)).and_then(|it| it.to_string().parse().ok()) {
                headers.insert(COST, cost);
            }
            Ok((headers, body).into_response())
        }
        Err(error) => {
            meter.fail(&error);
            Err(error)
        }
    }
}

/// The bytes as they pass; the call ends with them.
fn metered(
    body: impl futures::Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static,
    meter: Meter,
) -> impl futures::Stream<Item = Result<Bytes, Error>> + Send {
    stream::unfold((body, Some(meter)), |(mut body, mut meter)| async move {
        match body.next().await {
            Some(Ok(bytes)) => Some((Ok(bytes), (body, meter))),
            Some(Err(error)) => {
                meter.take()?.fail(&error);
                Some((Err(error), (body, None)))
            }
            None => {
                let _ = meter.take()?.done();
                None
            }
        }
    })
}

/// The headers that pass: what the body is, what is wanted, and those that go to providers anyway.
fn passed(headers: &HeaderMap) -> HeaderMap {
    let mut passed: HeaderMap =
        Caller::of(headers, None).forwarded().map(|(name, value)| (name.clone(), value.clone())).collect();
    for name in [CONTENT_TYPE, ACCEPT] {
        if let Some(value) = headers.get(&name) {
            passed.insert(name, value.clone());
        }
    }
    passed
}

fn caller_of(request: &HttpRequest) -> Caller {
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

fn header_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|it| it.to_str().ok()).map(str::to_owned).filter(|it| !it.is_empty())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn below_v1(request: &HttpRequest) -> String {
    request.uri().path().trim_start_matches("/v1/").to_owned()
}

/// A path stays below the endpoint's address: steps upwards, written plainly or in percent signs, would leave it.
fn sound(path: &str) -> Result<(), Error> {
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
