"""How requests may be written and how answers are: JSON's quirks, limits and refusals, without a client in between."""

from __future__ import annotations

import json
import socket

import pytest
import requests
import tidegate

MLFLOW = "/api/2.0/mlflow"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with tidegate.serve(tmp_path_factory.mktemp("json"), gateway_config=None) as server:
        yield server


@pytest.fixture(scope="module")
def run(server) -> str:
    return server.post(f"{MLFLOW}/runs/create", {"experiment_id": "0", "run_name": "r"}).json()["run"]["info"]["run_id"]


def search(server, body: bytes, headers=JSON) -> requests.Response:
    return requests.post(f"{server.url}{MLFLOW}/experiments/search", body, headers=headers, timeout=60)


def refused(answer: requests.Response, status: int = 400, code: str = "INVALID_PARAMETER_VALUE") -> str:
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
    return answer.json()["message"]


def test_answers_are_laid_out_as_mlflow_does(server):
    answer = server.get(f"{MLFLOW}/experiments/get", params={"experiment_id": "0"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == json.dumps(answer.json(), indent=2)
    empty = search(server, b'{"max_results": 1, "filter": "name = \'none\'"}')
    assert empty.text == "{}", "empty lists are left out"


@pytest.mark.parametrize(
    "body",
    [
        b'{"max_results": 1}',
        b'{"maxResults": 1}',
        b'{"max_results": "1"}',
        b'{"max_results": 1.0}',
        b'{"max_results": 1, "nobody_knows": {"a": [1]}}',
        b'{"max_results": 1, "filter": null}',
        b'{"max_results": 7, "max_results": 1}',
        b'\xef\xbb\xbf{"max_results": 1}',
        b' {"max_results": 1} \n',
        b'"{\\"max_results\\": 1}"',
    ],
)
def test_spellings_of_one_request(server, body):
    answer = search(server, body)
    assert answer.status_code == 200, answer.text
    assert [it["name"] for it in answer.json()["experiments"]] == ["Default"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "It must be a positive integer"),
        (b"{", "Malformed JSON"),
        (b"[1]", "must be a JSON object"),
        (b'{"max_results": 1} x', "Malformed JSON"),
        (b'{"max_results": NaN}', 'write "NaN"'),
        (b'{"max_results": 1, "filter": "\xff"}', "Malformed JSON"),
        (b'{"max_results": 1, "maxResults": 1}', "Request specifies both 'max_results' and 'maxResults'"),
        (b'{"max_results": 1, "x": ' + b"[" * 200 + b"]" * 200 + b"}", "recursion limit"),
        (b'{"x": ' + b"[" * 1_000_000, "recursion limit"),
        (b'{"max_results": 50001}', "It must be at most 50000"),
        (b'{"max_results": 1, "view_type": "NOPE"}', "It must be one of: ACTIVE_ONLY, DELETED_ONLY, ALL."),
        (b'{"max_results": 1, "page_token": "bm9wZQ=="}', "Invalid page token, decoded value=b'nope'"),
        (b'{"max_results": 1, "page_token": "eyJ4IjogMX0="}', "Invalid page token, parsed value={'x': 1}"),
        (b'{"max_results": 1, "order_by": [5]}', "Invalid value [5] for parameter 'order_by'"),
    ],
)
def test_bodies_that_are_refused(server, body, words):
    assert words in refused(search(server, body))


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}])
def test_a_body_says_that_it_is_json(server, headers):
    assert refused(search(server, b'{"max_results": 1}', headers)).startswith("Bad Request. Content-Type")


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        head = f"POST {MLFLOW}/runs/log-batch HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: {10**12}\r\n\r\n".encode())
        assert b" 413 " in raw.recv(1000).splitlines()[0]


def test_query_strings_know_exact_names_and_the_first_of_each(server, run):
    get = lambda query: server.get(f"{MLFLOW}/runs/get?{query}")  # noqa: E731
    assert get(f"run_id={run}").json() == get(f"run_uuid={run}").json() == get(f"run_id={run}&run_id=other").json()
    assert "'run_id'" in refused(get(f"runId={run}"))
    models = server.get(f"{MLFLOW}/logged-models/m-1?allow_deleted=maybe")
    assert refused(models) == "Invalid boolean value: maybe, must be 'true' or 'false'."


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("runs/create", {}, "Missing value for required parameter 'experiment_id'"),
        ("runs/log-metric", {"key": "m", "value": "", "timestamp": 1}, "Missing value for required parameter 'value'"),
        ("runs/log-metric", {"key": "m", "value": "x", "timestamp": 1}, "Invalid value \"x\" for parameter 'value'"),
        ("runs/log-metric", {"key": "m", "value": 1, "timestamp": 2**63}, "for parameter 'timestamp'"),
        ("runs/log-metric", {"key": "m", "value": 1, "timestamp": 1, "dataset_name": "d"}, "Both dataset_name and"),
        ("runs/update", {"status": "NOPE"}, "It must be one of: RUNNING, SCHEDULED, FINISHED, FAILED, KILLED."),
        ("runs/outputs", {}, "Missing value for required parameter 'models'"),
        ("runs/log-model", {"model_json": "{}"}, "Model json is missing mandatory fields: {"),
        ("experiments/create", {"name": "a", "tags": [{}]}, "This name would resolve to '.'"),
        ("experiments/create", {"name": "a", "artifact_location": "http://10.0.0.1/x"}, "cannot use the 'http' scheme"),
        ("experiments/create", {"name": "a", "artifact_location": "file://host/x"}, "is not a valid remote uri"),
        ("experiments/create", {"name": "a", "artifact_location": "x" * 2049}, "Invalid artifact path length"),
    ],
)
def test_what_mlflow_refuses_or_swallows_is_refused_in_words(server, run, path, body, words):
    if path.startswith("runs/") and path != "runs/create":
        body = {"run_id": run} | body
    assert words in refused(server.post(f"{MLFLOW}/{path}", body))


