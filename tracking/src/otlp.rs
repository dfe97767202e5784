//! OpenTelemetry's protocol for traces: protobuf or JSON into spans.

mod message;

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::Message as _;
use serde_json::{Map, Number, Value};

use crate::trace::{Span, SpanEvent, SpanId, SpanLink, SpanStatus, TraceId};
use message::{AnyValue, ExportTraceServiceRequest, KeyValue, any_value};

/// How the request's body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

/// Why a request holds no spans that can be kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is no request at all.
    Unreadable(String),
    /// It is empty.
    NoSpans,
    /// A span in it has no ids.
    BrokenSpan(String),
}

/// The spans of a request, and what is known of the programs that made them.
#[derive(Debug, Default)]
pub(crate) struct Export {
    pub(crate) spans: Vec<Span>,
    pub(crate) resources: HashMap<TraceId, Map<String, Value>>,
}

/// Reads a request's body.
pub(crate) fn read(body: &[u8], encoding: Encoding) -> Result<Export, Refusal> {
    let request = match encoding {
        Encoding::Protobuf => {
            ExportTraceServiceRequest::decode(body).map_err(|error| Refusal::Unreadable(error.to_string()))?
        }
        Encoding::Json => serde_json::from_slice(body).map_err(|error| Refusal::Unreadable(error.to_string()))?,
    };
    if request.resource_spans.is_empty() {
        return Err(Refusal::NoSpans);
    }
    let mut export = Export::default();
    for group in request.resource_spans {
        let resource = attributes(group.resource.unwrap_or_default().attributes);
        for span in group.scope_spans.into_iter().flat_map(|it| it.spans) {
            let span = convert(span)?;
            if !resource.is_empty() {
                export.resources.entry(span.trace_id.clone()).or_insert_with(|| resource.clone());
            }
            export.spans.push(span);
        }
    }
    Ok(export)
}

fn convert(span: message::Span) -> Result<Span, Refusal> {
    let broken = |what: &str| Refusal::BrokenSpan(format!("span `{}` has no valid {what}", span.name));
    let trace_id = TraceId::from_otel(id(&span.trace_id).ok_or_else(|| broken("trace_id of 16 bytes"))?);
    let span_id = SpanId(id(&span.span_id).ok_or_else(|| broken("span_id of 8 bytes"))?);
    let parent_id = match span.parent_span_id.as_slice() {
        bytes if bytes.iter().all(|it| *it == 0) => None,
        bytes => Some(SpanId(id(bytes).ok_or_else(|| broken("parent_span_id of 8 bytes"))?)),
    };
    let status = span.status.unwrap_or_default();
    Ok(Span {
        trace_id,
        span_id,
        parent_id,
        name: span.name,
        start_ns: nanoseconds(span.start_time_unix_nano),
        end_ns: (span.end_time_unix_nano != 0).then(|| nanoseconds(span.end_time_unix_nano)),
        status: match status.code {
            1 => SpanStatus::Ok,
            2 => SpanStatus::Error(status.message),
            _ => SpanStatus::Unset,
        },
        attributes: attributes(span.attributes),
        events: span.events.into_iter().map(event).collect(),
        links: span.links.iter().filter_map(link).collect(),
    })
}

/// An id of `N` bytes, shorter ones filled up in front; zero is no id.
fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut id = [0; N];
    let start = N.checked_sub(bytes.len())?;
    id[start..].copy_from_slice(bytes);
    id.iter().any(|it| *it != 0).then_some(id)
}

fn nanoseconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

fn event(event: message::Event) -> SpanEvent {
    SpanEvent { name: event.name, time_ns: nanoseconds(event.time_unix_nano), attributes: attributes(event.attributes) }
}

/// A link to nothing says nothing.
fn link(link: &message::Link) -> Option<SpanLink> {
    Some(SpanLink {
        trace_id: TraceId::from_otel(id(&link.trace_id)?).to_string(),
        span_id: SpanId(id(&link.span_id)?).to_string(),
        attributes: attributes(link.attributes.clone()),
    })
}

fn attributes(pairs: Vec<KeyValue>) -> Map<String, Value> {
    pairs.into_iter().map(|it| (it.key, it.value.map_or(Value::Null, json))).collect()
}

