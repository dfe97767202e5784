//! `?explain=true`: what would be done with a call, told without doing it.
//!
//! Nobody is asked, nothing is recorded, no limit counts it. What is told is what the call itself would send: it is
//! prepared by the same code, and stops before the socket.

use std::sync::Arc;

use axum::http::Uri;
use llm::Error;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::dispatch::Failure;
use crate::http::{details_of, status_of};
use crate::json::Fields;
use crate::losses::Losses;
use crate::observe::health;
use crate::request::Request;
use crate::routing::{self, Strategy};
use crate::served::{Endpoint, Served};

/// Bytes of a body that are about a token: English prose has four characters to one, JSON around it costs more.
const BYTES_PER_TOKEN: usize = 4;

/// What would be sent to a provider.
pub(crate) struct Explained {
    /// `None` where the model runs in this process.
    pub(crate) http: Option<ExplainedHttp>,
    pub(crate) body: Vec<u8>,
    pub(crate) losses: Losses,
    /// Whether the caller's own text goes through, with little more than the model's name replaced.
    pub(crate) is_native: bool,
}

/// Where it would go, and with which headers; what is secret is masked.
pub(crate) struct ExplainedHttp {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Whether a signature is added when it is sent.
    pub(crate) is_signed: bool,
}

/// Whether a request only wants to know what would be done with it.
pub(crate) fn is_wanted(uri: &Uri) -> bool {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs.map(|it| it.split_once('=').unwrap_or((it, ""))).any(|it| matches!(it, ("explain", "" | "true" | "1")))
}

/// What would be done with a call, as a JSON object.
pub(crate) fn explain(served: &Served, request: &Request) -> Value {
    let candidates: Vec<Value> = candidates(served, request)
        .into_iter()
        .map(|(endpoint, reason)| candidate(&endpoint, &reason, request))
        .collect();
    let screen = served.screen();
    json!({
        "object": "tidegate.explanation",
        "name": served.name(),
        "type": request.kind.as_str(),
        "format": request.dialect.name(),
        "stream": request.stream,
        "cache": screen.is_some_and(|it| it.has_cache()),
        "guardrails": screen.map(|it| it.guardrail_names()).unwrap_or_default(),
        "candidates": candidates,
    })
}

/// Who may be asked, the first choice first, and why they are in that place.
fn candidates(served: &Served, request: &Request) -> Vec<(Arc<Endpoint>, String)> {
    let mut list = of(served, request);
    for fallback in served.policy().fallbacks.iter() {
        let named = Failure::NAMED.iter().filter(|(_, it)| fallback.on.contains(*it));
        let named = named.map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let theirs = of(&fallback.target, request).into_iter();
        list.extend(theirs.map(|(it, why)| (it, format!("fallback of `{}` on {named}: {why}", served.name()))));
    }
    list
}

fn of(served: &Served, request: &Request) -> Vec<(Arc<Endpoint>, String)> {
    let route = match served {
        Served::Endpoint(it) => return vec![(Arc::clone(it), format!("`{}` is this endpoint's name", it.info.name))],
        Served::Route(route) => route,
    };
    let mut order = routing::order(route, request);
    if route.strategy == Strategy::TrafficSplit {
        // The draw of this call says nothing about another one.
        order.sort_by_key(|index| std::cmp::Reverse(route.weights[*index]));
    }
    let name = &route.info.name;
    let reason = |place: usize, index: usize| match route.strategy {
        Strategy::TrafficSplit => format!("takes {} % of the calls of route `{name}`", route.weights[index]),
        Strategy::LeastLatency => format!("number {place} of route `{name}` by latency and load, as they are now"),
        Strategy::Sticky(_) => format!("number {place} of route `{name}` for calls that belong together with this one"),
    };
    let places = order.into_iter().enumerate();
    places.map(|(place, index)| (Arc::clone(&route.destinations[index]), reason(place + 1, index))).collect()
}

