//! Traces: recorded in process, sent by clients and exporters, searched, read, tagged, assessed and deleted.

use std::io::Write as _;

use axum::body::Body;
use http::{
    Request, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use serde_json::{Value, json};
use tracking::{
    experiment::ExperimentId,
    trace::{Cost, NewTrace, Span, TokenUsage, TraceId},
};

use crate::server::{Answer, TestServer};

const V3: &str = "/api/3.0/mlflow";

/// 2025-01-01T00:00:00Z in nanoseconds.
const NEW_YEAR_NS: i64 = 1_735_689_600_000_000_000;

async fn send(server: &TestServer, method: &str, path: &str, body: Value) -> Answer {
    let request = Request::builder().method(method).uri(format!("{V3}/{path}"));
    server.send(request.header(CONTENT_TYPE, "application/json").body(body.to_string().into()).unwrap()).await
}

async fn get(server: &TestServer, path: &str) -> Answer {
    server.get_at(&format!("{V3}/{path}")).await
}

/// A chat call that started `second` seconds into 2025 and took 1.5 s.
fn chat(second: i64, name: &str) -> Span {
    let start_ns = NEW_YEAR_NS + second * 1_000_000_000;
    Span::root(TraceId::now(), name, start_ns, start_ns + 1_500_000_000)
        .kind("CHAT_MODEL")
        .inputs(json!({"messages": [{"role": "user", "content": "hi"}]}))
        .outputs(json!({"choices": [{"message": {"role": "assistant", "content": "héllo"}}]}))
        .token_usage(&TokenUsage::new(12, 3))
        .cost(&Cost { input_cost: Some(1.5e-6), output_cost: Some(3e-6), total_cost: Some(4.5e-6) })
        .model("smollm2", "local")
}

fn recorded(second: i64, name: &str) -> NewTrace {
    NewTrace::new(ExperimentId::DEFAULT, chat(second, name))
}

/// The ids of a search's answer, by their places in `traces`.
async fn found(server: &TestServer, ids: &[String], filter: &str, order_by: &[&str]) -> Vec<usize> {
    let locations = json!([{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}]);
    let body = json!({"locations": locations, "filter": filter, "order_by": order_by, "max_results": 100});
    let answer = send(server, "POST", "traces/search", body).await.ok();
    let infos = answer["traces"].as_array().cloned().unwrap_or_default();
    let place = |info: &Value| ids.iter().position(|id| info["trace_id"] == **id).unwrap();
    infos.iter().map(place).collect()
}

each_database!(a_recorded_trace_is_what_mlflow_expects);
async fn a_recorded_trace_is_what_mlflow_expects() {
    let server = TestServer::start().await;
    let root = chat(0, "chat");
    let child = Span::child_of(&root, "retry", root.start_ns, root.start_ns + 5).failed("upstream said 503");
    let trace = NewTrace::new(ExperimentId::DEFAULT, root)
        .span(child)
        .tag("endpoint", "chat")
        .session("s-1")
        .user("ada")
        .client_request_id("req-1");
    let id = trace.trace_id().to_string();
    server.tracking.store().record_traces(vec![trace]).await.unwrap();

    let info = get(&server, &format!("traces/{id}")).await.ok()["trace"]["trace_info"].clone();
    let expect = json!({
        "trace_id": id,
        "client_request_id": "req-1",
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
        "request_time": "2025-01-01T00:00:00Z",
        "execution_duration": "1.500s",
        "state": "OK",
        "trace_metadata": {
            "mlflow.trace.cost": r#"{"input_cost": 1.5e-06, "output_cost": 3e-06, "total_cost": 4.5e-06}"#,
            "mlflow.trace.session": "s-1",
            "mlflow.trace.tokenUsage": r#"{"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}"#,
            "mlflow.trace.user": "ada",
        },
        "tags": {
            "endpoint": "chat",
            "mlflow.artifactLocation": format!("mlflow-artifacts:/0/traces/{id}/artifacts"),
            "mlflow.trace.spansLocation": "TRACKING_STORE",
            "mlflow.traceName": "chat",
        },
        "request_preview": "hi",
        "response_preview": "héllo",
    });
    assert_eq!(info, expect);

    let trace = get(&server, &format!("traces/get?trace_id={id}")).await.ok()["trace"].clone();
    assert_eq!(trace["trace_info"], info);
    let [root, child] = trace["spans"].as_array().unwrap().as_slice() else { panic!("{trace}") };
    assert_eq!(root["start_time_unix_nano"], NEW_YEAR_NS);
    assert_eq!(root["end_time_unix_nano"], NEW_YEAR_NS + 1_500_000_000);
    assert_eq!(root["status"], json!({"code": "STATUS_CODE_OK"}));
    assert_eq!(root["parent_span_id"], Value::Null);
    let attribute = |key: &str| {
        let all = root["attributes"].as_array().unwrap();
        all.iter().find(|it| it["key"] == key).unwrap()["value"].clone()
    };
    assert_eq!(attribute("mlflow.traceRequestId"), json!({"string_value": id}));
    assert_eq!(attribute("mlflow.spanType"), json!({"string_value": "CHAT_MODEL"}));
    let usage = attribute("mlflow.chat.tokenUsage")["kvlist_value"]["values"].clone();
    assert_eq!(usage[2], json!({"key": "total_tokens", "value": {"int_value": 15}}));
    assert_eq!(child["parent_span_id"], root["span_id"]);
    assert_eq!(child["status"], json!({"message": "upstream said 503", "code": "STATUS_CODE_ERROR"}));

    let many = get(&server, &format!("traces/batchGet?trace_ids={id}&trace_ids=tr-none")).await.ok();
    assert_eq!(many, json!({"traces": [trace]}));
}

each_database!(many_traces_are_recorded_at_once_or_not_at_all);
async fn many_traces_are_recorded_at_once_or_not_at_all() {
    let server = TestServer::start().await;
    let store = server.tracking.store();
    store.record_traces((0..300).map(|second| recorded(second, "chat")).collect()).await.unwrap();
    store.record_traces(vec![]).await.unwrap();
    let page = async |token: Value| {
        let body = json!({
            "locations": [{"mlflow_experiment": {"experiment_id": "0"}}], "max_results": 200, "page_token": token
        });
        send(&server, "POST", "traces/search", body).await.ok()
    };
    let first = page(Value::Null).await;
    assert_eq!(first["traces"].as_array().unwrap().len(), 200);
    assert_eq!(first["traces"][0]["request_time"], "2025-01-01T00:04:59Z");
    let second = page(first["next_page_token"].clone()).await;
    assert_eq!(second["traces"].as_array().unwrap().len(), 100);
    assert_eq!(second["next_page_token"], Value::Null);

    let missing = NewTrace::new(ExperimentId(77), chat(0, "x"));
    let kept = recorded(1000, "kept");
    let id = kept.trace_id().to_string();
    let error = store.record_traces(vec![kept, missing]).await.unwrap_err().to_string();
    assert_eq!(error, "No Experiment with id=77 exists");
    get(&server, &format!("traces/{id}")).await.error(404, "RESOURCE_DOES_NOT_EXIST");
}

each_database!(traces_are_searched);
async fn traces_are_searched() {
    let server = TestServer::start().await;
    let run = server.run("0", "r", 1).await;
    let slow = Span { end_ns: Some(NEW_YEAR_NS + 9_000_000_000), ..chat(1, "slow") };
    let failed = chat(2, "failed").failed("boom").attribute("http.status", 503).attribute("team", "blue \"x\"");
    let traces = vec![
        recorded(0, "chat").tag("k", "v").metadata("m", "1").client_request_id("c-1"),
        NewTrace::new(ExperimentId::DEFAULT, slow).tag("k", "Vv").session("s"),
        NewTrace::new(ExperimentId::DEFAULT, failed).source_run(run.as_str()),
    ];
    let ids: Vec<String> = traces.iter().map(|it| it.trace_id().to_string()).collect();
    server.tracking.store().record_traces(traces).await.unwrap();
    let linked = json!({"trace_ids": [ids[0]], "run_id": run});
    server.post("traces/link-to-run", linked.clone()).await.ok();
    server.post("traces/link-to-run", linked).await.ok();

    let check = async |filter: &str, expect: &[usize]| {
        assert_eq!(found(&server, &ids, filter, &["timestamp ASC"]).await, expect, "{filter}");
    };
    check("", &[0, 1, 2]).await;
    check("trace.status = 'OK'", &[0, 1]).await;
    check("attributes.status IN ('ERROR', 'IN_PROGRESS')", &[2]).await;
    check("status != 'OK' AND name = 'failed'", &[2]).await;
    check("name LIKE '%a%'", &[0, 2]).await;
    check("name RLIKE '^(slow|chat)$'", &[0, 1]).await;
    check("timestamp_ms > 1735689600000", &[1, 2]).await;
    check("execution_time >= 8000", &[1]).await;
    check("end_time_ms <= 1735689601500", &[0]).await;
    check(&format!("request_id = '{}'", ids[1]), &[1]).await;
    check("client_request_id = 'c-1'", &[0]).await;
    check("tags.k = 'v'", &[0]).await;
    check("tags.k ILIKE 'v%'", &[0, 1]).await;
    check("tags.k LIKE 'v%'", &[0]).await;
    check("tag.k IS NULL", &[2]).await;
    check("tags.`mlflow.traceName` = 'slow'", &[1]).await;
    check("metadata.m = '1'", &[0]).await;
    check("metadata.m IS NOT NULL", &[0]).await;
    check("metadata.`mlflow.trace.session` = 's'", &[1]).await;
    check("metadata.`mlflow.trace.tokenUsage` IS NOT NULL", &[0, 1, 2]).await;
    let usage = r#"{"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}"#;
    check(&format!("metadata.`mlflow.trace.tokenUsage` = '{usage}'"), &[0, 1, 2]).await;
    check("metadata.`mlflow.trace.tokenUsage` = '{\"input_tokens\": 12}'", &[]).await;
    check(&format!("run_id = '{run}'"), &[0, 2]).await;
    check(&format!("metadata.mlflow.sourceRun = '{run}'"), &[0, 2]).await;
    check("span.name = 'slow' AND span.type = 'CHAT_MODEL'", &[1]).await;
    check("span.status = 'ERROR'", &[2]).await;
    check("span.attributes.http.status = '503'", &[2]).await;
    check("span.attributes.team = 'blue \"x\"'", &[2]).await;
    check("span.attributes.`mlflow.llm.model` LIKE 'smol%'", &[0, 1, 2]).await;
    check("span.attributes.team != 'red'", &[2]).await;
    check("span.attributes.`mlflow.llm.model` RLIKE '^smol.*2$'", &[0, 1, 2]).await;
    check("text LIKE '%héllo%'", &[0, 1, 2]).await;
    check("text LIKE '%boom%'", &[2]).await;

    assert_eq!(found(&server, &ids, "", &[]).await, [2, 1, 0]);
    assert_eq!(found(&server, &ids, "", &["execution_time DESC"]).await, [1, 2, 0]);
    // To MySQL `v` and `V` are equal, and then the latest start comes first.
    let by_tag = if crate::databases::kind() == crate::databases::Kind::MySql { [1, 0, 2] } else { [0, 1, 2] };
    assert_eq!(found(&server, &ids, "", &["tags.k DESC"]).await, by_tag);
    assert_eq!(found(&server, &ids, "", &["name"]).await, [0, 2, 1]);
    // A browser's address searches too.
    let answer = get(&server, "traces/search?experiment_ids=0&filter=tags.k%3D'v'&max_results=5").await.ok();
    assert_eq!(answer["traces"][0]["trace_id"], ids[0].as_str());
}

each_database!(a_search_that_makes_no_sense_is_refused);
async fn a_search_that_makes_no_sense_is_refused() {
    let server = TestServer::start().await;
    let check = async |body: Value, expect: &str| {
        let message = send(&server, "POST", "traces/search", body).await.refused();
        assert!(message.starts_with(expect), "{message}");
    };
    let at = json!([{"mlflow_experiment": {"experiment_id": "0"}}]);
    check(json!({}), "Missing value for required parameter 'locations'.").await;
    check(json!({"locations": [{"mlflow_experiment": {"experiment_id": "x"}}]}), "Invalid experiment ID 'x'.").await;
    check(json!({"locations": at, "filter": "foo = 'x'"}), "Invalid attribute key 'foo'").await;
    check(json!({"locations": at, "filter": "status = "}), "Invalid clause(s) in filter string").await;
    check(json!({"locations": at, "max_results": 501}), "Invalid value 501 for parameter 'max_results'").await;
    check(json!({"locations": at, "max_results": 0}), "Invalid value 0 for parameter 'max_results'").await;
    check(json!({"locations": at, "page_token": "%%"}), "Invalid page token").await;
    check(json!({"locations": at, "order_by": ["span.name"]}), "Invalid identifier type 'span'").await;
    check(json!({"locations": at, "filter": 7}), "Invalid value 7 for parameter 'filter'").await;
}

fn start_body(id: &str) -> Value {
    json!({"trace": {"trace_info": {
        "trace_id": id,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
        "request_time": "2025-01-01T00:00:00Z",
        "execution_duration": "1.5s",
        "state": "OK",
        "trace_metadata": {"mlflow.trace.session": "s1"},
        "tags": {"mlflow.traceName": "n"},
    }}})
}

/// The body that MLflow's documentation of `/v1/traces` shows, for one span.
fn otlp_body(trace_id: &str, parent: &str, attributes: &Value) -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "svc"}},
            {"key": "telemetry.sdk.name", "value": {"stringValue": "otel"}},
        ]},
        "scopeSpans": [{"spans": [{
            "traceId": trace_id, "spanId": "0123456789abcdef", "parentSpanId": parent, "name": "root",
            "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000",
            "attributes": attributes,
        }]}],
    }]})
}

