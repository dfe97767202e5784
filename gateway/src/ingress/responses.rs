//! OpenAI's Responses: `/v1/responses`, to any provider that chats.

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use uuid::Uuid;

use super::openai::{REQUEST_ID, failure, named, plain_error};
use super::sse::{self, Translated};
use super::translated;
use crate::Gateway;
use crate::answer::{Answer, AnswerBody, Failed};
use crate::caller::Caller;
use crate::dialect::{Dialect, responses};
use crate::endpoint::Kind;
use crate::http::read;
use crate::request::Request;

pub(crate) fn router() -> Router<Gateway> {
    // The second is MLflow's.
    Router::new().route("/v1/responses", post(create)).route("/gateway/openai/v1/responses", post(create))
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
    let request = Request::new(Dialect::Responses, Kind::Chat, body, head.model, head.stream).by(caller);
    let served = named(gateway, request.model.as_deref(), Kind::Chat)?.clone();
    let Answer { form, headers, body, .. } = gateway.call(id.to_owned(), &served, request.clone()).await?;
    match body {
        AnswerBody::Whole(body) => {
            let body = if form == Dialect::Responses { body } else { translated(&body, &request)? };
            Ok((headers, [(CONTENT_TYPE, "application/json")], body).into_response())
        }
        AnswerBody::Stream(chunks) => {
            let writer = Translated::new(Dialect::Responses.writer(&request)?);
            Ok((headers, sse::response(chunks, writer)).into_response())
        }
    }
}
