//! The way of a request that passes unread: admitted as every call is, sent on, answered as the provider answers.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::response::Response;
use bytes::Bytes;
use llm::Error;
use uuid::Uuid;

use super::answer;
use crate::Gateway;
use crate::answer::Failed;
use crate::caller::Caller;
use crate::dialect::Dialect;
use crate::dispatch::{self, Parcel};
use crate::handles::Seal;
use crate::ingress::openai::{REQUEST_ID, failure, find};
use crate::provider::RawReply;
use crate::request::Request;
use crate::served::Endpoint;

/// A request that passes, and what is known of it.
pub(in crate::ingress) struct Passage {
    pub(in crate::ingress) caller: Caller,
    /// The endpoint or route.
    pub(in crate::ingress) name: String,
    pub(in crate::ingress) to: To,
    /// What the record shows as the request, JSON.
    pub(in crate::ingress) record: Bytes,
    pub(in crate::ingress) parcel: Parcel<RawReply>,
    /// Whether the ids in the answer become handles.
    pub(in crate::ingress) is_sealed: bool,
    /// Whether what the answer counts was counted for this request; asking again for an answer costs nothing.
    pub(in crate::ingress) is_counted: bool,
}

/// Which of a name's endpoints may answer.
pub(in crate::ingress) enum To {
    Any,
    /// A route stands for its first destination: what is stored lies with one provider.
    First,
    Only(Arc<Endpoint>),
}

/// Answers, whatever comes of it.
pub(in crate::ingress) async fn answered(gateway: &Gateway, passage: Result<Passage, Error>) -> Response {
    let id = Uuid::new_v4().to_string();
    let mut response = match passage {
        Ok(passage) => pass(gateway, &id, passage).await.unwrap_or_else(failure),
        Err(error) => failure(error.into()),
    };
    let id = HeaderValue::try_from(id).expect("a UUID fits a header");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn pass(gateway: &Gateway, id: &str, passage: Passage) -> Result<Response, Failed> {
    let Passage { caller, name, to, record, parcel, is_sealed, is_counted } = passage;
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
    // No type of endpoint is that of images or files, so that the record has the endpoint's own.
    let mut request = Request::new(Dialect::OpenAi, served.kind(), record, Some(name), false).by(caller);
    request.pinned = match to {
        To::Any => None,
        To::First => served.endpoints().first().cloned(),
        To::Only(endpoint) => Some(endpoint),
    };
    let (meter, quotas) = gateway.admit(id.to_owned(), &served, &request).await?;
    let answer = match dispatch::pass(&served, &request, parcel, meter).await {
        Ok(passed) => {
            let seal = is_sealed.then(|| Seal::new(served.name(), &passed.endpoint, &request.caller));
            answer::response(passed, seal, is_counted).await
        }
        Err(failed) => Err(failed),
    };
    match answer {
        Ok(mut response) => {
            response.headers_mut().extend(quotas);
            Ok(response)
        }
        Err(mut failed) => {
            failed.headers.extend(quotas);
            Err(failed)
        }
    }
}