async fn export(server: &TestServer, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::post("/v1/traces");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(body.into()).unwrap()).await
}

const JSON_HEADERS: &[(&str, &str)] = &[("content-type", "application/json"), ("x-mlflow-experiment-id", "0")];

each_database!(a_started_trace_answers_as_mlflow_does);
async fn a_started_trace_answers_as_mlflow_does() {
    let server = TestServer::start().await;
    let id = "tr-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let answer = send(&server, "POST", "traces", start_body(id)).await.ok();
    let expect = json!({"trace": {"trace_info": {
        "trace_id": id,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
        "request_time": "2025-01-01T00:00:00Z",
        "execution_duration": "1.500s",
        "state": "OK",
        "trace_metadata": {"mlflow.trace.infoFinalized": "true", "mlflow.trace.session": "s1"},
        "tags": {
            "mlflow.artifactLocation": format!("mlflow-artifacts:/0/traces/{id}/artifacts"),
            "mlflow.traceName": "n",
        },
    }}});
    assert_eq!(answer, expect);
    assert_eq!(get(&server, &format!("traces/{id}")).await.ok(), expect);
    let message = get(&server, &format!("traces/get?trace_id={id}&allow_partial=true")).await;
    assert!(message.error(400, "INVALID_STATE").starts_with("Trace data not stored in tracking store"));

    let check = async |change: fn(&mut Value), expect: &str| {
        let mut body = start_body(id);
        change(&mut body["trace"]["trace_info"]);
        let message = send(&server, "POST", "traces", body).await.refused();
        assert!(message.starts_with(expect), "{message}");
    };
    check(|it| it["trace_id"] = json!("a/b"), "Invalid trace ID 'a/b'.").await;
    check(|it| it["request_time"] = json!("now"), "Invalid value \"now\" for 'request_time'").await;
    check(|it| it["execution_duration"] = json!("1"), "Invalid value \"1\" for 'execution_duration'").await;
    check(|it| it["state"] = json!("GOOD"), "Invalid value \"GOOD\" for parameter 'trace.trace_info.state'").await;
    check(|it| it["trace_location"] = Value::Null, "Missing value for required parameter").await;
    check(|it| it["tags"] = json!([1]), "Invalid value [1] for parameter 'tags'").await;
    let mut body = start_body(id);
    body["trace"]["trace_info"]["trace_location"]["mlflow_experiment"]["experiment_id"] = json!("77");
    send(&server, "POST", "traces", body).await.error(404, "RESOURCE_DOES_NOT_EXIST");
}

