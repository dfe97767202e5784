//! A call as spans, in the words of OpenTelemetry's conventions for generative AI; what those have no word for begins
//! with `tidegate.`.

use std::time::Duration;

use super::message::{KeyValue, Span, SpanKind, Status, StatusCode, Value};
use crate::observe::{operation, provider};
use crate::{Attempt, CacheUse, Call, Outcome};

/// The spans of a call: the call itself, then one for each attempt. They belong to the caller's own trace where it
/// named one; where that trace is not recorded there are none, since a part of it would tell nobody anything.
pub(super) fn spans(call: &Call, capture_content: bool) -> Vec<Span> {
    if call.parent.is_some_and(|it| !it.is_sampled) {
        return Vec::new();
    }
    let trace_id = call.parent.map_or_else(rand::random, |it| it.trace_id);
    let root = root(call, trace_id, capture_content);
    let mut spans = Vec::with_capacity(1 + call.attempts.len());
    for (index, it) in call.attempts.iter().enumerate() {
        let is_last = index + 1 == call.attempts.len();
        spans.push(attempt(call, it, is_last, &root));
    }
    spans.insert(0, root);
    spans
}

fn root(call: &Call, trace_id: [u8; 16], capture_content: bool) -> Span {
    let mut attributes = Attributes::default();
    attributes.add("tidegate.endpoint", call.endpoint.as_str());
    attributes.add("tidegate.request_id", call.id.as_str());
    attributes.add_some("tidegate.key", call.caller.as_ref().map(|it| it.key.as_str()));
    attributes.add_some("tidegate.route", call.route.as_deref());
    attributes.add_some("tidegate.cost_usd", call.cost.as_ref().map(|it| dollars(it.total)));
    attributes.add_some("tidegate.saved_usd", call.saved.as_ref().map(|it| dollars(it.total)));
    attributes.add_some("tidegate.cache", call.cache.map(CacheUse::word));
    for loss in &call.losses {
        attributes.add(&format!("tidegate.lost.{}", loss.field), loss.why.as_str());
    }
    for it in &call.decisions {
        attributes.add(&format!("tidegate.guardrail.{}.{}", it.guardrail, it.stage.word()), it.verdict.word());
    }
    if capture_content {
        let request = Some(&call.request).filter(|it| !it.is_empty());
        attributes.add_some("tidegate.request.body", request.map(|it| String::from_utf8_lossy(it).into_owned()));
        let response = call.response.as_ref().map(|it| String::from_utf8_lossy(it).into_owned());
        attributes.add_some("tidegate.response.body", response);
    }
    Span {
        trace_id: trace_id.to_vec(),
        span_id: rand::random::<[u8; 8]>().to_vec(),
        parent_span_id: call.parent.map(|it| it.span_id.to_vec()).unwrap_or_default(),
        name: format!("gateway/{}", call.endpoint),
        kind: SpanKind::Server.into(),
        start_unix_ns: call.started_unix_ns,
        end_unix_ns: end(call.started_unix_ns, call.duration),
        status: Some(status(&call.outcome, &mut attributes)),
        attributes: attributes.0,
    }
}

/// An attempt. The last one lasts as long as the call, and has its tokens.
fn attempt(call: &Call, attempt: &Attempt, is_last: bool, root: &Span) -> Span {
    let operation = operation(call.kind);
    let mut attributes = Attributes::default();
    attributes.add("gen_ai.operation.name", operation);
    attributes.add("gen_ai.provider.name", provider(&attempt.provider));
    attributes.add("gen_ai.request.model", attempt.model.as_str());
    attributes.add("tidegate.endpoint", attempt.endpoint.as_str());
    attributes.add("tidegate.streaming", call.streamed);
    let is_answering = is_last && attempt.outcome == Outcome::Ok;
    if is_answering {
        attributes.add_some("gen_ai.usage.input_tokens", call.usage.as_ref().map(|it| it.prompt_tokens));
        let output = call.usage.as_ref().and_then(|it| it.completion_tokens);
        attributes.add_some("gen_ai.usage.output_tokens", output);
        let cache = call.cache_tokens();
        attributes.add_some("gen_ai.usage.cache_read.input_tokens", cache.map(|it| it.read));
        attributes.add_some("gen_ai.usage.cache_creation.input_tokens", cache.map(|it| it.written));
        attributes.add_some("tidegate.time_to_first_token_s", call.first_token.map(|it| it.as_secs_f64()));
    }
    let outcome = if is_answering { &call.outcome } else { &attempt.outcome };
    Span {
        trace_id: root.trace_id.clone(),
        span_id: rand::random::<[u8; 8]>().to_vec(),
        parent_span_id: root.span_id.clone(),
        name: format!("{operation} {}", attempt.model),
        kind: SpanKind::Client.into(),
        start_unix_ns: attempt.started_unix_ns,
        end_unix_ns: if is_answering {
            root.end_unix_ns.max(attempt.started_unix_ns)
        } else {
            end(attempt.started_unix_ns, attempt.duration)
        },
        status: Some(status(outcome, &mut attributes)),
        attributes: attributes.0,
    }
}

/// The status of a span; of a failed one `error.type` says which kind.
fn status(outcome: &Outcome, attributes: &mut Attributes) -> Status {
    let (kind, message) = match outcome {
        Outcome::Ok => return Status { message: String::new(), code: StatusCode::Unset.into() },
        Outcome::Failed { status, message } => (status.to_string(), message.clone()),
        Outcome::Cancelled => ("cancelled".to_owned(), "the caller left before the end".to_owned()),
    };
    attributes.add("error.type", kind);
    Status { message, code: StatusCode::Error.into() }
}

fn end(started_unix_ns: u64, duration: Duration) -> u64 {
    started_unix_ns.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// The float nearest to an exact sum.
fn dollars(amount: crate::Usd) -> f64 {
    amount.to_string().parse().unwrap_or_default()
}

#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn add(&mut self, key: &str, value: impl Into<Value>) {
        self.0.push(KeyValue::new(key, value));
    }

    fn add_some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(key, value);
        }
    }
}
