//! What of a call its spans tell.

use std::time::Duration;

use prost::Message as _;

use super::message::{Export, ResourceSpans, ScopeSpans, Span, SpanKind, StatusCode, Value};
use super::span::spans;
use crate::{Attempt, Call, Cost, Kind, Outcome, TraceParent, Usd};

fn attempt(provider: &str, outcome: Outcome) -> Attempt {
    Attempt {
        endpoint: "chat".to_owned(),
        provider: provider.to_owned(),
        model: "m".to_owned(),
        started_unix_ns: 1000,
        duration: Duration::from_nanos(20),
        outcome,
    }
}

fn call() -> Call {
    let usage = serde_json::json!({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
        "prompt_tokens_details": {"cached_tokens": 40}});
    Call {
        id: "call-1".to_owned(),
        endpoint: "chat".to_owned(),
        route: None,
        kind: Kind::Chat,
        provider: "bedrock".to_owned(),
        model: "m".to_owned(),
        request: "what was asked".into(),
        response: Some("what was answered".into()),
        outcome: Outcome::Ok,
        usage: serde_json::from_value(usage).ok(),
        cost: Some(Cost { total: Usd::parse("0.25").expect("an amount"), ..Cost::default() }),
        saved: None,
        cache: None,
        decisions: Vec::new(),
        started_unix_ns: 1000,
        first_token: Some(Duration::from_millis(500)),
        duration: Duration::from_nanos(90),
        streamed: true,
        attempts: vec![
            attempt("openai", Outcome::Failed { status: 503, message: "busy".to_owned() }),
            attempt("bedrock", Outcome::Ok),
        ],
        losses: Vec::new(),
        client: None,
        recording: None,
        caller: None,
        parent: Some(TraceParent { trace_id: [7; 16], span_id: [8; 8], is_sampled: true }),
    }
}

fn value<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|it| it.key == key)?.value.as_ref()?.value.as_ref()
}

#[test]
fn a_call_continues_the_trace_of_its_caller() {
    let spans = spans(&call(), false);
    let [root, first, second] = &spans[..] else { panic!("{} spans", spans.len()) };
    assert_eq!((root.trace_id.as_slice(), root.parent_span_id.as_slice()), (&[7; 16][..], &[8; 8][..]));
    assert_eq!((root.kind(), root.start_unix_ns, root.end_unix_ns), (SpanKind::Server, 1000, 1090));
    assert_eq!(value(root, "tidegate.cost_usd"), Some(&Value::Double(0.25)));
    for it in [first, second] {
        assert_eq!((&it.trace_id, &it.parent_span_id, it.kind()), (&root.trace_id, &root.span_id, SpanKind::Client));
        assert_eq!(it.name, "chat m");
    }
    assert_eq!((first.end_unix_ns, second.end_unix_ns), (1020, 1090));
    let status = first.status.as_ref().expect("a status");
    assert_eq!((status.code(), status.message.as_str()), (StatusCode::Error, "busy"));
    assert_eq!(value(first, "error.type"), Some(&Value::Text("503".to_owned())));
    assert_eq!(value(first, "gen_ai.usage.input_tokens"), None);
    let text = |it: &str| Value::Text(it.to_owned());
    for (key, expected) in [
        ("gen_ai.operation.name", text("chat")),
        ("gen_ai.provider.name", text("aws.bedrock")),
        ("gen_ai.request.model", text("m")),
        ("gen_ai.usage.input_tokens", Value::Int(100)),
        ("gen_ai.usage.output_tokens", Value::Int(5)),
        ("gen_ai.usage.cache_read.input_tokens", Value::Int(40)),
        ("tidegate.time_to_first_token_s", Value::Double(0.5)),
    ] {
        assert_eq!(value(second, key), Some(&expected), "{key}");
    }
    assert!(spans.iter().flat_map(|it| &it.attributes).all(|it| !it.key.contains("body")));
}

#[test]
fn content_goes_along_where_it_is_asked_for_and_unsampled_traces_do_not_go_at_all() {
    let told = spans(&call(), true);
    assert_eq!(value(&told[0], "tidegate.request.body"), Some(&Value::Text("what was asked".to_owned())));
    assert_eq!(value(&told[0], "tidegate.response.body"), Some(&Value::Text("what was answered".to_owned())));

    let export = Export {
        resource_spans: vec![ResourceSpans {
            resource: None,
            scope_spans: vec![ScopeSpans { scope: None, spans: told.clone() }],
        }],
    };
    let read = Export::decode(export.encode_to_vec().as_slice()).expect("what was written");
    assert_eq!(read.resource_spans[0].scope_spans[0].spans, told);

    let parent = call().parent.map(|it| TraceParent { is_sampled: false, ..it });
    assert!(spans(&Call { parent, ..call() }, false).is_empty());
    let own = spans(&Call { parent: None, ..call() }, false);
    assert!(own[0].parent_span_id.is_empty() && own[0].trace_id.iter().any(|it| *it != 0));
}