each_database!(spans_of_any_exporter_become_a_trace);
async fn spans_of_any_exporter_become_a_trace() {
    let server = TestServer::start().await;
    let attributes = json!([
        {"key": "gen_ai.conversation.id", "value": {"stringValue": "c1"}},
        {"key": "user.id", "value": {"stringValue": "ada"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "3"}},
        {"key": "mlflow.spanInputs", "value": {"stringValue": "{\"q\": 1}"}},
        {"key": "mlflow.traceTag.team", "value": {"stringValue": "blue"}},
    ]);
    let body = otlp_body("0123456789abcdef0123456789abcdef", "", &attributes);
    let answer = export(&server, JSON_HEADERS, body.to_string()).await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, json!("")));

    let id = "tr-0123456789abcdef0123456789abcdef";
    let trace = get(&server, &format!("traces/get?trace_id={id}")).await.ok()["trace"].clone();
    let info = &trace["trace_info"];
    assert_eq!(info["request_time"], "2023-11-14T22:13:20Z");
    assert_eq!(info["execution_duration"], "1s");
    assert_eq!(info["state"], "OK");
    assert_eq!(info["request_preview"], r#"{"q": 1}"#);
    assert_eq!(
        info["trace_metadata"],
        json!({
            "mlflow.trace.session": "c1",
            "mlflow.trace.tokenUsage": r#"{"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}"#,
            "mlflow.trace.user": "ada",
        })
    );
    assert_eq!(
        info["tags"],
        json!({
            "mlflow.artifactLocation": format!("mlflow-artifacts:/0/traces/{id}/artifacts"),
            "mlflow.trace.spansLocation": "TRACKING_STORE",
            "service.name": "svc",
            "team": "blue",
        })
    );
    let span = &trace["spans"][0];
    assert_eq!(span["trace_id"], "ASNFZ4mrze8BI0VniavN7w==");
    assert_eq!(span["span_id"], "ASNFZ4mrze8=");
    assert_eq!(span["attributes"][0], json!({"key": "mlflow.traceRequestId", "value": {"string_value": id}}));
    assert_eq!(span["status"], json!({}));
}

