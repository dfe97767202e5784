//! Traces as protobuf's JSON writes them: RFC 3339 times, durations in seconds, ids of spans in base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::{
    assessment::{Assessment, Verdict},
    trace::{
        Span, SpanEvent, SpanLink, SpanStatus, Trace, TraceId, TraceInfo, keys,
        time::{duration, timestamp},
    },
};

/// A trace without its spans.
pub(super) fn info(info: &TraceInfo) -> Value {
    let mut wire = Object::default();
    wire.set("trace_id", info.trace_id.as_str());
    wire.set_if_any("client_request_id", info.client_request_id.as_deref());
    wire.set(
        "trace_location",
        json!({
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": info.experiment_id.to_string()},
        }),
    );
    wire.set("request_time", timestamp(info.request_time_ms));
    wire.set_if_any("execution_duration", info.execution_duration_ms.map(duration));
    wire.set("state", info.state.name());
    if !info.metadata.is_empty() {
        wire.set("trace_metadata", json!(info.metadata));
    }
    if !info.tags.is_empty() {
        wire.set("tags", json!(info.tags));
    }
    if !info.assessments.is_empty() {
        wire.set("assessments", info.assessments.iter().map(assessment).collect::<Value>());
    }
    wire.set_if_any("request_preview", info.request_preview.as_deref());
    wire.set_if_any("response_preview", info.response_preview.as_deref());
    wire.0.into()
}

/// A trace with its spans.
pub(super) fn trace(trace: &Trace) -> Value {
    let mut wire = Object::default();
    wire.set("trace_info", info(&trace.info));
    if !trace.spans.is_empty() {
        wire.set("spans", trace.spans.iter().map(span).collect::<Value>());
    }
    wire.0.into()
}

fn span(span: &Span) -> Value {
    let mut wire = Object::default();
    wire.set("trace_id", STANDARD.encode(span.trace_id.otel_bytes().unwrap_or_default()));
    wire.set("span_id", STANDARD.encode(span.span_id.0));
    wire.set_if_any("parent_span_id", span.parent_id.map(|it| STANDARD.encode(it.0)));
    wire.set("name", span.name.as_str());
    wire.set("start_time_unix_nano", span.start_ns);
    wire.set_if_any("end_time_unix_nano", span.end_ns);
    // The id that MLflow's client looks for, also where another program made the span.
    let id = (!span.attributes.contains_key(keys::REQUEST_ID)).then(|| json!(span.trace_id.as_str()));
    let id = id.iter().map(|it| key_value(keys::REQUEST_ID, it));
    let rest = span.attributes.iter().map(|(key, value)| key_value(key, value));
    wire.set("attributes", id.chain(rest).collect::<Value>());
    wire.set_list("events", span.events.iter().map(event));
    wire.set_list("links", span.links.iter().map(link));
    wire.set("status", status(&span.status));
    wire.0.into()
}

fn event(event: &SpanEvent) -> Value {
    let mut wire = Object::default();
    wire.set("time_unix_nano", event.time_ns);
    wire.set("name", event.name.as_str());
    wire.set_list("attributes", key_values(&event.attributes));
    wire.0.into()
}

fn link(link: &SpanLink) -> Value {
    let mut wire = Object::default();
    let trace_id = TraceId::parse(&link.trace_id).ok().and_then(|it| it.otel_bytes());
    wire.set("trace_id", STANDARD.encode(trace_id.unwrap_or_default()));
    let span_id = crate::trace::SpanId::from_hex(&link.span_id);
    wire.set("span_id", STANDARD.encode(span_id.map(|it| it.0).unwrap_or_default()));
    wire.set_list("attributes", key_values(&link.attributes));
    wire.0.into()
}

fn status(status: &SpanStatus) -> Value {
    match status {
        SpanStatus::Unset => json!({}),
        SpanStatus::Error(message) if !message.is_empty() => json!({"message": message, "code": status.code()}),
        SpanStatus::Ok | SpanStatus::Error(_) => json!({"code": status.code()}),
    }
}

fn key_values(attributes: &Map<String, Value>) -> impl Iterator<Item = Value> {
    attributes.iter().map(|(key, value)| key_value(key, value))
}

fn key_value(key: &str, value: &Value) -> Value {
    json!({"key": key, "value": any_value(value)})
}

/// A JSON value as OpenTelemetry's `AnyValue`.
fn any_value(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(truth) => json!({"bool_value": truth}),
        Value::String(text) => json!({"string_value": text}),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => json!({"int_value": integer}),
            None => json!({"double_value": number}),
        },
        Value::Array(items) if items.is_empty() => json!({"array_value": {}}),
        Value::Array(items) => json!({"array_value": {"values": items.iter().map(any_value).collect::<Value>()}}),
        Value::Object(object) if object.is_empty() => json!({"kvlist_value": {}}),
        Value::Object(object) => json!({"kvlist_value": {"values": key_values(object).collect::<Value>()}}),
    }
}

/// An assessment.
pub(super) fn assessment(it: &Assessment) -> Value {
    let mut wire = Object::default();
    wire.set("assessment_id", it.assessment_id.as_str());
    wire.set("assessment_name", it.name.as_str());
    wire.set("trace_id", it.trace_id.as_str());
    wire.set_if_any("span_id", it.span_id.as_deref());
    let mut source = Object::default();
    source.set("source_type", it.source_kind.name());
    source.set_if_any("source_id", it.source_id.as_deref());
    wire.set("source", source.0);
    wire.set("create_time", timestamp(it.create_time_ms));
    wire.set("last_update_time", timestamp(it.last_update_time_ms));
    match &it.verdict {
        Verdict::Feedback { value, error } => {
            let mut feedback = Object::default();
            feedback.set("value", value.clone());
            if let Some(error) = error {
                let mut wire = Object::default();
                wire.set("error_code", error.error_code.as_deref().unwrap_or_default());
                wire.set_if_any("error_message", error.error_message.as_deref());
                wire.set_if_any("stack_trace", error.stack_trace.as_deref());
                feedback.set("error", wire.0);
            }
            wire.set("feedback", feedback.0);
        }
        Verdict::Expectation(value @ (Value::Array(_) | Value::Object(_))) => {
            let text = crate::trace::text::python_json(value);
            wire.set(
                "expectation",
                json!({"serialized_value": {"serialization_format": "JSON_FORMAT", "value": text}}),
            );
        }
        Verdict::Expectation(value) => wire.set("expectation", json!({"value": value})),
        Verdict::Issue { issue_name } => {
            wire.set("issue", json!({"issue_name": issue_name.as_deref().unwrap_or_default()}));
        }
    }
    wire.set_if_any("rationale", it.rationale.as_deref());
    if !it.metadata.is_empty() {
        wire.set("metadata", it.metadata.clone());
    }
    wire.set_if_any("overrides", it.overrides.as_deref());
    wire.set("valid", it.valid);
    wire.0.into()
}

/// A JSON object in the making, in which absent values leave no trace.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn set_if_any<T: Into<Value>>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    fn set_list(&mut self, name: &str, items: impl Iterator<Item = Value>) {
        let items: Vec<Value> = items.collect();
        if !items.is_empty() {
            self.set(name, items);
        }
    }
}
