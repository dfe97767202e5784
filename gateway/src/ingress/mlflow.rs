//! MLflow's deployments server: `/endpoints/<name>/invocations`, and the listings under `/api/2.0/endpoints/`.

mod listing;

use axum::extract::{Request as HttpRequest, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use llm::Error;
use serde_json::{Value, json};
use uuid::Uuid;

use super::openai::REQUEST_ID;
use super::sse::{self, Writer};
use crate::Gateway;
use crate::answer::{Answer, AnswerBody, Failed, Piece};
use crate::caller::Caller;
use crate::endpoint::Kind;
use crate::http::{Named, details_of, read, status_of};
use crate::json::{Fields, patch, quote};
use crate::limits::retry_after_s;
use crate::request::Request;

pub(crate) fn router() -> Router<Gateway> {
    Router::new()
        .route("/endpoints/{name}/invocations", post(invocations))
        .route("/gateway/{name}/invocations", post(invocations))
        .route("/gateway/{name}/mlflow/invocations", post(invocations))
        .route("/api/2.0/endpoints", get(listing::endpoints))
        .route("/api/2.0/endpoints/", get(listing::endpoints))
        .route("/api/2.0/endpoints/{name}", get(listing::endpoint))
        .route("/api/2.0/endpoints/{name}/", get(listing::endpoint))
        .route("/api/3.0/gateway/endpoint/{name}", get(listing::endpoint))
        .route("/api/3.0/gateway/route/{name}", get(listing::route))
        .route("/api/2.0/gateway/routes", get(listing::legacy_routes))
        .route("/api/2.0/gateway/routes/", get(listing::legacy_routes))
        .route("/api/2.0/gateway/routes/{name}", get(listing::legacy_route))
        .method_not_allowed_fallback(wrong_method)
}

/// `POST /endpoints/<name>/invocations`: what the body must be is the endpoint's type to say.
async fn invocations(State(gateway): State<Gateway>, Named(name): Named, request: HttpRequest) -> Response {
    let (caller, body) = match read(request).await {
        Ok(read) => read,
        Err(refused) => return (refused.status, Json(json!({"detail": refused.message}))).into_response(),
    };
    let id = Uuid::new_v4().to_string();
    let mut response = match answer(&gateway, &id, &name, caller, body).await {
        Ok((answer, kind)) => {
            let provider = answer.provider().to_owned();
            match answer.body {
                AnswerBody::Whole(body) => {
                    let body = with_provider(body, &provider);
                    (answer.headers, [(CONTENT_TYPE, "application/json")], body).into_response()
                }
                AnswerBody::Stream(chunks) => {
                    let chunk = Box::new(move |piece| match piece {
                        Piece::Chunk(it) => chunk(it, &provider, kind),
                        Piece::Event(event) => event.data,
                    });
                    (answer.headers, sse::response(chunks, Writer { chunk, error: stream_error })).into_response()
                }
            }
        }
        Err(failed) => failure(failed),
    };
    let id = HeaderValue::try_from(id).expect("a UUID fits a header");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn answer(
    gateway: &Gateway,
    id: &str,
    name: &str,
    caller: Caller,
    body: Bytes,
) -> Result<(Answer, Kind), Failed> {
    let served = gateway.served(name).ok_or_else(|| Error::NotFound(not_found("endpoint", name)))?;
    let kind = if served.is_untyped() { kind_of(&body)? } else { served.kind() };
    let request = Request::parse(kind, body)?.by(caller);
    if request.model.is_some() {
        let words = "The parameter 'model' is not permitted to be passed. The route being queried already defines a \
                     model instance.";
        return Err(Error::invalid("model", words).into());
    }
    Ok((gateway.call(id.to_owned(), &served, request).await?, kind))
}

/// What a call is that says so by its fields alone.
fn kind_of(body: &[u8]) -> Result<Kind, Error> {
    let fields: Fields<'_> = serde_json::from_slice(body)
        .map_err(|error| Error::Invalid { message: format!("the body must be a JSON object: {error}"), param: None })?;
    let kinds = [("messages", Kind::Chat), ("input", Kind::Embeddings), ("prompt", Kind::Completions)];
    kinds.into_iter().find(|(field, _)| fields.get(field).is_some()).map(|(_, kind)| kind).ok_or_else(|| {
        Error::Invalid {
            message: "Invalid request: payload format must be either chat or embeddings: send `messages`, or `input`"
                .to_owned(),
            param: None,
        }
    })
}

fn not_found(what: &str, name: &str) -> String {
    format!("The {what} '{name}' is not present or active on the server. Please verify the {what} name.")
}

/// MLflow's answers say which provider gave them; some providers say so themselves.
fn with_provider(body: Bytes, provider: &str) -> Bytes {
    if serde_json::from_slice::<Fields<'_>>(&body).is_ok_and(|it| it.get("provider").is_some()) {
        return body;
    }
    patch(&body, &[("provider", &quote(provider))]).map_or(body, Bytes::from)
}

fn chunk(chunk: String, provider: &str, kind: Kind) -> String {
    let provider = quote(provider);
    let mut changes = vec![("provider", provider.as_str())];
    if kind == Kind::Completions {
        changes.push(("object", "\"text_completion_chunk\""));
    }
    patch(chunk.as_bytes(), &changes).ok().and_then(|it| String::from_utf8(it).ok()).unwrap_or(chunk)
}

/// An error as a response, in the shapes of MLflow's server.
fn failure(failed: Failed) -> Response {
    let Failed { error, headers } = failed;
    let details = details_of(&error);
    let (status, body) = match &error {
        // A field at fault is told as FastAPI tells it.
        Error::Invalid { param: Some(param), .. } if param != "model" => {
            let loc: Vec<&str> = std::iter::once("body").chain(param.split('.')).collect();
            (422, json!({"detail": [{"type": "value_error", "loc": loc, "msg": details.message}]}))
        }
        Error::Invalid { param: Some(_), .. } => (422, json!({"detail": details.message})),
        Error::Limited { .. } => (429, json!({"error": details.message, "detail": details.message})),
        error => (status_of(error), json!({"detail": details.message})),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, headers, Json(body)).into_response();
    if let Error::Limited { retry_after: Some(wait), .. } = error {
        response.headers_mut().insert(RETRY_AFTER, retry_after_s(wait).into());
    }
    response
}

fn stream_error(error: &Error) -> String {
    let details = details_of(error);
    json!({"error": {"message": details.message, "type": details.kind}}).to_string()
}

fn missing(what: &str, name: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"detail": not_found(what, name)}))).into_response()
}

async fn wrong_method(method: Method, uri: Uri) -> (StatusCode, Json<Value>) {
    (StatusCode::METHOD_NOT_ALLOWED, Json(json!({"detail": format!("{} does not take {method}", uri.path())})))
}
