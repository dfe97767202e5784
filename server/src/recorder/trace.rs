//! One call as one trace: a root span for the endpoint, below it one for each attempt and each guardrail's decision.

use std::time::Duration;

use gateway::{Attempt, CacheUse, Call, Cost, Decision, Kind, Outcome, Registered, TraceParent, Usd};
use serde_json::{Map, Value, json};
use tracking::{
    experiment::ExperimentId,
    trace::{NewTrace, Span, SpanLink, TokenUsage, TraceId},
};

/// The trace of a call.
pub(crate) fn of(call: &Call, experiment: ExperimentId) -> NewTrace {
    let root = root(call);
    let mut children = Vec::with_capacity(call.attempts.len() + call.decisions.len());
    if let Some((last, before)) = call.attempts.split_last() {
        children.extend(before.iter().map(|it| attempt(&root, it, call)));
        children.push(answering(&root, last, call));
    }
    children.extend(call.decisions.iter().map(|it| decision(&root, it)));
    let linked = call.parent.as_ref().map(|it| TraceId::from_otel(it.trace_id));
    let mut trace = NewTrace::new(experiment, root.kind("LLM"))
        .client_request_id(call.id.as_str())
        .metadata("mlflow.gateway.endpointId", registered(call).map_or(call.endpoint.as_str(), |it| &it.id))
        .metadata("mlflow.gateway.requestType", request_type(call.kind))
        .metadata("tidegate.model", call.model.as_str());
    if !call.request.is_empty() {
        trace = trace.asked(call.request.clone());
    }
    if let Some(response) = &call.response {
        trace = trace.answered(response.clone());
    }
    if let Some(linked) = linked {
        trace = trace.metadata("mlflow.gateway.linkedTraceId", linked.as_str());
    }
    children.into_iter().fold(called_by(trace, call), NewTrace::span)
}

/// Says whose call it was, in the words by which MLflow groups traces where it has some.
fn called_by(trace: NewTrace, call: &Call) -> NewTrace {
    let trace = match &call.client {
        Some(client) => trace.metadata("mlflow.gateway.caller", client.as_str()),
        None => trace,
    };
    let Some(caller) = &call.caller else { return trace };
    let said =
        [("mlflow.trace.user", &caller.user), ("mlflow.auth.username", &caller.user), ("tidegate.team", &caller.team)];
    let trace = trace.metadata("tidegate.key", caller.key.as_str());
    said.into_iter()
        .filter_map(|(key, value)| Some((key, value.as_deref()?)))
        .fold(trace, |trace, (key, value)| trace.metadata(key, value))
}

/// The call as its caller sees it. What was asked and answered stands here alone, as in MLflow's own gateway: it is
/// most of a trace's bytes.
fn root(call: &Call) -> Span {
    let start_ns = ns(call.started_unix_ns);
    let end_ns = start_ns.saturating_add(ns_of(call.duration));
    // Which of the models of a database's endpoint answered, its attempts tell.
    let endpoint = registered(call).map_or(call.endpoint.as_str(), |it| &it.name);
    let mut root = Span::root(TraceId::now(), format!("gateway/{endpoint}"), start_ns, end_ns)
        .attribute("endpoint_name", endpoint)
        .attribute("request_id", call.id.as_str());
    if let Some(registered) = registered(call) {
        root = root.attribute("endpoint_id", registered.id.as_str());
    } else if let Some(route) = &call.route {
        root = root.attribute("route_name", route.as_str());
    }
    if let Some(used) = call.cache {
        root = root.attribute("tidegate.cache", used.word());
        if let CacheUse::Hit { age, similarity } = used {
            root = root.attribute("tidegate.cache_age_s", age.as_secs());
            if let Some(similarity) = similarity {
                root = root.attribute("tidegate.cache_similarity", f64::from(similarity));
            }
        }
    }
    if let Some(saved) = &call.saved {
        root = root.attribute("tidegate.saved_usd", dollars(saved.total));
    }
    if !call.losses.is_empty() {
        let losses: Vec<Value> = call.losses.iter().map(|it| json!({"field": it.field, "why": it.why})).collect();
        root = root.attribute("tidegate.losses", losses);
    }
    if let Some(parent) = &call.parent {
        root.links.push(link(parent));
    }
    match failure(&call.outcome) {
        Some(words) => root.failed(words),
        None => root,
    }
}

