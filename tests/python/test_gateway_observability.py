"""Metrics, traces, log lines and explanations, read with Prometheus' own parser and OpenTelemetry's own messages."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest
import requests
from mock_upstream import KEY, USAGE, MockUpstream
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import tidegate
from conftest import mocked_config


class Collector:
    """Takes spans as an OpenTelemetry collector does; `exports` holds the requests with their heads."""

    def __init__(self) -> None:
        self.exports: list[tuple[str, dict[str, str], ExportTraceServiceRequest]] = []
        self.served = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (CollectorHandler,), {"collector": self}))
        self.url = f"http://127.0.0.1:{self.served.server_port}"
        threading.Thread(target=self.served.serve_forever, daemon=True).start()

    def spans(self) -> list:
        return [
            span
            for _, _, export in self.exports
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class CollectorHandler(BaseHTTPRequestHandler):
    collector: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        export = ExportTraceServiceRequest.FromString(body)
        self.collector.exports.append((self.path, {key.lower(): it for key, it in self.headers.items()}, export))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.served.shutdown()


@pytest.fixture
def watched(tmp_path, collector):
    """A server of its own, so that what it counts is what this test did."""
    upstream = MockUpstream()
    env = {
        "MOCK_KEY": KEY,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b",
        "OTEL_SERVICE_NAME": "watched",
    }
    with tidegate.serve(tmp_path, gateway_config=mocked_config(tmp_path, upstream), env=env) as server:
        server.upstream = upstream
        yield server
    upstream.close()


def ask(server, model: str, query: str = "", headers: dict[str, str] | None = None, **more) -> requests.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "a private question"}]} | more
    return requests.post(f"{server.url}/v1/chat/completions{query}", json=body, headers=headers, timeout=60)


def samples(server) -> dict[tuple[str, frozenset], float]:
    answer = requests.get(f"{server.url}/metrics", timeout=60)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = text_string_to_metric_families(answer.text)
    return {(it.name, frozenset(it.labels.items())): it.value for family in families for it in family.samples}


def attributes(span) -> dict:
    values = {it.key: it.value for it in span.attributes}
    return {key: getattr(it, it.WhichOneof("value")) for key, it in values.items()}


def test_prometheus_reads_what_was_called(watched):
    for model, status in (("mock", 200), ("mock", 200), ("upstream-limited", 429)):
        assert ask(watched, model).status_code == status
    assert ask(watched, "mock", stream=True).text.endswith("data: [DONE]\n\n")
    for status in (200, 200, 429):
        assert ask(watched, "two-a-day").status_code == status
    found = samples(watched)

    def value(name: str, /, **labels: str) -> float:
        return found[(name, frozenset(labels.items()))]

    mock = {
        "endpoint": "mock",
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "openai",
        "gen_ai_request_model": "mock-1",
    }
    assert value("gen_ai_client_operation_duration_seconds_count", **mock, error_type="") == 3
    tokens = {"input": USAGE["prompt_tokens"], "output": USAGE["completion_tokens"]}
    for what, count in tokens.items():
        assert value("gen_ai_client_token_usage_sum", **mock, gen_ai_token_type=what) == 3 * count
        assert value("tidegate_tokens_total", **mock, type=what) == 3 * count
    assert value("gen_ai_server_time_to_first_token_seconds_count", **mock) == 1
    assert value("tidegate_calls_refused_total", name="two-a-day", status="429") == 1
    assert value("tidegate_attempts_total", endpoint="upstream-limited", status="429") >= 1
    assert value("tidegate_breaker_state", endpoint="mock", state="closed") == 1
    assert value("tidegate_calls_in_flight") == 0
    route = {"http_request_method": "POST", "http_route": "/v1/chat/completions"}
    assert value("http_server_request_duration_seconds_count", **route, http_response_status_code="200") == 5


def test_spans_reach_a_collector_within_the_callers_trace(watched, collector):
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    assert ask(watched, "mock", headers={"traceparent": f"00-{trace_id}-{span_id}-01"}).status_code == 200
    assert ask(watched, "mock", headers={"traceparent": f"00-{trace_id}-{span_id}-00"}).status_code == 200
    root, model = tidegate.eventually(collector.spans)
    path, head, export = collector.exports[0]
    assert (path, head["x-tenant"], head["content-type"]) == ("/v1/traces", "a b", "application/x-protobuf")
    assert attributes(export.resource_spans[0].resource) == {"service.name": "watched"}
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (trace_id, span_id)
    assert (root.name, root.kind, model.name, model.kind) == ("gateway/mock", 2, "chat mock-1", 3)
    assert (model.trace_id, model.parent_span_id) == (root.trace_id, root.span_id)
    assert root.start_time_unix_nano <= model.start_time_unix_nano < model.end_time_unix_nano
    told = attributes(model)
    assert told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.usage.input_tokens"] == USAGE["prompt_tokens"]
    assert b"a private question" not in export.SerializeToString()


def test_mlflow_finds_the_callers_trace_beside_the_calls(watched):
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    assert ask(watched, "mock", headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}).status_code == 200
    mlflow.set_tracking_uri(watched.url)
    experiment = tidegate.eventually(lambda: mlflow.get_experiment_by_name("gateway/mock"))
    search = lambda: mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")  # noqa: E731
    (trace,) = tidegate.eventually(search)
    assert trace.info.trace_metadata["mlflow.gateway.linkedTraceId"] == f"tr-{trace_id}"
    root, model = trace.data.spans
    assert (root.name, model.name, model.parent_id) == ("gateway/mock", "provider/openai/mock-1", root.span_id)
    assert trace.info.token_usage["total_tokens"] == USAGE["total_tokens"]


def test_an_explanation_asks_nobody(watched):
    told = ask(watched, "claude", "?explain=true", seed=7).json()
    assert watched.upstream.requests == []
    (candidate,) = told["candidates"]
    assert candidate["request"]["url"] == f"{watched.upstream.url}/v1/messages"
    assert [it["field"] for it in candidate["losses"]] == ["seed"]
    assert KEY not in json.dumps(told)
    assert ask(watched, "claude", seed=7).status_code == 200
    ((_, _, sent),) = watched.upstream.requests
    assert candidate["request"]["body"] == sent


def test_what_is_redacted_is_in_no_trace_and_no_line(tmp_path):
    """By a server's database and its log, of a whole answer, a stream and a failure."""
    upstream = MockUpstream()
    config = mocked_config(tmp_path, upstream)
    record = {"log_bodies": "full", "redact": {"patterns": [{"name": "private", "regex": "a private [a-z]+"}]}}
    config.write_text(config.read_text() + f"\nrecord: {json.dumps(record)}\n")
    env = {"MOCK_KEY": KEY, "TIDEGATE_LOG": "info,calls=info", "TIDEGATE_LOG_FORMAT": "json"}
    with tidegate.serve(tmp_path, gateway_config=config, env=env) as server:
        for more in ({}, {"stream": True}):
            assert ask(server, "mock", **more).status_code == 200
        assert ask(server, "upstream-limited").status_code == 429
        mlflow.set_tracking_uri(server.url)
        names = ["gateway/mock", "gateway/upstream-limited"]
        kept = lambda: [it for name in names if (it := mlflow.get_experiment_by_name(name))]  # noqa: E731
        found = tidegate.eventually(lambda: len(kept()) == 2 and kept())
        ids = [it.experiment_id for it in found]
        search = lambda: mlflow.search_traces(locations=ids, return_type="list")  # noqa: E731
        traces = tidegate.eventually(lambda: len(search()) == 3 and search())
        for trace in traces:
            assert "[PRIVATE]" in trace.to_json() and "a private question" not in trace.to_json()
        lines = [json.loads(it) for it in server.log.splitlines() if it.startswith("{")]
        lines = [it for it in lines if it.get("target") == "calls"]
        assert [it["status"] for it in lines] == [200, 200, 429]
        for line in lines:
            assert json.loads(line["request"])["messages"][0]["content"] == "[PRIVATE]"
        assert json.loads(lines[0]["response"])["choices"] and json.loads(lines[1]["response"])["choices"]
        assert "a private question" not in server.log
    upstream.close()


def test_a_sample_of_nothing_leaves_the_failures_and_all_counts(tmp_path):
    upstream = MockUpstream()
    config = mocked_config(tmp_path, upstream)
    config.write_text(config.read_text() + "\nrecord: {sample: 0, bodies: none}\n")
    with tidegate.serve(tmp_path, gateway_config=config, env={"MOCK_KEY": KEY}) as server:
        assert [ask(server, it).status_code for it in ("mock", "mock", "upstream-limited")] == [200, 200, 429]
        mlflow.set_tracking_uri(server.url)
        failed = tidegate.eventually(lambda: mlflow.get_experiment_by_name("gateway/upstream-limited"))
        search = lambda: mlflow.search_traces(locations=[failed.experiment_id], return_type="list")  # noqa: E731
        (trace,) = tidegate.eventually(search)
        assert trace.data.spans[0].inputs is None and trace.data.spans[0].outputs is None
        # Records are written in the order of their calls, so that those before would be there.
        assert mlflow.get_experiment_by_name("gateway/mock") is None
        counted = [value for (name, labels), value in samples(server).items()
                   if name == "tidegate_attempts_total" and ("endpoint", "mock") in labels]
        assert counted == [2]
    upstream.close()