each_database!(spans_and_info_may_come_in_either_order);
async fn spans_and_info_may_come_in_either_order() {
    let server = TestServer::start().await;
    for (hex, spans_first) in [("0123456789abcdef0123456789abcdef", true), ("1123456789abcdef0123456789abcdef", false)]
    {
        let id = format!("tr-{hex}");
        let usage = json!([{"key": "mlflow.chat.tokenUsage", "value": {"stringValue": "{\"input_tokens\": 1}"}}]);
        let spans = otlp_body(hex, "", &usage).to_string();
        if spans_first {
            assert_eq!(export(&server, JSON_HEADERS, spans.clone()).await.status, StatusCode::OK);
            send(&server, "POST", "traces", start_body(&id)).await.ok();
        } else {
            send(&server, "POST", "traces", start_body(&id)).await.ok();
            assert_eq!(export(&server, JSON_HEADERS, spans.clone()).await.status, StatusCode::OK);
        }
        // An exporter that is not sure sends again; nothing is counted twice.
        assert_eq!(export(&server, JSON_HEADERS, spans).await.status, StatusCode::OK);
        let trace = get(&server, &format!("traces/get?trace_id={id}")).await.ok()["trace"].clone();
        let info = &trace["trace_info"];
        assert_eq!(info["request_time"], "2025-01-01T00:00:00Z", "{id}");
        assert_eq!(info["execution_duration"], "1.500s");
        assert_eq!(info["trace_metadata"]["mlflow.trace.session"], "s1");
        let usage = r#"{"input_tokens": 1, "output_tokens": 0, "total_tokens": 0}"#;
        assert_eq!(info["trace_metadata"]["mlflow.trace.tokenUsage"], usage);
        assert_eq!(info["tags"]["mlflow.traceName"], "n");
        assert_eq!(trace["spans"].as_array().unwrap().len(), 1);
    }
}