fn registered(call: &Call) -> Option<&Registered> {
    call.recording.as_ref()?.registered.as_ref()
}

fn link(parent: &TraceParent) -> SpanLink {
    SpanLink {
        trace_id: TraceId::from_otel(parent.trace_id).as_str().to_owned(),
        span_id: format!("{:016x}", u64::from_be_bytes(parent.span_id)),
        attributes: Map::new(),
    }
}

/// An attempt, for as long as its answer was waited for.
fn attempt(root: &Span, attempt: &Attempt, call: &Call) -> Span {
    let start_ns = ns(attempt.started_unix_ns);
    let end_ns = start_ns.saturating_add(ns_of(attempt.duration));
    let span = Span::child_of(root, format!("provider/{}/{}", attempt.provider, attempt.model), start_ns, end_ns)
        .kind(span_kind(call.kind))
        .model(&attempt.model, &attempt.provider)
        .attribute("streaming", call.streamed)
        .attribute("endpoint_name", attempt.endpoint.as_str());
    match failure(&attempt.outcome) {
        Some(words) => span.failed(words),
        None => span,
    }
}

/// The last attempt: it lasts as long as the call does, and has its tokens and its cost.
fn answering(root: &Span, last: &Attempt, call: &Call) -> Span {
    let mut span = attempt(root, last, call);
    if last.outcome == Outcome::Ok {
        span.end_ns = root.end_ns;
    }
    if let Some(first_token) = call.first_token {
        span = span.attribute("time_to_first_token_ms", first_token.as_secs_f64() * 1e3);
    }
    if let Some(usage) = token_usage(call) {
        span = span.token_usage(&usage);
    }
    if let Some(cost) = &call.cost {
        span = span.cost(&cost_in_dollars(cost));
    }
    match failure(&call.outcome) {
        Some(words) => span.failed(words),
        None => span,
    }
}

/// What a guardrail decided, where it looked: at the beginning of a call or at its end.
fn decision(root: &Span, decision: &Decision) -> Span {
    let at_ns = match decision.stage {
        gateway::Stage::Input => root.start_ns,
        gateway::Stage::Output => root.end_ns.unwrap_or(root.start_ns),
    };
    let found: Map<String, Value> = decision.found.iter().map(|(what, count)| (what.clone(), json!(count))).collect();
    Span::child_of(root, format!("guardrail/{}", decision.guardrail), at_ns, at_ns)
        .kind("GUARDRAIL")
        .attribute("tidegate.stage", decision.stage.word())
        .attribute("tidegate.verdict", decision.verdict.word())
        .attribute("tidegate.found", found)
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

fn token_usage(call: &Call) -> Option<TokenUsage> {
    let usage = call.usage.as_ref()?;
    let count = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
    let some = |it: u64| (it > 0).then(|| count(it));
    let cached = call.cache_tokens();
    Some(TokenUsage {
        input_tokens: Some(count(usage.prompt_tokens)),
        output_tokens: Some(count(usage.completion_tokens.unwrap_or_default())),
        total_tokens: Some(count(usage.total_tokens)),
        cache_read_input_tokens: cached.and_then(|it| some(it.read)),
        cache_creation_input_tokens: cached.and_then(|it| some(it.written)),
        cache_creation_input_tokens_above_1hr: cached.and_then(|it| some(it.written_1h)),
    })
}

/// Dollars as MLflow has them. What is neither for the prompt nor for the answer is in the sum alone.
fn cost_in_dollars(cost: &Cost) -> tracking::trace::Cost {
    let input = [cost.input, cost.cache_read, cost.cache_write].into_iter().map(dollars).sum();
    tracking::trace::Cost {
        input_cost: Some(input),
        output_cost: Some(dollars(cost.output)),
        total_cost: Some(dollars(cost.total)),
    }
}

/// A sum as a float, the one nearest to what it says in decimals.
fn dollars(amount: Usd) -> f64 {
    amount.to_string().parse().unwrap_or_default()
}

fn ns(unix_ns: u64) -> i64 {
    i64::try_from(unix_ns).unwrap_or(i64::MAX)
}

fn ns_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