fn json(value: AnyValue) -> Value {
    match value.value {
        None => Value::Null,
        Some(any_value::Value::StringValue(text)) => text.into(),
        Some(any_value::Value::BoolValue(truth)) => truth.into(),
        Some(any_value::Value::IntValue(number)) => number.into(),
        // JSON has no NaN and no infinities.
        Some(any_value::Value::DoubleValue(number)) => {
            Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
        }
        Some(any_value::Value::ArrayValue(list)) => list.values.into_iter().map(json).collect(),
        Some(any_value::Value::KvlistValue(list)) => attributes(list.values).into(),
        Some(any_value::Value::BytesValue(bytes)) => STANDARD.encode(bytes).into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const JSON: &str = r#"{"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]},
        "scopeSpans": [{"scope": {"name": "s"}, "spans": [{
            "traceId": "0123456789abcdef0123456789abcdef", "spanId": "0123456789abcdef", "parentSpanId": "",
            "name": "root", "kind": 1, "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": 1700000001000000000,
            "attributes": [
                {"key": "i", "value": {"intValue": "7"}},
                {"key": "d", "value": {"doubleValue": 1.5}},
                {"key": "b", "value": {"boolValue": true}},
                {"key": "y", "value": {"bytesValue": "AAE="}},
                {"key": "n", "value": {}},
                {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": "x"}]}}},
                {"key": "o", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 1}}]}}}
            ],
            "events": [{"timeUnixNano": "1700000000500000000", "name": "e", "attributes": []}],
            "links": [{"traceId": "ffffffffffffffffffffffffffffffff", "spanId": "00000000000000ff"}],
            "status": {"code": 2, "message": "boom"}
        }]}]}]}"#;

    fn check(export: &Export) {
        let span = &export.spans[0];
        assert_eq!(span.trace_id.as_str(), "tr-0123456789abcdef0123456789abcdef");
        assert_eq!(span.span_id.to_string(), "0123456789abcdef");
        assert_eq!((span.parent_id, span.name.as_str()), (None, "root"));
        assert_eq!((span.start_ns, span.end_ns), (1_700_000_000_000_000_000, Some(1_700_000_001_000_000_000)));
        assert_eq!(span.status, SpanStatus::Error("boom".to_owned()));
        assert_eq!(
            Value::Object(span.attributes.clone()),
            json!({"i": 7, "d": 1.5, "b": true, "y": "AAE=", "n": null, "l": ["x"], "o": {"k": 1}})
        );
        assert_eq!(span.events[0].time_ns, 1_700_000_000_500_000_000);
        assert_eq!(span.links[0].span_id, "00000000000000ff");
        assert_eq!(export.resources[&span.trace_id]["service.name"], "svc");
    }

    #[test]
    fn both_encodings_say_the_same() {
        check(&read(JSON.as_bytes(), Encoding::Json).unwrap());
        let message: ExportTraceServiceRequest = serde_json::from_str(JSON).unwrap();
        check(&read(&message.encode_to_vec(), Encoding::Protobuf).unwrap());
    }

    #[test]
    fn what_holds_no_spans_is_refused() {
        let json = |text: &str| read(text.as_bytes(), Encoding::Json).unwrap_err();
        assert_eq!(json("{}"), Refusal::NoSpans);
        assert!(matches!(json("not json"), Refusal::Unreadable(_)));
        assert!(matches!(json(r#"{"resourceSpans": 1}"#), Refusal::Unreadable(_)));
        assert_eq!(read(b"", Encoding::Protobuf).unwrap_err(), Refusal::NoSpans);
        assert!(matches!(read(b"\xff\xff", Encoding::Protobuf).unwrap_err(), Refusal::Unreadable(_)));
        for ids in
            [r#""traceId": "", "spanId": "0123456789abcdef""#, r#""traceId": "01", "spanId": "0000000000000000""#]
        {
            let text = format!(r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{{"name": "n", {ids}}}]}}]}}]}}"#);
            assert!(matches!(json(&text), Refusal::BrokenSpan(_)), "{ids}");
        }
    }
}
