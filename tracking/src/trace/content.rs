//! A span as MLflow keeps it in the column `spans.content`: a JSON object whose attributes are JSON texts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    Span, SpanEvent, SpanId, SpanLink, SpanStatus, TraceId,
    keys::REQUEST_ID,
    payload::push_json,
    text::{push_text, python_json, read_json},
};
use crate::{Error, Result};

/// The span's text for the database.
pub(crate) fn write(span: &Span) -> String {
    write_with(span, &[])
}

/// The span's text for the database, with more attributes: names, and values as [`python_style`] writes them.
///
/// [`python_style`]: super::payload::python_style
pub(crate) fn write_with(span: &Span, texts: &[(&str, &str)]) -> String {
    let text_bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    // Quotes are escaped, and the rest of a span is small.
    let mut out = String::with_capacity(1024 + text_bytes + text_bytes / 8);
    out.push_str(r#"{"trace_id": ""#);
    STANDARD.encode_string(span.trace_id.otel_bytes().unwrap_or_default(), &mut out);
    out.push_str(r#"", "span_id": ""#);
    STANDARD.encode_string(span.span_id.0, &mut out);
    out.push_str(r#"", "parent_span_id": "#);
    match span.parent_id {
        Some(parent) => {
            out.push('"');
            STANDARD.encode_string(parent.0, &mut out);
            out.push('"');
        }
        None => out.push_str("null"),
    }
    out.push_str(r#", "name": "#);
    push_text(&mut out, &span.name);
    out.push_str(r#", "start_time_unix_nano": "#);
    out.push_str(&span.start_ns.to_string());
    out.push_str(r#", "end_time_unix_nano": "#);
    match span.end_ns {
        Some(end_ns) => out.push_str(&end_ns.to_string()),
        None => out.push_str("null"),
    }
    out.push_str(r#", "events": "#);
    out.push_str(&python_json(&span.events.iter().map(event_json).collect::<Value>()));
    out.push_str(r#", "status": {"code": "#);
    push_text(&mut out, span.status.code());
    out.push_str(r#", "message": "#);
    push_text(&mut out, span.status.message());
    out.push_str(r#"}, "attributes": {"#);
    let mut scratch = String::new();
    push_text(&mut scratch, span.trace_id.as_str());
    push_attribute(&mut out, REQUEST_ID, &scratch);
    let own = span.attributes.iter().filter(|(key, _)| *key != REQUEST_ID);
    for (key, value) in own.filter(|(key, _)| texts.iter().all(|(text_key, _)| text_key != key)) {
        scratch.clear();
        push_json(&mut scratch, value);
        out.push_str(", ");
        push_attribute(&mut out, key, &scratch);
    }
    for (key, text) in texts {
        out.push_str(", ");
        push_attribute(&mut out, key, text);
    }
    out.push_str(r#"}, "links": "#);
    out.push_str(&python_json(&span.links.iter().map(link_json).collect::<Value>()));
    out.push('}');
    out
}

/// An attribute's value is a JSON text in a JSON text.
fn push_attribute(out: &mut String, key: &str, json: &str) {
    push_text(out, key);
    out.push_str(": ");
    push_text(out, json);
}

fn event_json(event: &SpanEvent) -> Value {
    json!({"name": event.name, "time_unix_nano": event.time_ns, "attributes": event.attributes})
}

fn link_json(link: &SpanLink) -> Value {
    let attributes = (!link.attributes.is_empty()).then_some(&link.attributes);
    json!({"trace_id": link.trace_id, "span_id": link.span_id, "attributes": attributes})
}

/// Reads the database's text of a span of `trace_id`.
pub(crate) fn read(trace_id: &TraceId, text: &str) -> Result<Span> {
    let refused = |why: &str| Error::internal(format!("reading a span of trace {trace_id}"), why.to_owned());
    let mut content: Value = serde_json::from_str(text).map_err(|error| refused(&error.to_string()))?;
    let span_id = id(&content["span_id"]).ok_or_else(|| refused("it has no span_id of 8 bytes"))?;
    let attributes = match content["attributes"].take() {
        Value::Object(attributes) => attributes.into_iter().map(decoded).collect(),
        _ => Map::new(),
    };
    let status = SpanStatus::from_code(
        content["status"]["code"].as_str().unwrap_or_default(),
        content["status"]["message"].as_str().unwrap_or_default(),
    );
    Ok(Span {
        trace_id: trace_id.clone(),
        span_id,
        parent_id: id(&content["parent_span_id"]),
        name: text_of(&content["name"]),
        start_ns: integer(&content["start_time_unix_nano"]).unwrap_or_default(),
        end_ns: integer(&content["end_time_unix_nano"]).filter(|it| *it != 0),
        status,
        attributes,
        events: list(content["events"].take(), event),
        links: list(content["links"].take(), link),
    })
}

fn decoded((key, value): (String, Value)) -> (String, Value) {
    match value {
        Value::String(text) => (key, read_json(&text)),
        other => (key, other),
    }
}

/// Ids are base64 since schema 3; before, they were hexadecimal digits.
fn id(value: &Value) -> Option<SpanId> {
    let text = value.as_str().filter(|it| !it.is_empty())?;
    SpanId::from_hex(text.trim_start_matches("0x"))
        .or_else(|| STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).map(SpanId))
}

fn list<T>(value: Value, read: impl Fn(Value) -> T) -> Vec<T> {
    match value {
        Value::Array(items) => items.into_iter().map(read).collect(),
        _ => Vec::new(),
    }
}

fn event(mut value: Value) -> SpanEvent {
    SpanEvent {
        name: text_of(&value["name"]),
        time_ns: integer(&value["time_unix_nano"]).unwrap_or_default(),
        attributes: object(value["attributes"].take()),
    }
}

fn link(mut value: Value) -> SpanLink {
    SpanLink {
        trace_id: text_of(&value["trace_id"]),
        span_id: text_of(&value["span_id"]),
        attributes: object(value["attributes"].take()),
    }
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(object) = value { object } else { Map::new() }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that `mlflow server` 3.17.2 wrote for a span of its own client.
    const STORED: &str = r#"{"trace_id": "ILXQoxHLoScgk6n0wtXmwg==", "span_id": "MEls1Y3k+7c=", "parent_span_id": "NeVbiJHVRpc=", "name": "llm", "start_time_unix_nano": 1795548838324598705, "end_time_unix_nano": 1795548838325363173, "events": [{"name": "ev", "time_unix_nano": 1795548838325222656, "attributes": {"x": "y"}}], "status": {"code": "STATUS_CODE_OK", "message": ""}, "attributes": {"mlflow.traceRequestId": "\"tr-20b5d0a311cba1272093a9f4c2d5e6c2\"", "mlflow.spanType": "\"CHAT_MODEL\"", "mlflow.spanInputs": "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}", "mlflow.spanOutputs": "{\"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": \"héllo\"}}]}", "mlflow.chat.tokenUsage": "{\"input_tokens\": 10, \"output_tokens\": 5, \"total_tokens\": 15}", "mlflow.llm.model": "\"gpt-4o-mini\"", "mlflow.llm.provider": "\"openai\"", "mlflow.spanLogLevel": "20", "mlflow.llm.cost": "{\"input_cost\": 1.5e-06, \"output_cost\": 3e-06, \"total_cost\": 4.5e-06}"}, "links": []}"#;

    #[test]
    fn what_mlflow_wrote_reads_and_writes_back_as_it_was() {
        let trace_id = TraceId::parse("tr-20b5d0a311cba1272093a9f4c2d5e6c2").unwrap();
        let span = read(&trace_id, STORED).unwrap();
        assert_eq!(span.span_id.to_string(), "30496cd58de4fbb7");
        assert_eq!(span.parent_id.unwrap().to_string(), "35e55b8891d54697");
        assert_eq!(span.kind_name(), Some("CHAT_MODEL"));
        assert_eq!(span.attributes["mlflow.spanLogLevel"], 20);
        assert_eq!(write(&span), STORED);
    }

    #[test]
    fn broken_content_is_an_error_that_names_the_trace() {
        let trace_id = TraceId::now();
        for text in ["", "[]", "{}", r#"{"span_id": "xx"}"#] {
            assert!(read(&trace_id, text).unwrap_err().to_string().contains(trace_id.as_str()), "{text}");
        }
    }
}
