//! OpenAI's Responses: `/v1/responses`, to any provider that chats; and what their providers keep of them.

mod kept;
mod sequel;

use axum::extract::{Request as HttpRequest, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use uuid::Uuid;

use super::openai::{REQUEST_ID, failure, named, plain_error};
use super::sse::{self, Translated};
use super::translated;
use crate::Gateway;
use crate::answer::{Answer, AnswerBody, Failed};
use crate::caller::Caller;
use crate::dialect::{Dialect, responses};
use crate::dispatch::ENDPOINT;
use crate::endpoint::Kind;
use crate::handles::Seal;
use crate::http::read;
use crate::request::Request;

pub(crate) fn router() -> Router<Gateway> {
    // The second is MLflow's.
    Router::new()
        .route("/v1/responses", post(create))
        .route("/gateway/openai/v1/responses", post(create))
        .merge(kept::router())
}

/// `POST /v1/responses`: the body's `model` names the endpoint or route.
async fn create(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    let (caller, body) = match read(request).await {
        Ok(read) => read,
        Err(refused) => return plain_error(refused.status, &refused.message),
    };
    let id = Uuid::new_v4().to_string();
    let mut response = answer(&gateway, &id, caller, body).await.unwrap_or_else(failure);
    let id = HeaderValue::try_from(id).expect("a UUID fits a header");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn answer(gateway: &Gateway, id: &str, caller: Caller, body: Bytes) -> Result<Response, Failed> {
    let head = responses::head(&body)?;
    let served = named(gateway, head.model.as_deref(), Kind::Chat)?;
    let sequel = sequel::of(gateway, &served, &caller, &head, body)?;
    let mut request = Request::new(Dialect::Responses, Kind::Chat, sequel.body, head.model, head.stream).by(caller);
    request.pinned = sequel.endpoint;
    let answer = gateway.call(id.to_owned(), &served, request.clone()).await;
    let Answer { endpoint, form, headers, body } = match answer {
        Ok(answer) => answer,
        Err(failed) => {
            let response = failed_response(gateway, &failed, served.name(), &request.caller);
            return response.ok_or(failed);
        }
    };
    let is_native = form == Dialect::Responses;
    let seal = endpoint.filter(|_| is_native);
    let seal = seal.map(|it| Seal::new(served.name(), &it, &request.caller).knowing(sequel.known));
    match body {
        AnswerBody::Whole(body) => {
            let body = if is_native { body } else { translated(&body, &request)? };
            let body = match &seal {
                Some(seal) => seal.body(body),
                None => body,
            };
            Ok((headers, [(CONTENT_TYPE, "application/json")], body).into_response())
        }
        AnswerBody::Stream(chunks) => {
            let writer = Translated::new(Dialect::Responses.writer(&request)?).sealed(seal);
            Ok((headers, sse::response(chunks, writer)).into_response())
        }
    }
}

/// A response that failed is one all the same, and comes as OpenAI sends it: as an answer that says so.
fn failed_response(gateway: &Gateway, failed: &Failed, called: &str, caller: &Caller) -> Option<Response> {
    let response = responses::failed_whole(&failed.error)?;
    let endpoint = failed.headers.get(ENDPOINT).and_then(|it| gateway.endpoint(it.to_str().ok()?));
    let sealed = endpoint.and_then(|it| Seal::new(called, &it, caller).error(&failed.error));
    let response = sealed.as_ref().and_then(responses::failed_whole).unwrap_or(response);
    Some((failed.headers.clone(), Json(response)).into_response())
}
