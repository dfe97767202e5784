//! Google's `embedContent` and `batchEmbedContents`, asked as embeddings of OpenAI's.

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use llm::{Embed, EmbedInput, EmbedReply, Error, Rest};
use serde_json::{Map, Value, json};

use crate::Gateway;
use crate::answer::{Answer, AnswerBody, Failed};
use crate::caller::Caller;
use crate::endpoint::Kind;
use crate::ingress::openai::named;
use crate::request::Request;

pub(super) async fn answer(
    gateway: &Gateway,
    id: &str,
    name: &str,
    is_one: bool,
    caller: Caller,
    body: &[u8],
) -> Result<Response, Failed> {
    let embed = embed(name, is_one, body)?;
    let body = serde_json::to_vec(&embed)
        .map_err(|error| Error::Internal(format!("a request could not be written as JSON: {error}")))?;
    let is_explained = caller.wants_explanation;
    let request = Request::parse(Kind::Embeddings, body.into())?.by(caller);
    let served = named(gateway, Some(name), Kind::Embeddings)?;
    let Answer { headers, body, .. } = gateway.call(id.to_owned(), &served, request).await?;
    let AnswerBody::Whole(body) = body else {
        return Err(Error::Internal("embeddings came as a stream".to_owned()).into());
    };
    if is_explained {
        return Ok((headers, [(CONTENT_TYPE, "application/json")], body).into_response());
    }
    let mut reply: EmbedReply = serde_json::from_slice(&body).map_err(|error| Error::Upstream {
        status: 502,
        message: format!("the provider answered with something that is no list of embeddings: {error}"),
        body: None,
    })?;
    // OpenAI's vectors are numbered, Google's are known by their place.
    reply.data.sort_by_key(|it| it.index);
    let mut vectors: Vec<Value> = reply.data.into_iter().map(|it| json!({"values": it.embedding})).collect();
    let mut out = if is_one {
        json!({"embedding": if vectors.is_empty() { Value::Null } else { vectors.swap_remove(0) }})
    } else {
        json!({"embeddings": vectors})
    };
    if let Some(usage) = reply.usage {
        out["usageMetadata"] = json!({"promptTokenCount": usage.prompt_tokens});
    }
    Ok((headers, Json(out)).into_response())
}

/// The texts of one request or of several, which must agree in everything else: OpenAI has one set of options a call.
fn embed(name: &str, is_one: bool, body: &[u8]) -> Result<Embed, Error> {
    let body: Value = serde_json::from_slice(body).map_err(|error| Error::Invalid {
        message: format!("the body must be a JSON object, but is not: {error}"),
        param: None,
    })?;
    let requests: Vec<(String, &Value)> = if is_one {
        vec![("content".to_owned(), &body)]
    } else {
        let list = body["requests"].as_array().filter(|it| !it.is_empty()).ok_or_else(|| {
            Error::invalid("requests", "`requests` must be a list of `{\"content\": {\"parts\": [{\"text\": \"…\"}]}}`")
        })?;
        list.iter().enumerate().map(|(index, it)| (format!("requests[{index}].content"), it)).collect()
    };
    let mut texts = Vec::with_capacity(requests.len());
    let mut options = None;
    for (at, request) in requests {
        texts.push(text(&request["content"], &at)?);
        let own = self::options(request);
        match &options {
            None => options = Some(own),
            Some(first) if *first == own => {}
            Some(_) => {
                return Err(Error::invalid(
                    "requests",
                    "the requests differ in more than their content; send those with other options in another call",
                ));
            }
        }
    }
    let rest: Rest = options.unwrap_or_default().into_iter().collect();
    Ok(Embed { model: name.to_owned(), input: EmbedInput::Many(texts), rest })
}

fn text(content: &Value, at: &str) -> Result<String, Error> {
    let parts = content["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<&str> = parts.iter().filter_map(|it| it["text"].as_str()).collect();
    if texts.is_empty() || texts.len() != parts.len() {
        return Err(Error::invalid(at, format!("`{at}` must have `parts` of text")));
    }
    Ok(texts.concat())
}

/// Google's options by the names under which they go on.
fn options(request: &Value) -> Map<String, Value> {
    let mut options = Map::new();
    for (from, to) in [
        ("outputDimensionality", "dimensions"),
        ("output_dimensionality", "dimensions"),
        ("taskType", "task_type"),
        ("task_type", "task_type"),
        ("title", "title"),
    ] {
        if let Some(value) = request.get(from).filter(|it| !it.is_null()) {
            options.insert(to.to_owned(), value.clone());
        }
    }
    options
}
