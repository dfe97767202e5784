//! One call as one trace: a root span for the endpoint, below it the provider's model.

use std::time::Duration;

use gateway::{Call, Kind, Outcome};
use serde_json::Value;
use tracking::{
    experiment::ExperimentId,
    trace::{NewTrace, Span, TokenUsage, TraceId},
};

/// The trace of a call.
pub(crate) fn of(call: &Call, experiment: ExperimentId) -> NewTrace {
    let start_ns = ns(call.started_unix_ns);
    let end_ns = start_ns.saturating_add(ns_of(call.duration));
    // What was asked and answered stands at the root alone, as in MLflow's own gateway: it is most of a trace's bytes.
    let mut root = Span::root(TraceId::now(), format!("gateway/{}", call.endpoint), start_ns, end_ns)
        .inputs(json(&call.request))
        .attribute("endpoint_name", call.endpoint.as_str())
        .attribute("request_id", call.id.as_str());
    if let Some(route) = &call.route {
        root = root.attribute("route_name", route.as_str());
    }
    let mut model = Span::child_of(&root, format!("provider/{}/{}", call.provider, call.model), start_ns, end_ns)
        .kind(span_kind(call.kind))
        .model(&call.model, &call.provider)
        .attribute("streaming", call.streamed);
    if let Some(first_token) = call.first_token {
        model = model.attribute("time_to_first_token_ms", first_token.as_secs_f64() * 1e3);
    }
    if let Some(usage) = call.usage.as_ref().map(token_usage) {
        model = model.token_usage(&usage);
    }
    if let Some(response) = &call.response {
        root = root.outputs(json(response));
    }
    if let Some(words) = failure(&call.outcome) {
        root = root.failed(words.clone());
        model = model.failed(words);
    }
    NewTrace::new(experiment, root.kind("LLM"))
        .span(model)
        .client_request_id(call.id.as_str())
        .metadata("mlflow.gateway.endpointId", call.endpoint.as_str())
        .metadata("mlflow.gateway.requestType", request_type(call.kind))
        .metadata("tidegate.model", call.model.as_str())
}

fn span_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Chat => "CHAT_MODEL",
        Kind::Completions => "LLM",
        Kind::Embeddings => "EMBEDDING",
    }
}

/// The words that MLflow's gateway uses.
fn request_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Chat => "unified/chat",
        Kind::Completions => "unified/completions",
        Kind::Embeddings => "unified/embeddings",
    }
}

fn failure(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Ok => None,
        Outcome::Failed { status, message } => Some(format!("{status}: {message}")),
        Outcome::Cancelled => Some("the caller left before the end".to_owned()),
    }
}

fn token_usage(usage: &llm::Usage) -> TokenUsage {
    let count = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
    let detail = |object: &str, key: &str| usage.rest.get(object)?.get(key)?.as_i64();
    TokenUsage {
        input_tokens: Some(count(usage.prompt_tokens)),
        output_tokens: Some(count(usage.completion_tokens.unwrap_or_default())),
        total_tokens: Some(count(usage.total_tokens)),
        cache_read_input_tokens: detail("prompt_tokens_details", "cached_tokens"),
        ..TokenUsage::default()
    }
}

/// JSON where it is JSON, else its text.
fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

fn ns(unix_ns: u64) -> i64 {
    i64::try_from(unix_ns).unwrap_or(i64::MAX)
}

fn ns_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
