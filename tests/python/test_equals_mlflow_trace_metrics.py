"""Questions about many traces at once are answered as MLflow answers them: each number, aggregation, group and filter."""

from __future__ import annotations

import uuid

import pytest
from compare import Both, Pair
from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
from test_equals_mlflow_traces import PAST, V3, send

DAY_S = 86_400
NUMBERS = ("latency", "input_tokens", "output_tokens", "total_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
ALL = [{"aggregation_type": kind} for kind in ("AVG", "MIN", "MAX")] + [
    {"aggregation_type": "PERCENTILE", "percentile_value": share} for share in (0, 50, 90, 99.5, 100)
]
SUM = {"aggregation_type": "SUM"}
COUNT = [{"aggregation_type": "COUNT"}]


def value(it) -> dict:
    return {"stringValue": it} if isinstance(it, str) else {"doubleValue": it}


def trace(number: int) -> tuple[str, dict]:
    """A root span and a model's call beneath it: durations, tokens and costs differ, and some are equal."""
    id = uuid.uuid4().hex

    def span(place: int, parent: str, name: str, took_ms: int, failed: bool, **attributes) -> dict:
        start = PAST + number * 6 * 3_600_000 + place
        return {
            "traceId": id,
            "spanId": f"{place:016x}",
            "parentSpanId": parent,
            "name": name,
            "startTimeUnixNano": str(start * 1_000_000 + 17),
            "endTimeUnixNano": str((start + took_ms) * 1_000_000 + 5),
            "attributes": [{"key": key, "value": value(it)} for key, it in attributes.items()],
            "status": {"code": 2 if failed else 1},
        }

    tokens = 10 * (number % 3) + 1
    model = {
        "mlflow.spanType": "LLM",
        "mlflow.llm.model": f'"model {number % 2}"',
        "mlflow.llm.provider": '"tide"',
        "mlflow.chat.tokenUsage": f'{{"input_tokens": {tokens}, "output_tokens": {number}, "total_tokens": {tokens + number}, '
        f'"cache_read_input_tokens": {number // 2}}}',
        "mlflow.llm.cost": f'{{"input_cost": {0.25 * number}, "output_cost": {0.5 * number}, "total_cost": {0.75 * number}}}',
    }
    root = {"mlflow.spanType": "CHAIN", "session.id": f"session {number % 2}"}
    found = [
        span(1, "", f"ask {number % 2}", 100 + 7 * (number % 4), number == 3, **root),
        span(2, f"{1:016x}", "model", 20 + number, False, **model),
    ]
    return id, {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "t"}, "spans": found}]}]}


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[Both, list[str]]]:
    return {}


@pytest.fixture
def traces(pair: Pair, made) -> tuple[Both, list[str]]:
    """The same ten traces on both sides, and their ids."""
    if pair.kind not in made:
        experiment = pair.post("experiments/create", {"name": f"trace metrics {uuid.uuid4().hex}"})["experiment_id"]
        ids = []
        for number in range(10):
            id, body = trace(number)
            send(pair, experiment, body)
            ids.append(f"tr-{id}")
        for number, id in enumerate(ids):
            for name, said in (("clear", number % 2 == 0), ("score", number / 4), ("verdict", "yes"), ("words", "no number")):
                source = {"source_type": "HUMAN", "source_id": "ada"}
                times = {"create_time": "2024-01-01T00:00:00Z", "last_update_time": "2024-01-01T00:00:00Z"}
                assessment = {"assessment_name": name, "source": source, "feedback": {"value": said}, **times}
                pair.post(f"{V3}/{id}/assessments", {"assessment": assessment})
        for number, id in enumerate(ids):
            pair.call("PATCH", f"{V3}/{id}/tags", {"key": "mlflow.traceName", "value": f"ask {number % 2}"})
        pair.call("PATCH", f"{V3}/{ids[0]}/tags", {"key": "mood", "value": "calm 🌊"})
        pair.call("PATCH", f"{V3}/{ids[4]}/tags", {"key": "a.dotted key", "value": "x"})
        made[pair.kind] = experiment, ids
    return made[pair.kind]


def ask(pair: Pair, experiment: Both | str, view: str, metric: str, aggregations: list, **more) -> dict:
    """Asks both sides, and returns what Tidegate says."""
    body = {"experiment_ids": [experiment], "view_type": view, "metric_name": metric, "aggregations": aggregations}
    return pair.post(f"{V3}/metrics", body | more).ours


