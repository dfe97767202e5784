"""Metrics answer as MLflow's server does: values, the latest one, histories whole, paged, in bulk and sampled."""

from __future__ import annotations

import itertools

import pytest
from compare import Both, Pair

NAMES = itertools.count()
PAST = 1_700_000_000_000
AJAX = "/ajax-api/2.0/mlflow/metrics"


@pytest.fixture
def experiment(pair) -> Both:
    return pair.post("experiments/create", {"name": f"metrics {next(NAMES)}"})["experiment_id"]


@pytest.fixture
def run(pair, experiment) -> Both:
    return pair.post("runs/create", {"experiment_id": experiment, "run_name": "one"})["run"]["info"]["run_id"]


def test_values(pair: Pair, run):
    def log(key="m", value=1, timestamp=PAST, step=0, **more):
        body = {"run_id": run, "key": key, "value": value, "timestamp": timestamp, "step": step} | more
        pair.post("runs/log-metric", body)

    for number, value in enumerate(
        [0, 1, -1, 0.1, 1e-300, -1.5e300, 1e308, "NaN", "Infinity", "-Infinity", "1.5", "-0", 2**53 + 1, 5e-324]
    ):
        log(f"v{number}", value)
        pair.get("metrics/get-history", run_id=run, metric_key=f"v{number}")
    pair.get("runs/get", run_id=run)
    for value in ("high", None):
        log(value=value)
    for timestamp in (0, str(PAST), "soon", None, -1):
        log(timestamp=timestamp)
    for step in (-5, 2**62, "7", "seven", None):
        log(step=step)
    for key in ("a/b.c-d e:f", "k" * 250, "k" * 251, "a//b", "/a", "..", ".", "a@b", "", 5, None, "ü"):
        log(key=key)
    pair.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1})
    pair.post("runs/log-metric", {"run_id": run, "key": "m", "timestamp": 1})
    pair.post("runs/log-metric", {"run_id": run, "value": 1, "timestamp": 1})
    pair.post("runs/log-metric", {"run_id": run, "key": "no step", "value": 1, "timestamp": 1})
    pair.post("runs/log-metric", {"run_uuid": run, "key": "by uuid", "value": 1, "timestamp": 1})
    pair.get("runs/get", run_id=run)


def test_nonsense(pair: Pair, run):
    for field, values in {
        "value": (True, [1], {"a": 1}),
        "timestamp": (1.5, 2**63, [1]),
        "step": (1.5, 2**63, True),
    }.items():
        for value in values:
            body = {"run_id": run, "key": "m", "value": 1, "timestamp": PAST, "step": 0, field: value}
            pair.nonsense("POST", "runs/log-metric", body, says=f"for parameter '{field}'")


def test_the_latest_value(pair: Pair, run):
    for number, points in enumerate(
        [
            [(1, 1, 5.0), (2, 1, 4.0), (1, 9, 9.0)],
            [(1, 5, 1.0), (1, 3, 9.0), (1, 5, 0.5), (1, 5, 2.0)],
            [(0, 0, "NaN"), (0, 0, 1.0)],
            [(0, 0, 1.0), (0, 0, "NaN")],
            [(0, 0, 1.0), (1, 0, "NaN"), (0, 5, 3.0)],
            [(-5, 1, 1.0), (-6, 9, 2.0)],
            [(3, 3, 3.0), (3, 3, 3.0), (3, 3, 3.0)],
        ]
    ):
        for step, timestamp, value in points:
            body = {"run_id": run, "key": f"single{number}", "value": value, "timestamp": timestamp, "step": step}
            pair.post("runs/log-metric", body)
        batch = [{"key": f"batch{number}", "value": v, "timestamp": t, "step": s} for s, t, v in points]
        pair.post("runs/log-batch", {"run_id": run, "metrics": batch})
        pair.get("metrics/get-history", run_id=run, metric_key=f"single{number}")
        pair.get("metrics/get-history", run_id=run, metric_key=f"batch{number}")
    pair.get("runs/get", run_id=run)