each_database!(a_trace_is_open_until_its_root_has_ended);
async fn a_trace_is_open_until_its_root_has_ended() {
    let server = TestServer::start().await;
    let hex = "2123456789abcdef0123456789abcdef";
    let child = otlp_body(hex, "00000000000000ff", &json!([]));
    export(&server, JSON_HEADERS, child.to_string()).await;
    let state = async || get(&server, &format!("traces/tr-{hex}")).await.ok()["trace"]["trace_info"]["state"].clone();
    assert_eq!(state().await, "IN_PROGRESS");
    let mut root = otlp_body(hex, "", &json!([]));
    let span = &mut root["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    span["spanId"] = json!("00000000000000ff");
    span["status"] = json!({"code": "STATUS_CODE_ERROR", "message": "boom"});
    export(&server, JSON_HEADERS, root.to_string()).await;
    assert_eq!(state().await, "ERROR");
}

each_database!(exports_may_be_packed_and_name_a_run);
async fn exports_may_be_packed_and_name_a_run() {
    let server = TestServer::start().await;
    let run = server.run("0", "r", 1).await;
    let pack = |level: u8, hex: &str| {
        let body = otlp_body(hex, "", &json!([])).to_string();
        if level == 0 {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(body.as_bytes()).unwrap();
            packer.finish().unwrap()
        } else {
            let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(body.as_bytes()).unwrap();
            packer.finish().unwrap()
        }
    };
    for (level, packing) in [(0, "gzip"), (1, "deflate")] {
        let hex = format!("{level}323456789abcdef0123456789abcdef");
        let hex = &hex[..32];
        let headers = [JSON_HEADERS, &[(CONTENT_ENCODING.as_str(), packing), ("x-mlflow-run-id", &run)]].concat();
        assert_eq!(export(&server, &headers, pack(level, hex)).await.status, StatusCode::OK, "{packing}");
        let id = format!("tr-{hex}");
        assert_eq!(
            found(&server, std::slice::from_ref(&id), &format!("run_id = '{run}' AND request_id = '{id}'"), &[]).await,
            [0]
        );
    }
}

each_database!(exports_that_cannot_be_kept_are_refused);
async fn exports_that_cannot_be_kept_are_refused() {
    let server = TestServer::start().await;
    let check = async |headers: &[(&str, &str)], body: &str, status: u16, expect: Value| {
        let answer = export(&server, headers, body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), &answer.body["detail"]), (status, &expect), "{body}");
    };
    let missing = json!([
        {"type": "missing", "loc": ["header", "x-mlflow-experiment-id"], "msg": "Field required", "input": null}
    ]);
    check(&[("content-type", "application/x-protobuf")], "", 422, missing).await;
    let at = ("x-mlflow-experiment-id", "0");
    check(
        &[("content-type", "text/plain"), at],
        "x",
        400,
        json!("Invalid Content-Type: text/plain. Expected: application/x-protobuf or application/json"),
    )
    .await;
    let empty = json!("Invalid OpenTelemetry format - no spans found");
    check(&[("content-type", "application/x-protobuf"), at], "", 400, empty.clone()).await;
    check(&[("content-type", "application/json; charset=utf-8"), at], "{}", 400, empty).await;
    let no_id = otlp_body("", "", &json!([])).to_string();
    let detail = "Cannot convert OpenTelemetry span to MLflow span: span `root` has no valid trace_id of 16 bytes";
    check(JSON_HEADERS, &no_id, 422, json!(detail)).await;
    let answer = export(&server, JSON_HEADERS, "{").await;
    assert!(answer.body["detail"].as_str().unwrap().starts_with("Invalid OpenTelemetry format: "));
    let headers = [JSON_HEADERS, &[("content-encoding", "gzip")]].concat();
    let answer = export(&server, &headers, "{}").await;
    assert!(answer.body["detail"].as_str().unwrap().starts_with("Failed to decompress gzip payload"));
    let headers = [JSON_HEADERS, &[("content-encoding", "br")]].concat();
    let answer = export(&server, &headers, "{}").await;
    assert!(answer.body["detail"].as_str().unwrap().starts_with("Unsupported Content-Encoding: br"));

    let body = otlp_body("0123456789abcdef0123456789abcdef", "", &json!([])).to_string();
    let nowhere = [("content-type", "application/json"), ("x-mlflow-experiment-id", "77")];
    export(&server, &nowhere, body).await.error(404, "RESOURCE_DOES_NOT_EXIST");
    get(&server, "traces/tr-0123456789abcdef0123456789abcdef").await.error(404, "RESOURCE_DOES_NOT_EXIST");
}

