//! Google's `countTokens`: the provider's count, or a guess that says in the head that it is one.

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use llm::Error;
use serde_json::json;

use crate::Gateway;
use crate::caller::Caller;
use crate::dialect::Dialect;
use crate::endpoint::Kind;
use crate::ingress::messages::{COUNT_IS, ESTIMATE};
use crate::ingress::openai::named;
use crate::provider::Count;
use crate::request::{Request, object};

pub(super) async fn answer(gateway: &Gateway, name: &str, caller: Caller, body: &Bytes) -> Result<Response, Error> {
    let fields = object(body)?;
    // The whole call that is to be counted, or its conversation alone.
    let whole = fields.get("generateContentRequest").or_else(|| fields.get("generate_content_request"));
    let body = whole.map_or_else(|| body.clone(), |it| Bytes::copy_from_slice(it.as_bytes()));
    if object(&body)?.get("contents").is_none() {
        return Err(Error::invalid("contents", "`contents` is missing; send what is to be counted"));
    }
    let request = Request::new(Dialect::Gemini, Kind::Chat, body, Some(name.to_owned()), false).by(caller);
    let served = named(gateway, Some(name), Kind::Chat)?;
    Ok(match gateway.count(&served, &request).await? {
        Some(Count::Native(count)) => ([(CONTENT_TYPE, "application/json; charset=UTF-8")], count).into_response(),
        Some(Count::Tokens(count)) => Json(json!({"totalTokens": count})).into_response(),
        None => {
            let guess = json!({"totalTokens": request.dialect.estimate(&request.body)?});
            ([(COUNT_IS, ESTIMATE)], Json(guess)).into_response()
        }
    })
}
