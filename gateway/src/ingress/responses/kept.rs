//! What providers keep: responses and conversations by their ids, asked where they were made.
//!
//! Paths and bodies: <https://platform.openai.com/docs/api-reference/responses>, and OpenAI's client 3.57.0.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use llm::Error;
use reqwest::Method;
use serde_json::json;

use super::sequel;
use crate::Gateway;
use crate::dialect::responses;
use crate::dispatch::Parcel;
use crate::endpoint::Kind;
use crate::handles::{self, is_handle, nothing};
use crate::http::read;
use crate::ingress::openai::named;
use crate::ingress::passthrough::{
    Passage, To, answered, bare, caller_of, modelled_parcel, named_endpoint, passage, passed, refused, sound,
};
use crate::provider::{Raw, RawReply};
use crate::served::Endpoint;

/// Bytes of a body at most: the items of a conversation, with inline images.
const BODY_BYTES_MAX: usize = 64 << 20;

pub(super) fn router() -> Router<Gateway> {
    Router::new()
        .route("/v1/responses/compact", post(compact))
        // MLflow's.
        .route("/gateway/openai/v1/responses/compact", post(compact))
        .route("/v1/responses/input_tokens", post(input_tokens))
        .route("/v1/responses/{id}", get(kept).delete(kept))
        .route("/v1/responses/{id}/cancel", post(kept))
        .route("/v1/responses/{id}/input_items", get(kept))
        .route("/v1/conversations", post(begin))
        .route("/v1/conversations/{id}", get(kept).post(kept).delete(kept))
        .route("/v1/conversations/{id}/items", get(kept).post(kept))
        .route("/v1/conversations/{id}/items/{item}", get(kept).delete(kept))
}

/// `POST /v1/responses/compact`: a conversation made shorter. It does not stream.
async fn compact(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    answered(&gateway, about(&gateway, request, "compact").await).await
}

/// `POST /v1/responses/input_tokens`: how many tokens a call would have.
async fn input_tokens(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    answered(&gateway, about(&gateway, request, "input_tokens").await).await
}

/// A call that is answered with something else than a response.
async fn about(gateway: &Gateway, request: HttpRequest, what: &str) -> Result<Passage, Error> {
    let headers = passed(request.headers());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (caller, body) = read(request).await.map_err(refused)?;
    let head = responses::head(&body)?;
    if head.stream {
        return Err(Error::invalid("stream", format!("`responses/{what}` does not stream; leave `stream` out")));
    }
    let served = named(gateway, head.model.as_deref(), Kind::Chat)?;
    let sequel = sequel::of(gateway, &served, &caller, &head, body)?;
    let to = sequel.endpoint.map_or(To::Any, To::Only);
    let record = sequel.body.clone();
    let parcel = modelled_parcel(format!("responses/{what}"), query, headers, sequel.body);
    let is_counted = what == "compact";
    Ok(Passage { record, is_counted, ..passage(caller, served.name().to_owned(), to, parcel) })
}

/// `POST /v1/conversations`: a new one, at the provider of the endpoint that the header or the query names.
async fn begin(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    answered(&gateway, beginning(request).await).await
}

async fn beginning(request: HttpRequest) -> Result<Passage, Error> {
    let (name, query) = named_endpoint(&request)?;
    sent(request, name, To::First, "conversations".to_owned(), query).await
}

/// A request about something that a provider keeps, by its id.
async fn kept(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    answered(&gateway, by_id(&gateway, request).await).await
}

async fn by_id(gateway: &Gateway, request: HttpRequest) -> Result<Passage, Error> {
    let path = request.uri().path().trim_start_matches("/v1/").to_owned();
    sound(&path)?;
    let (collection, rest) = path.split_once('/').unwrap_or((&path, ""));
    let (id, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let caller = caller_of(&request);
    let (name, to, id, query) = if is_handle(id) {
        let kept = handles::find(gateway, id, &caller)?;
        let query = request.uri().query().unwrap_or_default().to_owned();
        (kept.served.name().to_owned(), To::Only(kept.endpoint), kept.id, query)
    } else if caller.known.is_some() {
        // Keys share their providers' accounts: whoever could name a provider's id could read another team's.
        return Err(nothing(id));
    } else {
        let (name, query) = named_endpoint(&request).map_err(|_| foreign(id))?;
        (name, To::First, id.to_owned(), query)
    };
    sent(request, name, to, format!("{collection}/{id}{rest}"), query).await
}

async fn sent(request: HttpRequest, name: String, to: To, path: String, query: String) -> Result<Passage, Error> {
    let caller = caller_of(&request);
    let (method, headers) = (request.method().clone(), passed(request.headers()));
    let record = json!({"method": method.as_str(), "path": path}).to_string().into();
    let parcel = if method == Method::POST {
        let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|error| Error::Invalid {
            message: format!("the body broke off, or has more than {BODY_BYTES_MAX} bytes: {error}"),
            param: None,
        })?;
        with_body(path, query, headers, body)
    } else {
        bare(method, path, query, headers)
    };
    Ok(Passage { record, is_sealed: true, is_counted: false, ..passage(caller, name, to, parcel) })
}

fn with_body(path: String, query: String, headers: axum::http::HeaderMap, body: Bytes) -> Parcel<RawReply> {
    let make = move |_: &Endpoint| {
        let (path, query, headers, body) = (path.clone(), query.clone(), headers.clone(), body.clone());
        Ok(Raw { method: Method::POST, path, query, headers, body: body.into() })
    };
    Parcel::raw(true, make)
}

fn foreign(id: &str) -> Error {
    let shown: String = id.chars().take(80).collect();
    Error::invalid(
        "x-tidegate-endpoint",
        format!(
            "`{shown}` is no id that this gateway gave for something that a provider keeps; to ask for a provider's own \
             id, name an endpoint of that provider in the header `x-tidegate-endpoint`"
        ),
    )
}
