//! OpenAI's protocol: `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`, `/v1/models`.

use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use llm::Error;
use serde_json::{Value, json};
use uuid::Uuid;

use super::sse::{self, Writer};
use crate::Gateway;
use crate::answer::{Answer, AnswerBody, Failed, Piece};
use crate::caller::Caller;
use crate::endpoint::Kind;
use crate::http::{Named, details_of, read, status_of};
use crate::limits::retry_after_s;
use crate::request::Request;
use crate::served::Served;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) fn router() -> Router<Gateway> {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(completions))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .route("/v1/models/{name}", get(model))
        // Where MLflow's server has the same.
        .route("/gateway/mlflow/v1/chat/completions", post(chat))
        .route("/gateway/mlflow/v1/models", get(models))
        .route("/gateway/openai/v1/chat/completions", post(chat))
        .route("/gateway/openai/v1/embeddings", post(embeddings))
        .route("/v1/{*path}", any(unknown))
        .method_not_allowed_fallback(wrong_method)
}

async fn chat(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    call(&gateway, Kind::Chat, request).await
}

async fn completions(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    call(&gateway, Kind::Completions, request).await
}

async fn embeddings(State(gateway): State<Gateway>, request: HttpRequest) -> Response {
    call(&gateway, Kind::Embeddings, request).await
}

/// Takes a call: the body's `model` names the endpoint or route.
async fn call(gateway: &Gateway, kind: Kind, request: HttpRequest) -> Response {
    let (caller, body) = match read(request).await {
        Ok(read) => read,
        Err(refused) => return plain_error(refused.status, &refused.message),
    };
    let id = Uuid::new_v4().to_string();
    let mut response = match answer(gateway, &id, kind, caller, body).await {
        Ok(Answer { headers, body: AnswerBody::Whole(body), .. }) => {
            (headers, [(CONTENT_TYPE, "application/json")], body).into_response()
        }
        Ok(Answer { headers, body: AnswerBody::Stream(chunks), .. }) => {
            let chunk = Box::new(|piece| match piece {
                Piece::Chunk(chunk) => chunk,
                Piece::Event(event) => event.data,
            });
            (headers, sse::response(chunks, Writer { chunk, error: stream_error })).into_response()
        }
        Err(failed) => failure(failed),
    };
    let id = HeaderValue::try_from(id).expect("a UUID fits a header");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn answer(gateway: &Gateway, id: &str, kind: Kind, caller: Caller, body: bytes::Bytes) -> Result<Answer, Failed> {
    let request = Request::parse(kind, body)?.by(caller);
    let served = named(gateway, request.model.as_deref(), kind)?;
    gateway.call(id.to_owned(), &served, request).await
}

/// What a body's `model` names, if it answers calls of this kind.
pub(crate) fn named(gateway: &Gateway, model: Option<&str>, kind: Kind) -> Result<Served, Error> {
    let name = model.ok_or_else(|| {
        Error::invalid("model", "`model` is missing; send the name of an endpoint, GET /v1/models lists them")
    })?;
    let served = find(gateway, name)?;
    if !served.answers(kind) {
        return Err(Error::invalid(
            "model",
            format!(
                "endpoint `{name}` is of type {}, not {kind}; name an endpoint of that type, \
                 GET /api/2.0/endpoints/ lists them with their types",
                served.kind()
            ),
        ));
    }
    Ok(served)
}

pub(super) fn find(gateway: &Gateway, name: &str) -> Result<Served, Error> {
    gateway.served(name).ok_or_else(|| {
        Error::NotFound(format!("no endpoint or route is named `{name}`; GET /v1/models lists those there are"))
    })
}

/// `GET /v1/models`: endpoints, then routes. Google's clients have a listing at this address, too, and say who they are.
async fn models(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    if super::gemini::is_google(&headers) {
        return super::gemini::models(State(gateway)).await.into_response();
    }
    let names = gateway.endpoints().map(|it| it.name).chain(gateway.routes().map(|it| it.name));
    let models: Vec<Value> =
        names.filter_map(|it| gateway.served(&it).map(|served| model_json(&gateway, &served))).collect();
    Json(json!({"object": "list", "data": models})).into_response()
}

async fn model(State(gateway): State<Gateway>, Named(name): Named, headers: HeaderMap) -> Response {
    if super::gemini::is_google(&headers) {
        return super::gemini::model(State(gateway), Path(name)).await;
    }
    match find(&gateway, &name) {
        Ok(served) => Json(model_json(&gateway, &served)).into_response(),
        Err(error) => failure(error.into()),
    }
}

fn model_json(gateway: &Gateway, served: &Served) -> Value {
    let owner = match served {
        Served::Endpoint(endpoint) => endpoint.info.provider.as_str(),
        Served::Route(_) => "route",
    };
    json!({
        "id": served.name(), "object": "model", "created": gateway.started_unix_s(), "owned_by": owner,
        "endpoint_type": served.kind().as_str(),
    })
}

async fn unknown(method: Method, uri: Uri) -> Response {
    let message = format!("{method} {} is not served here; chats go to POST /v1/chat/completions", uri.path());
    plain_error(StatusCode::NOT_FOUND, &message)
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("{} does not take {method}", uri.path());
    plain_error(StatusCode::METHOD_NOT_ALLOWED, &message)
}

/// An error as a response.
pub(super) fn failure(failed: Failed) -> Response {
    let Failed { error, headers } = failed;
    // An unsupported request will not be supported when OpenAI's clients, which repeat calls at 5xx, ask again.
    let status = match &error {
        Error::Unsupported(_) => 400,
        error => status_of(error),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, headers, Json(error_json(&error))).into_response();
    if let Error::Limited { retry_after: Some(wait), .. } = error {
        response.headers_mut().insert(RETRY_AFTER, retry_after_s(wait).into());
    }
    response
}

fn error_json(error: &Error) -> Value {
    let it = details_of(error);
    json!({"error": {"message": it.message, "type": it.kind, "param": it.param, "code": it.code}})
}

fn stream_error(error: &Error) -> String {
    error_json(error).to_string()
}

/// A refusal that came before there was a call.
pub(super) fn plain_error(status: StatusCode, message: &str) -> Response {
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": null});
    (status, Json(json!({"error": error}))).into_response()
}