each_database!(a_small_packed_body_cannot_fill_the_memory);
async fn a_small_packed_body_cannot_fill_the_memory() {
    let server = TestServer::start().await;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..40 {
        packer.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let headers = [JSON_HEADERS, &[("content-encoding", "gzip")]].concat();
    let answer = export(&server, &headers, packer.finish().unwrap()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body["detail"].as_str().unwrap().contains("bytes when unpacked"), "{}", answer.body);
}

each_database!(exports_are_taken_up_to_their_limit);
async fn exports_are_taken_up_to_their_limit() {
    let server = TestServer::start().await;
    let send = async |count: usize| {
        let mut body = otlp_body("0123456789abcdef0123456789abcdef", "", &json!([]));
        let span = body["resourceSpans"][0]["scopeSpans"][0]["spans"][0].take();
        let spans = (1..=count).map(|place| {
            let mut span = span.clone();
            span["traceId"] = json!(format!("{place:032x}"));
            span
        });
        body["resourceSpans"][0]["scopeSpans"][0]["spans"] = spans.collect();
        export(&server, JSON_HEADERS, body.to_string()).await
    };
    assert_eq!(send(16_384).await.status, StatusCode::OK);
    let refused = send(16_385).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.body["detail"].as_str().unwrap().starts_with("16385 spans in one export; at most 16384"));
    get(&server, &format!("traces/tr-{:032x}", 16_384)).await.ok();
    get(&server, &format!("traces/tr-{:032x}", 16_385)).await.error(404, "RESOURCE_DOES_NOT_EXIST");
}

