//! Google's protocol: `/v1beta/models/<endpoint>:generateContent` and its like, to any provider.

mod counting;
mod embeddings;
mod listing;
mod stream;

use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use llm::Error;
use serde_json::{Value, json};
use uuid::Uuid;

use super::openai::{REQUEST_ID, named};
use super::sse::{self, PieceWriter, Translated};
use super::translated;
use crate::Gateway;
use crate::answer::{Answer, AnswerBody, Failed, Piece};
use crate::caller::Caller;
use crate::cost::Usd;
use crate::dialect::{Dialect, gemini};
use crate::endpoint::Kind;
use crate::http::read;
use crate::limits::retry_after_s;
use crate::request::{Request, object};

pub(super) use listing::{model, models};

/// Whether a request comes from one of Google's clients.
pub(super) fn is_google(headers: &HeaderMap) -> bool {
    headers.contains_key("x-goog-api-client") || headers.contains_key("x-goog-api-key")
}

pub(crate) fn router() -> Router<Gateway> {
    // Where Google's clients look, where those look who were given an address with the vendor's name, and MLflow's.
    let mut router = Router::new().route("/v1/models/{name}", post(call));
    for at in ["/v1beta", "/gemini/v1beta", "/gateway/gemini/v1beta"] {
        router = router
            .route(&format!("{at}/models"), get(models))
            .route(&format!("{at}/models/{{name}}"), get(model).post(call));
    }
    router
}

/// `POST /v1beta/models/<endpoint>:<method>`
async fn call(State(gateway): State<Gateway>, Path(name): Path<String>, request: HttpRequest) -> Response {
    let id = Uuid::new_v4().to_string();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let mut response = match read(request).await {
        Ok((caller, body)) => answer(&gateway, &id, &name, &query, caller, body).await.unwrap_or_else(failure),
        Err(refused) => plain_error(refused.status, &refused.message),
    };
    let id = HeaderValue::try_from(id).expect("a UUID fits a header");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn answer(
    gateway: &Gateway,
    id: &str,
    name: &str,
    query: &str,
    caller: Caller,
    body: Bytes,
) -> Result<Response, Failed> {
    let (name, method) = name.rsplit_once(':').unwrap_or((name, ""));
    let is_stream = match method {
        "generateContent" => false,
        "streamGenerateContent" => true,
        "embedContent" | "batchEmbedContents" => {
            return embeddings::answer(gateway, id, name, method == "embedContent", caller, &body).await;
        }
        "countTokens" => return Ok(counting::answer(gateway, name, caller, &body).await?),
        _ => {
            let words = format!(
                "`{method}` is no method that is served here; those are generateContent, streamGenerateContent, \
                 countTokens, embedContent and batchEmbedContents"
            );
            return Err(Error::NotFound(words).into());
        }
    };
    object(&body)?;
    let request = Request::new(Dialect::Gemini, Kind::Chat, body, Some(name.to_owned()), is_stream).by(caller);
    let served = named(gateway, Some(name), Kind::Chat)?;
    let Answer { form, headers, body, .. } = gateway.call(id.to_owned(), &served, request.clone()).await?;
    match body {
        AnswerBody::Whole(body) => {
            let body = if form == Dialect::Gemini { body } else { translated(&body, &request)? };
            Ok((headers, [(CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response())
        }
        AnswerBody::Stream(chunks) => {
            let writer = Events(Translated::new(Dialect::Gemini.writer(&request)?));
            if is_sse(query) {
                return Ok((headers, sse::response(chunks, writer)).into_response());
            }
            Ok((headers, stream::as_list(sse::response(chunks, writer))).into_response())
        }
    }
}

/// Google's events. Their clients take a comment for an answer, so that the cost of a stream is not told in one.
struct Events(Translated);

impl PieceWriter for Events {
    fn piece(&mut self, piece: Piece, events: &mut Vec<u8>) {
        self.0.piece(piece, events);
    }

    fn cost(&mut self, _cost: Usd, _events: &mut Vec<u8>) {}

    fn done(&mut self, events: &mut Vec<u8>) {
        self.0.done(events);
    }

    fn error(&mut self, error: &Error, events: &mut Vec<u8>) {
        self.0.error(error, events);
    }
}

/// Google streams a list of answers, unless it is asked for events.
fn is_sse(query: &str) -> bool {
    query.split('&').any(|it| matches!(it, "alt=sse" | "$alt=sse" | "%24alt=sse"))
}

/// An error as a response.
fn failure(failed: Failed) -> Response {
    let Failed { error, headers } = failed;
    let (status, body) = gemini::error_json(&error);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, headers, Json(body)).into_response();
    if let Error::Limited { retry_after: Some(wait), .. } = error {
        response.headers_mut().insert(RETRY_AFTER, retry_after_s(wait).into());
    }
    response
}

/// A refusal that came before there was a call.
fn plain_error(status: StatusCode, message: &str) -> Response {
    let word = gemini::status_word(status.as_u16());
    let body: Value = json!({"error": {"code": status.as_u16(), "message": message, "status": word}});
    (status, Json(body)).into_response()
}