def test_numbers_of_traces(pair: Pair, traces):
    experiment, _ = traces
    ask(pair, experiment, "TRACES", "trace_count", COUNT)
    ask(pair, experiment, "TRACES", "session_count", COUNT)
    groups = ask(pair, experiment, "TRACES", "trace_count", COUNT, dimensions=["trace_name", "trace_status"])
    assert [point["values"] for point in groups["data_points"]] == [{"COUNT": 5}, {"COUNT": 1}, {"COUNT": 4}]
    ask(pair, experiment, "TRACES", "trace_count", COUNT, dimensions=["trace_status"], max_results=1)
    for metric in NUMBERS:
        aggregations = ALL if metric == "latency" else [*ALL, SUM]
        ask(pair, experiment, "TRACES", metric, aggregations)
        named = ask(pair, experiment, "TRACES", metric, aggregations, dimensions=["trace_name"])
        # No client says how many tokens were written to a cache.
        assert bool(named) == (metric != "cache_creation_input_tokens"), metric
        ask(pair, experiment, "TRACES", metric, aggregations[:3])
    ask(pair, "987654321", "TRACES", "trace_count", COUNT)
    ask(pair, "987654321", "TRACES", "latency", ALL)


def test_numbers_of_spans(pair: Pair, traces):
    experiment, _ = traces
    for dimension in ("span_name", "span_type", "span_status", "span_model_name", "span_model_provider"):
        ask(pair, experiment, "SPANS", "span_count", COUNT, dimensions=[dimension])
    ask(pair, experiment, "SPANS", "latency", ALL, dimensions=["span_name", "span_status"])
    for metric in ("input_cost", "output_cost", "total_cost"):
        ask(pair, experiment, "SPANS", metric, [*ALL, SUM])
        ask(pair, experiment, "SPANS", metric, [SUM], dimensions=["span_model_name", "span_model_provider"])


def test_numbers_of_assessments(pair: Pair, traces):
    experiment, _ = traces
    ask(pair, experiment, "ASSESSMENTS", "assessment_count", COUNT)
    ask(pair, experiment, "ASSESSMENTS", "assessment_count", COUNT, dimensions=["assessment_name", "assessment_value"])
    ask(pair, experiment, "ASSESSMENTS", "assessment_value", ALL)
    named = ask(pair, experiment, "ASSESSMENTS", "assessment_value", ALL, dimensions=["assessment_name"])
    assert [point["dimensions"]["assessment_name"] for point in named["data_points"]] == ["clear", "score", "verdict"]


@pytest.mark.parametrize(
    ("view", "metric", "aggregations"),
    [
        ("TRACES", "trace_count", COUNT),
        ("TRACES", "latency", ALL),
        ("SPANS", "span_count", COUNT),
        ("SPANS", "total_cost", [*ALL, SUM]),
        ("ASSESSMENTS", "assessment_value", ALL),
    ],
)
def test_time(pair: Pair, traces, view: str, metric: str, aggregations: list):
    experiment, _ = traces
    whole = {"start_time_ms": PAST - 1000, "end_time_ms": PAST + 100 * 3_600_000}
    ask(pair, experiment, view, metric, aggregations, time_interval_seconds=DAY_S, **whole)
    ask(pair, experiment, view, metric, aggregations, time_interval_seconds=3600, **whole, max_results=3)
    ask(pair, experiment, view, metric, aggregations, start_time_ms=PAST + 1, end_time_ms=PAST + 6 * 3_600_000 + 1)
    ask(pair, experiment, view, metric, aggregations, start_time_ms=PAST + 2)
    ask(pair, experiment, view, metric, aggregations, start_time_ms=2**62, end_time_ms=-(2**62))


