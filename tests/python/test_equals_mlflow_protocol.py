"""What all requests have in common: paths, methods, content types, spellings of fields, and the server's own pages."""

from __future__ import annotations

import itertools
import json

import pytest
from compare import Both, Pair

NAMES = itertools.count()


@pytest.fixture
def experiment(pair) -> Both:
    return pair.post("experiments/create", {"name": f"protocol {next(NAMES)}"})["experiment_id"]


def test_the_server_about_itself(pair: Pair):
    pair.get("/health")
    pair.get("/version")
    pair.get("/api/3.0/mlflow/server-info")
    pair.get("/ajax-api/3.0/mlflow/server-info")


def test_content_types(pair: Pair):
    body = json.dumps({"name": f"typed {next(NAMES)}"})

    def create(kind: str | None, data: str) -> None:
        headers = {} if kind is None else {"content-type": kind}
        pair.call("POST", "experiments/create", data=data, headers=headers)

    create("application/json; charset=utf-8", json.dumps({"name": f"typed {next(NAMES)}"}))
    create("application/json", json.dumps(json.dumps({"name": f"twice {next(NAMES)}"})))
    create("application/json", "")
    create("text/plain", body)
    create("application/x-www-form-urlencoded", "name=a")
    create(None, "")
    pair.nonsense("POST", "experiments/create", None, says="Content-Type header is missing")


def test_spellings(pair: Pair, experiment):
    for body in [
        {"max_results": 1, "maxResults": 1},
        {"maxResults": "1"},
        {"max_results": 1, "unknown_field": [1, {"a": None}]},
        {"max_results": 1, "filter": None, "order_by": None},
        {"max_results": "1", "view_type": "ALL"},
    ]:
        pair.post("experiments/search", body)
    run = pair.post("runs/create", {"experiment_id": experiment, "start_time": "5"})["run"]["info"]["run_id"]
    metric = {"run_id": run, "key": "m", "value": 1, "timestamp": "7", "step": "3"}
    pair.post("runs/log-metric", metric)
    pair.get("runs/get", run_id=run)


def test_paths(pair: Pair, experiment):
    for prefix in ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow"):
        pair.get(f"{prefix}/experiments/get", experiment_id=experiment)
        pair.post(f"{prefix}/runs/create", {"experiment_id": experiment})
    for prefix in ("/api/2.0/preview/mlflow", "/ajax-api/2.0/preview/mlflow"):
        pair.intended(
            "clients older than MLflow 1.0 ask there",
            "GET",
            f"{prefix}/experiments/get",
            params={"experiment_id": experiment},
            ours=([200], "protocol"),
            theirs=([404], "Not Found"),
        )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/2.0/mlflow/experiments/create"),
        ("POST", "/api/2.0/mlflow/experiments/get"),
        ("PUT", "/api/2.0/mlflow/runs/create"),
        ("DELETE", "/api/2.0/mlflow/runs/delete"),
        ("GET", "/api/2.0/mlflow/runs/search"),
        ("GET", "/api/2.0/mlflow/nothing"),
        ("POST", "/api/2.0/mlflow/nothing"),
        ("GET", "/api/9.0/mlflow/experiments/get"),
        ("GET", "/api/2.0/mlflow/experiments/get/"),
    ],
)
def test_no_such_route(pair: Pair, method, path):
    statuses = [
        side.session.request(method, side.url + path, json={} if method != "GET" else None, timeout=60).status_code
        for side in pair.sides
    ]
    assert statuses[0] == statuses[1]


def test_graphql(pair: Pair, experiment):
    run = pair.post("runs/create", {"experiment_id": experiment, "run_name": "one", "start_time": 5})
    run = run["run"]["info"]["run_id"]
    for key, value in (("m", 0.5), ("nan", "NaN")):
        pair.post("runs/log-metric", {"run_id": run, "key": key, "value": value, "timestamp": 5, "step": 1})
    pair.post("runs/log-parameter", {"run_id": run, "key": "p", "value": "1"})
    get_run = """query GetRun($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) {
        apiError { code message }
        run { info { runName status runUuid startTime experimentId lifecycleStage artifactUri }
              experiment { experimentId name }
              data { metrics { key value step timestamp } params { key value } tags { key value } }
              inputs { datasetInputs { dataset { name digest } tags { key value } } } modelVersions { name } } } }"""
    get_experiment = """query Get($data: MlflowGetExperimentInput!) { mlflowGetExperiment(input: $data) {
        apiError { code message } experiment { experimentId name lifecycleStage tags { key value } } } }"""
    search = """mutation Search($data: MlflowSearchRunsInput!) { mlflowSearchRuns(input: $data) {
        apiError { code message } runs { info { runUuid runName } data { metrics { key value } } } nextPageToken } }"""
    interval = """query Bulk($data: MlflowGetMetricHistoryBulkIntervalInput!) {
        mlflowGetMetricHistoryBulkInterval(input: $data) {
        __typename apiError { code message } metrics { key value step timestamp runId __typename } } }"""
    files = """query Files($data: MlflowListArtifactsInput!) { mlflowListArtifacts(input: $data) {
        apiError { code message } rootUri files { path isDir fileSize } nextPageToken } }"""
    for text, data in [
        (get_run, {"runId": run}),
        (get_run, {"runId": "0" * 32}),
        (get_experiment, {"experimentId": experiment}),
        (get_experiment, {"experimentId": "999999"}),
        (search, {"experimentIds": [experiment]}),
        (search, {"experimentIds": [experiment], "filter": "nonsense"}),
        (interval, {"runIds": [run], "metricKey": "m", "maxResults": 5}),
        (files, {"runId": run}),
    ]:
        pair.post("/graphql", {"query": text, "variables": {"data": data}, "operationName": text.split()[1].split("(")[0]})
    pair.post("/graphql", {"query": 'query { test(inputString: "abc") { output } }'})