fn candidate(endpoint: &Endpoint, reason: &str, request: &Request) -> Value {
    let mut told = json!({
        "endpoint": endpoint.info.name,
        "provider": endpoint.info.provider,
        "model": endpoint.info.model,
        "reason": reason,
        "breaker": health::word(endpoint.health.shown(&endpoint.info.name, 0).breaker),
    });
    match endpoint.provider.explain(request) {
        Ok(explained) => {
            told["translated"] = json!(!explained.is_native);
            told["request"] = sent(&explained);
            let losses = explained.losses.as_slice().iter();
            told["losses"] = losses.map(|it| json!({"field": it.field, "why": it.why})).collect();
            told["estimate"] = estimate(endpoint, &explained.body);
        }
        // The call would end here, before anybody is asked.
        Err(error) => told["error"] = refusal(&error),
    }
    told
}

fn sent(explained: &Explained) -> Value {
    let body = RawValue::from_string(String::from_utf8_lossy(&explained.body).into_owned());
    let body = body.map_or(Value::Null, |it| serde_json::to_value(it).unwrap_or_default());
    let Some(http) = &explained.http else { return json!({"body": body}) };
    let headers: serde_json::Map<String, Value> =
        http.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    json!({"method": "POST", "url": http.url, "headers": headers, "is_signed": http.is_signed, "body": body})
}

/// What the call would cost, about: nobody has counted its tokens yet.
fn estimate(endpoint: &Endpoint, body: &[u8]) -> Value {
    let input = u64::try_from(body.len() / BYTES_PER_TOKEN).unwrap_or(u64::MAX);
    let output = output_max(body);
    let cost = endpoint.price.as_ref().and_then(|it| it.estimate(input, output.unwrap_or(0)));
    json!({
        "input_tokens_about": input,
        "output_tokens_max": output,
        "cost_usd_about": cost.map(|it| it.to_string()),
    })
}

/// The bound on an answer's tokens, wherever a vendor's format has it.
fn output_max(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Nested {
        #[serde(alias = "maxTokens", alias = "maxOutputTokens", alias = "num_predict", alias = "max_new_tokens")]
        max: Option<u64>,
    }
    const NAMES: [&str; 4] = ["max_completion_tokens", "max_tokens", "max_output_tokens", "max_tokens_to_sample"];
    const PLACES: [&str; 4] = ["inferenceConfig", "generationConfig", "options", "parameters"];
    let fields: Fields<'_> = serde_json::from_slice(body).ok()?;
    let own = NAMES.iter().find_map(|it| fields.get(it)?.parse().ok());
    own.or_else(|| PLACES.iter().find_map(|it| serde_json::from_str::<Nested>(fields.get(it)?).ok()?.max))
}

fn refusal(error: &Error) -> Value {
    let it = details_of(error);
    json!({"status": status_of(error), "message": it.message, "type": it.kind, "param": it.param, "code": it.code})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_itself_asks_for_an_explanation() {
        let check = |uri: &str, expected: bool| assert_eq!(is_wanted(&uri.parse().expect("a URI")), expected, "{uri}");
        check("/v1/chat/completions?explain=true", true);
        check("/v1/chat/completions?key=a&explain", true);
        check("/v1/chat/completions?explain=false", false);
        check("/v1/chat/completions?unexplain=true", false);
        check("/v1/chat/completions", false);
    }

    #[test]
    fn a_bound_is_found_in_each_vendors_place() {
        let check = |body: &str, expected: Option<u64>| assert_eq!(output_max(body.as_bytes()), expected, "{body}");
        check(r#"{"max_tokens": 5}"#, Some(5));
        check(r#"{"inferenceConfig": {"maxTokens": 6}}"#, Some(6));
        check(r#"{"generationConfig": {"maxOutputTokens": 7, "topK": 1}}"#, Some(7));
        check(r#"{"options": {"num_predict": 8}}"#, Some(8));
        check(r#"{"messages": []}"#, None);
    }
}