def fill(pair: Pair, run: Both, count: int, key: str = "m", stride: int = 1) -> None:
    points = [
        {"key": key, "value": number / 7, "timestamp": PAST + number % 3, "step": number * stride}
        for number in range(count)
    ]
    pair.post("runs/log-batch", {"run_id": run, "metrics": points})


def test_history(pair: Pair, run):
    fill(pair, run, 10)

    def history(**query):
        return pair.get("metrics/get-history", **({"run_id": run, "metric_key": "m"} | query))

    history()
    history(metric_key="absent")
    history(run_id="0" * 32)
    pair.get("metrics/get-history", run_id=run)
    pair.get("metrics/get-history", metric_key="m")
    pair.get("metrics/get-history", run_uuid=run, metric_key="m")
    page = history(max_results=4)
    page = history(max_results=4, page_token=page["next_page_token"])
    history(max_results=4, page_token=page["next_page_token"])
    history(max_results=10)
    history(max_results=5)
    for results in (0, -1):
        history(max_results=results)
    for results in ("x", 1.5):
        query = {"run_id": run, "metric_key": "m", "max_results": results}
        pair.nonsense("GET", "metrics/get-history", params=query, says="max_results")
    for token in ("x", "eA==", "e30="):
        history(max_results=4, page_token=token)
    pair.get("/ajax-api/2.0/mlflow/metrics/get-history", run_id=run, metric_key="m")


def test_bulk_history(pair: Pair, experiment, run):
    other = pair.post("runs/create", {"experiment_id": experiment, "run_name": "two"})["run"]["info"]["run_id"]
    fill(pair, run, 5)
    fill(pair, other, 4, stride=3)
    # Both runs by name, in the order of their ids, differ between the sides: so one run at a time, and both together.
    for ids in ([run], [other]):
        pair.get(f"{AJAX}/get-history-bulk", run_id=ids, metric_key="m")
        pair.get(f"{AJAX}/get-history-bulk", run_id=ids, metric_key="m", max_results=3)
        pair.get(f"{AJAX}/get-history-bulk", run_id=ids, metric_key="absent")
    pair.get(f"{AJAX}/get-history-bulk", run_id=["0" * 32], metric_key="m")
    pair.get(f"{AJAX}/get-history-bulk", run_id=[run])
    pair.get(f"{AJAX}/get-history-bulk", metric_key="m")
    pair.get(f"{AJAX}/get-history-bulk", run_id=[run] * 101, metric_key="m")
    pair.get(f"{AJAX}/get-history-bulk", run_id=[run], metric_key="m", max_results=0)
    query = {"run_id": run, "metric_key": "m", "max_results": "x"}
    pair.nonsense("GET", f"{AJAX}/get-history-bulk", params=query, says="max_results")


def test_sampled_history(pair: Pair, experiment, run):
    other = pair.post("runs/create", {"experiment_id": experiment, "run_name": "two"})["run"]["info"]["run_id"]
    fill(pair, run, 900)
    fill(pair, other, 40, stride=3)

    def sample(*runs, **query):
        arguments = {"run_ids": list(runs), "metric_key": "m"} | query
        pair.get("metrics/get-history-bulk-interval", **arguments)

    for results in (1, 2, 10, 320, 2500):
        sample(run, max_results=results)
        sample(other, max_results=results)
    sample(run)
    sample(run, max_results=10, start_step=100, end_step=200)
    sample(run, max_results=10, start_step=899, end_step=899)
    sample(run, max_results=10, start_step=5000, end_step=6000)
    sample(run, metric_key="absent", max_results=10)
    sample("0" * 32, max_results=10)
    sample(run, max_results=10, start_step=5)
    sample(run, max_results=10, end_step=5)
    sample(run, max_results=10, start_step=6, end_step=5)
    sample(run, max_results=0)
    sample(run, max_results=-1)
    sample(run, max_results=2501)
    sample(run, max_results="x")
    sample(max_results=10)
    sample(*[run] * 101, max_results=10)
    pair.get("metrics/get-history-bulk-interval", run_ids=[run], max_results=10)
    pair.get(f"{AJAX}/get-history-bulk-interval", run_ids=[run], metric_key="m", max_results=10)