each_database!(tags_of_traces);
async fn tags_of_traces() {
    let server = TestServer::start().await;
    let trace = recorded(0, "chat").tag("k", "v");
    let id = trace.trace_id().to_string();
    server.tracking.store().record_traces(vec![trace]).await.unwrap();
    let tags = format!("traces/{id}/tags");
    let tag = async |key: &str| {
        let info = get(&server, &format!("traces/{id}")).await.ok();
        info["trace"]["trace_info"]["tags"][key].clone()
    };
    send(&server, "PATCH", &tags, json!({"key": "k", "value": "w"})).await.ok();
    send(&server, "PATCH", &tags, json!({"key": "mlflow.traceName", "value": "renamed"})).await.ok();
    assert_eq!((tag("k").await, tag("mlflow.traceName").await), (json!("w"), json!("renamed")));
    send(&server, "DELETE", &tags, json!({"key": "k"})).await.ok();
    assert_eq!(tag("k").await, Value::Null);
    let message = send(&server, "DELETE", &tags, json!({"key": "k"})).await.error(404, "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(message, format!("No trace tag with key 'k' for trace with ID '{id}'"));
    for method in ["PATCH", "DELETE"] {
        let body = json!({"key": "mlflow.trace.spansLocation", "value": "x"});
        let message = send(&server, method, &tags, body).await.refused();
        assert!(message.starts_with("Tag 'mlflow.trace.spansLocation' is immutable"), "{message}");
    }
    let body = json!({"key": "k", "value": "v"});
    let message = send(&server, "PATCH", "traces/tr-none/tags", body).await.error(404, "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(message, "Trace with ID 'tr-none' not found.");
    send(&server, "PATCH", &tags, json!({"key": "a?b", "value": "v"})).await.refused();
}

each_database!(traces_are_deleted_by_age_or_by_id);
async fn traces_are_deleted_by_age_or_by_id() {
    let server = TestServer::start().await;
    let traces: Vec<NewTrace> = (0..4).map(|second| recorded(second, "chat")).collect();
    let ids: Vec<String> = traces.iter().map(|it| it.trace_id().to_string()).collect();
    server.tracking.store().record_traces(traces).await.unwrap();
    let delete = async |body: Value| server.post("traces/delete-traces", body).await;
    let answer = delete(json!({"experiment_id": "0", "request_ids": [ids[3], "tr-none"]})).await.ok();
    assert_eq!(answer, json!({"traces_deleted": 1}));
    let answer = delete(json!({"experiment_id": "0", "max_timestamp_millis": 1_735_689_602_000_i64, "max_traces": 2}));
    assert_eq!(answer.await.ok(), json!({"traces_deleted": 2}));
    assert_eq!(found(&server, &ids, "", &[]).await, [2]);
    let spans: Value = get(&server, &format!("traces/batchGet?trace_ids={}&trace_ids={}", ids[0], ids[2])).await.ok();
    assert_eq!(spans["traces"].as_array().unwrap().len(), 1);
    let both = "Either `max_timestamp_millis` or `trace_ids` must be specified, but not both.";
    assert_eq!(delete(json!({"experiment_id": "0"})).await.refused(), both);
    let body = json!({"experiment_id": "0", "request_ids": ["a"], "max_timestamp_millis": 1});
    assert_eq!(delete(body).await.refused(), both);
    delete(json!({"experiment_id": "0", "max_timestamp_millis": 1, "max_traces": 0})).await.refused();
}

each_database!(assessments_are_made_changed_overridden_and_deleted);
async fn assessments_are_made_changed_overridden_and_deleted() {
    let server = TestServer::start().await;
    let trace = recorded(0, "chat").session("s");
    let sibling = recorded(1, "chat").session("s");
    let ids = [trace.trace_id().to_string(), sibling.trace_id().to_string()];
    server.tracking.store().record_traces(vec![trace, sibling]).await.unwrap();
    let path = format!("traces/{}/assessments", ids[0]);
    let source = json!({"source_type": "HUMAN", "source_id": "u"});
    let create = async |extra: Value| {
        let mut body = json!({"assessment_name": "q", "source": source, "create_time": "2025-01-01T00:00:00Z"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        send(&server, "POST", &path, json!({"assessment": body})).await
    };
    let made = create(json!({"feedback": {"value": true}, "rationale": "why"})).await.ok()["assessment"].clone();
    let id = made["assessment_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("a-") && id.len() == 34);
    let expect = json!({
        "assessment_id": id, "assessment_name": "q", "trace_id": ids[0], "source": source,
        "create_time": "2025-01-01T00:00:00Z", "last_update_time": "2025-01-01T00:00:00Z",
        "feedback": {"value": true}, "rationale": "why", "valid": true,
    });
    assert_eq!(made, expect);
    assert_eq!(get(&server, &format!("{path}/{id}")).await.ok(), json!({"assessment": expect}));
    let info = get(&server, &format!("traces/{}", ids[0])).await.ok();
    assert_eq!(info["trace"]["trace_info"]["assessments"], json!([expect]));

    let patch = json!({
        "assessment": {"assessment_name": "r", "feedback": {"value": 0.5}, "metadata": {"a": "1"}},
        "update_mask": "feedback,metadata",
    });
    let changed = send(&server, "PATCH", &format!("{path}/{id}"), patch).await.ok()["assessment"].clone();
    assert_eq!((&changed["feedback"]["value"], &changed["assessment_name"]), (&json!(0.5), &json!("q")));
    assert_eq!(changed["metadata"], json!({"a": "1"}));
    let patch = json!({"assessment": {"expectation": {"value": 1}}, "update_mask": "expectation"});
    let message = send(&server, "PATCH", &format!("{path}/{id}"), patch).await.refused();
    assert_eq!(message, "Cannot update expectation value on a Feedback assessment.");

    let newer = create(json!({"feedback": {"value": "yes"}, "overrides": id})).await.ok()["assessment"].clone();
    assert_eq!(get(&server, &format!("{path}/{id}")).await.ok()["assessment"]["valid"], false);
    let check = async |filter: &str, expect: &[usize]| {
        assert_eq!(found(&server, &ids, filter, &["timestamp"]).await, expect, "{filter}");
    };
    check("feedback.q = 'yes'", &[0]).await;
    check("feedback.q > 0.1", &[]).await;
    check("feedback.q IS NULL", &[1]).await;
    let newer = newer["assessment_id"].as_str().unwrap().to_owned();
    send(&server, "DELETE", &format!("{path}/{newer}"), json!({})).await.ok();
    send(&server, "DELETE", &format!("{path}/{newer}"), json!({})).await.ok();
    check("feedback.q > 0.1", &[0]).await;
    check("feedback.q >= 0.6", &[]).await;
    check("feedback.q IS NOT NULL AND tags.`mlflow.traceName` = 'chat'", &[0]).await;

    // What is said of a conversation is said of each of its traces.
    create(
        json!({"assessment_name": "tone", "feedback": {"value": "kind"}, "metadata": {"mlflow.trace.session": "s"}}),
    )
    .await
    .ok();
    check("feedback.tone = 'kind'", &[0, 1]).await;
    check("feedback.tone != 'rude'", &[0, 1]).await;
    check("feedback.tone IS NULL", &[]).await;

    let serialized = json!({"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[1, 2]"}});
    let made = create(json!({"assessment_name": "truth", "expectation": serialized})).await.ok();
    assert_eq!(made["assessment"]["expectation"], serialized);
    check("expectation.truth LIKE '%1%'", &[0]).await;

    create(json!({})).await.refused();
    create(json!({"feedback": {}, "expectation": {}})).await.refused();
    create(json!({"feedback": {"value": 1}, "source": {"source_type": "GHOST"}})).await.refused();
    create(json!({"feedback": {"value": 1}, "overrides": "a-none"})).await.error(404, "RESOURCE_DOES_NOT_EXIST");
    let body = json!({"assessment": {"assessment_name": "q", "source": source, "feedback": {"value": 1}}});
    let message = send(&server, "POST", "traces/tr-none/assessments", body).await.error(404, "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(message, "Trace with ID 'tr-none' not found.");
    get(&server, &format!("{path}/a-none")).await.error(404, "RESOURCE_DOES_NOT_EXIST");
}

each_database!(the_spans_are_a_file_too);
async fn the_spans_are_a_file_too() {
    let server = TestServer::start().await;
    let trace = recorded(0, "chat");
    let id = trace.trace_id().to_string();
    server.tracking.store().record_traces(vec![trace]).await.unwrap();
    let file = server.get_at(&format!("/ajax-api/3.0/mlflow/get-trace-artifact?request_id={id}")).await.ok();
    assert_eq!(file["spans"][0]["name"], "chat");
    assert_eq!(file["spans"][0]["attributes"]["mlflow.spanType"], "\"CHAT_MODEL\"");
    let uri = format!("/ajax-api/2.0/mlflow/get-trace-artifact?request_id={id}&path=img.png");
    server.get_at(&uri).await.error(404, "RESOURCE_DOES_NOT_EXIST");
    let uri = format!("/ajax-api/2.0/mlflow/get-trace-artifact?request_id={id}&path=..%2f..%2fx");
    assert!(server.get_at(&uri).await.refused().starts_with("Invalid path"));
    server.get_at("/ajax-api/2.0/mlflow/get-trace-artifact").await.refused();
}