def test_an_empty_list_is_no_missing_one(server, run):
    assert server.post(f"{MLFLOW}/runs/outputs", {"run_id": run, "models": []}).json() == {}
    assert server.post(f"{MLFLOW}/logged-models/search", {"experiment_ids": []}).json() == {}
    assert "'experiment_ids'" in refused(server.post(f"{MLFLOW}/logged-models/search", {}))


def test_a_hundred_and_one_runs_are_too_many(server):
    query = "&".join(f"run_ids={i}" for i in range(101))
    answer = server.get(f"{MLFLOW}/metrics/get-history-bulk-interval?metric_key=m&{query}")
    assert refused(answer) == (
        "GetMetricHistoryBulkInterval request must specify at most 100 run_ids. Received 101 run_ids."
        " See the API docs for more information about request parameters."
    )


def test_sorting_models_by_nothing_has_a_class_of_its_own(server):
    answer = server.post(f"{MLFLOW}/logged-models/search", {"experiment_ids": ["0"], "order_by": [{"field_name": "x"}]})
    assert refused(answer) == "Invalid order by field name: x"
    assert (answer.json()["sqlstate"], answer.json()["error_class"]) == ("KAM04", "ATTRIBUTE_NOT_FOUND")


# --- what clients before 3.0 say of traces ---------------------------------------------------------------------------


def test_a_trace_begins_and_ends_in_the_first_version_of_the_api(server):
    begin = {
        "experiment_id": "0",
        "timestamp_ms": 1000,
        "request_metadata": [{"key": "m", "value": "1"}],
        "tags": [{"key": "t", "value": "a"}, {"key": "mlflow.traceName", "value": "old"}],
    }
    begun = server.post(f"{MLFLOW}/traces", begin).json()["trace_info"]
    assert (begun["experiment_id"], begun["timestamp_ms"], begun["status"]) == ("0", 1000, "IN_PROGRESS")
    assert begun["request_metadata"] == [{"key": "m", "value": "1"}]
    address = f"{server.url}{MLFLOW}/traces/{begun['request_id']}"
    end = {
        "timestamp_ms": 1250,
        "status": "OK",
        "request_metadata": [{"key": "n", "value": "2"}],
        "tags": [{"key": "t", "value": "b"}],
    }
    ended = requests.patch(address, json=end).json()["trace_info"]
    assert (ended["execution_time_ms"], ended["status"]) == (250, "OK")
    pairs = lambda name: {it["key"]: it["value"] for it in ended[name]}  # noqa: E731
    assert pairs("request_metadata") == {"m": "1", "n": "2"}
    assert (pairs("tags")["t"], pairs("tags")["mlflow.traceName"]) == ("b", "old")
    assert requests.get(f"{address}/info").json()["trace_info"] == ended
    found = server.get(f"{MLFLOW}/traces?experiment_ids=0&filter=tags.t%20%3D%20'b'").json()
    assert found["traces"] == [ended]
    assert refused(requests.patch(address, json={"status": "NOPE"})).startswith('Invalid value "NOPE"')
    assert requests.get(f"{server.url}{MLFLOW}/traces/none/info").status_code == 404


def test_conditions_on_traces_that_go_together(server):
    experiment = server.post(f"{MLFLOW}/experiments/create", {"name": "together"}).json()["experiment_id"]
    for both in [True, True, False, False]:
        tags = [{"key": key, "value": "x"} for key in ("a", "b") if both]
        server.post(f"{MLFLOW}/traces", {"experiment_id": experiment, "timestamp_ms": 1, "tags": tags})
    body = {"experiment_ids": [experiment], "filter_string1": "tags.a = 'x'", "filter_string2": "tags.b = 'x'"}
    answer = server.post("/api/3.0/mlflow/traces/calculate-filter-correlation", body).json()
    assert answer.pop("npmi_smoothed") == pytest.approx(0.5834881383771153)
    assert answer == {"npmi": 1.0, "filter1_count": 2, "filter2_count": 2, "joint_count": 2, "total_count": 4}
    never = server.post("/api/3.0/mlflow/traces/calculate-filter-correlation", body | {"filter_string2": "tags.c = 'x'"})
    assert never.json()["npmi"] == "NaN"


def test_prompts_are_linked_to_traces_once(server):
    trace = server.post(f"{MLFLOW}/traces", {"experiment_id": "0", "timestamp_ms": 1}).json()["trace_info"]["request_id"]
    link = {"trace_id": trace, "prompt_versions": [{"name": "p", "version": "3"}]}
    for _ in range(2):
        assert server.post(f"{MLFLOW}/traces/link-prompts", link).json() == {}
    assert server.post(f"{MLFLOW}/traces/link-prompts", link | {"trace_id": "tr-none"}).status_code == 404


def test_nobody_is_watched(server):
    address = "/ajax-api/3.0/mlflow/ui-telemetry"
    assert server.get(address).json()["disable_ui_telemetry"] is True
    assert server.post(address, {"records": [{}]}).json() == {"status": "disabled"}