def test_filters(pair: Pair, traces):
    experiment, ids = traces
    run = pair.post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    pair.post("traces/link-to-run", {"trace_ids": ids[2:4], "run_id": run})
    usage = '{"input_tokens": 1, "output_tokens": 0, "total_tokens": 1, "cache_read_input_tokens": 0}'
    for text in (
        "trace.status = 'OK'",
        "trace.status = 'ERROR'",
        "trace.tag.mood = 'calm 🌊'",
        "trace.tag.`a.dotted key` = 'x'",
        "trace.tag.`mlflow.traceName` = 'ask 1'",
        "trace.metadata.`mlflow.trace.session` = 'session 1'",
        "trace.metadata.`mlflow.trace.tokenUsage` = '" + usage + "'",
        "trace.metadata.none = 'x'",
        f"trace.metadata.`mlflow.sourceRun` = '{run}'",
    ):
        found = ask(pair, experiment, "TRACES", "trace_count", COUNT, filters=[text])
        assert (found["data_points"][0]["values"]["COUNT"] > 0) == ("none" not in text), text
        ask(pair, experiment, "SPANS", "span_count", COUNT, filters=[text, "span.name = 'model'"])
        ask(pair, experiment, "ASSESSMENTS", "assessment_count", COUNT, filters=[text, "assessment.name = 'score'"])
    ask(pair, experiment, "SPANS", "span_count", COUNT, filters=["span.status = 'ERROR'"])
    ask(pair, experiment, "SPANS", "total_cost", [SUM], filters=['span.type = "LLM"'])
    ask(pair, experiment, "ASSESSMENTS", "assessment_count", COUNT, filters=["assessment.type = 'feedback'"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nonsense",
        "trace.status",
        "trace.status != 'OK'",
        "trace.status = OK",
        "trace.status = 5",
        "trace.status.x = 'OK'",
        "trace.tag = 'x'",
        "trace.name = 'x'",
        "run.name = 'x'",
        "status = 'OK'",
        "span.name = 'x'",
        "assessment.name = 'x'",
        "trace.status = 'OK' AND trace.status = 'OK'",
        "trace.status = 'OK' trace.status = 'OK'",
        "trace.status IN ('OK')",
        "(trace.status = 'OK')",
    ],
)
def test_filters_refused(pair: Pair, traces, text: str):
    ask(pair, traces[0], "TRACES", "trace_count", COUNT, filters=[text])


@pytest.mark.parametrize(
    "more",
    [
        {"experiment_ids": []},
        {"experiment_ids": ["x"]},
        {"experiment_ids": "1"},
        {"metric_name": ""},
        {"metric_name": "nonsense"},
        {"metric_name": "span_count"},
        {"aggregations": [SUM, *ALL]},
        {"dimensions": ["nonsense", "span_name"]},
        {"dimensions": "trace_name"},
        {"filters": "trace.status = 'OK'"},
        {"metric_name": "session_count", "dimensions": ["trace_name"]},
        {"time_interval_seconds": 60},
        {"time_interval_seconds": 60, "start_time_ms": 1},
        {"time_interval_seconds": "x"},
    ],
    ids=str,
)
def test_refused(pair: Pair, traces, more: dict):
    body = {"experiment_ids": [traces[0]], "view_type": "TRACES", "metric_name": "trace_count", "aggregations": COUNT}
    pair.post(f"{V3}/metrics", body | more)


def test_nonsense(pair: Pair, traces):
    body = {"experiment_ids": [traces[0]], "view_type": "TRACES", "metric_name": "latency", "aggregations": ALL}
    share = {"aggregation_type": "PERCENTILE", "percentile_value": 101}
    for more, says in [
        ({"aggregations": [share]}, "Percentile value must be between 0 and 100, got 101.0"),
        ({"aggregations": [{"aggregation_type": "PERCENTILE"}]}, "Percentile value is required"),
        ({"aggregations": [share | {"aggregation_type": "MIN"}]}, "only allowed for PERCENTILE"),
        ({"aggregations": []}, "aggregations"),
        ({"view_type": "NONSENSE"}, "view_type"),
        ({"max_results": -1}, "max_results"),
        ({"time_interval_seconds": -60, "start_time_ms": 1, "end_time_ms": 2}, "time_interval_seconds"),
    ]:
        pair.nonsense("POST", f"{V3}/metrics", body | more, says=says)


def test_client(pair: Pair, traces):
    """What the real client makes of it."""
    experiment, _ = traces

    def query(client):
        points = client._tracing_client.store.query_trace_metrics(
            [client.of(experiment)],
            MetricViewType.TRACES,
            "latency",
            [MetricAggregation(AggregationType.PERCENTILE, 50.0), MetricAggregation(AggregationType.AVG)],
            dimensions=["trace_name"],
        )
        return [(point.metric_name, dict(point.dimensions), dict(point.values)) for point in points]

    points = pair.client("query_trace_metrics", query)
    assert len(points.ours) == 2
