"""Traces answer as MLflow's server does, as far as they are served: spans over OTLP, reading, search, tags, assessments."""

from __future__ import annotations

import itertools
import uuid

import pytest
from compare import Both, Pair

NAMES = itertools.count()
PAST = 1_700_000_000_000
V3 = "/api/3.0/mlflow/traces"


@pytest.fixture
def experiment(pair) -> Both:
    return pair.post("experiments/create", {"name": f"traces {next(NAMES)}"})["experiment_id"]


def spans(trace: str, at: int = 0, **more) -> dict:
    def span(number: int, parent: str, name: str, **attributes: str) -> dict:
        return {
            "traceId": trace,
            "spanId": f"{number:016x}",
            "parentSpanId": parent,
            "name": name,
            "startTimeUnixNano": str((PAST + at + number) * 1_000_000),
            "endTimeUnixNano": str((PAST + at + 100 - number) * 1_000_000),
            "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
            "status": {"code": 1},
        }

    root = {"mlflow.spanInputs": '{"question": "ünï 🌊"}', "mlflow.spanOutputs": '"tide"', "mlflow.spanType": '"CHAIN"'}
    found = [span(1, "", f"root {at}", **root, **more), span(2, f"{1:016x}", "child", **{"mlflow.spanType": '"LLM"'})]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "tide"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "t"}, "spans": found}]}]}


def send(pair: Pair, experiment: Both, body: dict) -> None:
    """Sends spans to each side's own experiment."""
    for side in pair.sides:
        answer = side.session.post(
            f"{side.url}/v1/traces",
            json=body,
            headers={"x-mlflow-experiment-id": getattr(experiment, side.name)},
            timeout=60,
        )
        assert (answer.status_code, answer.content) == (200, b""), f"{side.name}: {answer.text}"


def test_spans(pair: Pair, experiment):
    trace = uuid.uuid4().hex
    send(pair, experiment, spans(trace, **{"session.id": "s 1", "user.id": "ada"}))
    pair.get(f"{V3}/tr-{trace}")
    pair.get(f"{V3}/get", trace_id=f"tr-{trace}")
    pair.get(f"{V3}/batchGet", trace_ids=[f"tr-{trace}"])
    pair.post(f"{V3}/batchGetInfos", {"trace_ids": [f"tr-{trace}"]})
    pair.get(f"{V3}/tr-{'0' * 32}")
    pair.get(f"{V3}/batchGet", trace_ids=[f"tr-{'0' * 32}"])


@pytest.mark.parametrize("kind_of_body", ["text/plain", None])
def test_spans_refused(pair: Pair, kind_of_body):
    headers = {"x-mlflow-experiment-id": "0"} | ({"content-type": kind_of_body} if kind_of_body else {})
    pair.call("POST", "/v1/traces", data="{}", headers=headers)
    pair.call("POST", "/v1/traces", {"resourceSpans": []}, headers={"x-mlflow-experiment-id": "0"})


def test_tags_and_search(pair: Pair, experiment):
    ids = [uuid.uuid4().hex for _ in range(3)]
    for number, trace in enumerate(ids):
        send(pair, experiment, spans(trace, at=number * 1000))
    first = f"tr-{ids[0]}"
    pair.call("PATCH", f"{V3}/{first}/tags", {"key": "mood", "value": "calm 🌊"})
    pair.call("PATCH", f"/api/2.0/mlflow/traces/{first}/tags", {"key": "other", "value": "x"})
    pair.get(f"{V3}/{first}")
    pair.call("DELETE", f"{V3}/{first}/tags", {"key": "other"})
    pair.call("DELETE", f"{V3}/{first}/tags", {"key": "none"})
    pair.get(f"{V3}/{first}")
    place = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}]

    def search(**body):
        pair.post(f"{V3}/search", {"locations": place} | body)

    search()
    search(max_results=2)
    search(order_by=["timestamp ASC"])
    for text in [
        "tags.mood = 'calm 🌊'",
        "tag.mood LIKE 'calm%'",
        "attributes.status = 'OK'",
        "trace.status = 'ERROR'",
        f"timestamp_ms > {PAST + 500}",
        "attributes.name = 'root 0'",
        "span.name = 'child'",
        "span.type = 'none'",
        "status > 'OK'",
    ]:
        search(filter=text)
    for body, says in [
        ({"max_results": 0}, "max_results"),
        ({"max_results": 501}, "max_results"),
        ({"filter": "nonsense.x = 'y'"}, "Invalid entity type 'nonsense'"),
    ]:
        pair.nonsense("POST", f"{V3}/search", {"locations": place} | body, says=says)
    pair.post("traces/delete-traces", {"experiment_id": experiment, "request_ids": [first]})
    pair.get(f"{V3}/{first}")
    search()


def test_assessments(pair: Pair, experiment):
    trace = uuid.uuid4().hex
    send(pair, experiment, spans(trace))
    path = f"{V3}/tr-{trace}/assessments"
    feedback = {
        "assessment_name": "clear",
        "source": {"source_type": "HUMAN", "source_id": "ada"},
        "feedback": {"value": True},
        "rationale": "ünï",
        "create_time": "2024-01-01T00:00:00Z",
        "last_update_time": "2024-01-01T00:00:00Z",
    }
    made = pair.post(path, {"assessment": feedback})["assessment"]["assessment_id"]
    pair.get(f"{path}/{made}")
    pair.get(f"{V3}/tr-{trace}")
    pair.call("DELETE", f"{path}/{made}", {})
    pair.get(f"{path}/{made}")
    pair.post(f"{V3}/tr-{'0' * 32}/assessments", {"assessment": feedback})
