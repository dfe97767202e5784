//! Anthropic's protocol: `/v1/messages`, to any provider that chats.

use axum::extract::{Request as HttpRequest, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use llm::Error;
use serde_json::{Value, json};
use uuid::Uuid;

use super::openai::{REQUEST_ID, named};
use super::sse::{self, Translated};
use super::translated;
use crate::Gateway;
use crate::answer::{Answer, AnswerBody, Failed};
use crate::caller::Caller;
use crate::dialect::{Dialect, messages};
use crate::endpoint::Kind;
use crate::http::{read, status_of};
use crate::limits::retry_after_s;
use crate::provider::Count;
use crate::request::Request;

/// Where Anthropic puts the id of a request.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Tells a guess from a count.
pub(super) const COUNT_IS: HeaderName = HeaderName::from_static("x-tidegate-token-count");
pub(super) const ESTIMATE: HeaderValue = HeaderValue::from_static("estimate");

pub(crate) fn router() -> Router<Gateway> {
    // The second is where clients look who were given an address with the vendor's name, the third MLflow's.
    Router::new()
        .route("/v1/messages", post(create))
        .route("/anthropic/v1/messages", post(create))
        .route("/gateway/anthropic/v1/messages", post(create))
        .route("/v1/messages/count_tokens", post(count))
        .route("/anthropic/v1/messages/count_tokens", post(count))
        .route("/gateway/anthropic/v1/messages/count_tokens", post(count))
}

/// `POST /v1/messages`: the body's `model` names the endpoint or route.
async fn create(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    let id = Uuid::new_v4().to_string();
    let response = match read(request).await {
        Ok((caller, body)) => answer(&gateway, &id, caller, body).await.unwrap_or_else(|it| failure(it, &id)),
        Err(refused) => plain_error(refused.status, &refused.message, &id),
    };
    with_id(response, &id)
}

async fn answer(gateway: &Gateway, id: &str, caller: Caller, body: Bytes) -> Result<Response, Failed> {
    let head = messages::head(&body, true)?;
    let request = Request::new(Dialect::Messages, Kind::Chat, body, head.model, head.stream).by(caller);
    let served = named(gateway, request.model.as_deref(), Kind::Chat)?.clone();
    let Answer { form, headers, body, .. } = gateway.call(id.to_owned(), &served, request.clone()).await?;
    match body {
        AnswerBody::Whole(body) => {
            let body = if form == Dialect::Messages { body } else { translated(&body, &request)? };
            Ok((headers, [(CONTENT_TYPE, "application/json")], body).into_response())
        }
        AnswerBody::Stream(chunks) => {
            let writer = Translated::new(Dialect::Messages.writer(&request)?);
            Ok((headers, sse::response(chunks, writer)).into_response())
        }
    }
}

/// `POST /v1/messages/count_tokens`: the provider's count, or a guess that says in the head that it is one.
async fn count(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    let id = Uuid::new_v4().to_string();
    let response = match read(request).await {
        Ok((caller, body)) => counted(&gateway, caller, body).await.unwrap_or_else(|it| failure(it.into(), &id)),
        Err(refused) => plain_error(refused.status, &refused.message, &id),
    };
    with_id(response, &id)
}

async fn counted(gateway: &Gateway, caller: Caller, body: Bytes) -> Result<Response, Error> {
    let head = messages::head(&body, false)?;
    let request = Request::new(Dialect::Messages, Kind::Chat, body, head.model, false).by(caller);
    let served = named(gateway, request.model.as_deref(), Kind::Chat)?.clone();
    Ok(match gateway.count(&served, &request).await? {
        Some(Count::Native(count)) => ([(CONTENT_TYPE, "application/json")], count).into_response(),
        Some(Count::Tokens(count)) => Json(json!({"input_tokens": count})).into_response(),
        None => {
            let guess = json!({"input_tokens": request.dialect.estimate(&request.body)?});
            ([(COUNT_IS, ESTIMATE)], Json(guess)).into_response()
        }
    })
}

fn with_id(mut response: Response, id: &str) -> Response {
    let id = HeaderValue::try_from(id).expect("a UUID fits a header");
    // The provider's own id, where it told one, is what its support asks for.
    response.headers_mut().entry(ANTHROPIC_REQUEST_ID).or_insert_with(|| id.clone());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// An error as a response.
fn failure(failed: Failed, id: &str) -> Response {
    let Failed { error, headers } = failed;
    // An unsupported request will not be supported when clients, who repeat calls at 5xx, ask again.
    let status = match &error {
        Error::Unsupported(_) => 400,
        error => status_of(error),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut body = messages::error_json(&error);
    body["request_id"] = id.into();
    let mut response = (status, headers, Json(body)).into_response();
    if let Error::Limited { retry_after: Some(wait), .. } = error {
        response.headers_mut().insert(RETRY_AFTER, retry_after_s(wait).into());
    }
    response
}

/// A refusal that came before there was a call.
fn plain_error(status: StatusCode, message: &str, id: &str) -> Response {
    let error = json!({"type": messages::type_of(status.as_u16()), "message": message});
    let body: Value = json!({"type": "error", "error": error, "request_id": id});
    (status, Json(body)).into_response()
}
