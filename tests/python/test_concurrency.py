"""Many clients write to one run, and to many: nothing is lost, nobody meets a lock or a deadlock, retries are safe."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import tidegate

CLIENTS = 16
PAST = 1_700_000_000_000


class Api:
    """One server, and many clients that start at the same moment."""

    def __init__(self, server: tidegate.Server) -> None:
        self.url = f"{server.url}/api/2.0/mlflow/"

    def post(self, path: str, body: dict) -> requests.Response:
        answer = requests.post(self.url + path, json=body, timeout=120)
        assert answer.status_code in (200, 400), f"{path} answered {answer.status_code}: {answer.text}"
        return answer

    def get(self, path: str, **query) -> dict:
        answer = requests.get(self.url + path, params=query, timeout=120)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def run(self) -> str:
        body = {"experiment_id": "0", "run_name": "one", "start_time": PAST}
        return self.post("runs/create", body).json()["run"]["info"]["run_id"]

    def at_once(self, send: Callable[[int], requests.Response]) -> list[requests.Response]:
        with ThreadPoolExecutor(CLIENTS) as pool:
            return list(pool.map(send, range(CLIENTS)))


@pytest.fixture
def api(tmp_path, database):
    with tidegate.serve(tmp_path, gateway_config=None, database=database) as server:
        yield Api(server)
    assert "locked" not in server.log and "eadlock" not in server.log, server.log[-4000:]


def test_the_latest_metric_is_the_highest_step(api):
    run_id = api.run()

    def send(client: int) -> requests.Response:
        steps = list(range(client, 40 * CLIENTS, CLIENTS))
        random.Random(client).shuffle(steps)
        for step in steps[:30]:
            body = {"run_id": run_id, "key": "m", "value": step / 7, "timestamp": PAST, "step": step}
            assert api.post("runs/log-metric", body).status_code == 200
        rest = [{"key": "m", "value": step / 7, "timestamp": PAST, "step": step} for step in steps[30:]]
        return api.post("runs/log-batch", {"run_id": run_id, "metrics": rest})

    assert [it.status_code for it in api.at_once(send)] == [200] * CLIENTS
    [latest] = api.get("runs/get", run_id=run_id)["run"]["data"]["metrics"]
    assert (latest["step"], latest["value"]) == (40 * CLIENTS - 1, (40 * CLIENTS - 1) / 7)
    history = api.get("metrics/get-history", run_id=run_id, metric_key="m")["metrics"]
    assert sorted(it["step"] for it in history) == list(range(40 * CLIENTS))


def test_a_param_has_one_winner(api):
    run_id = api.run()
    for number in range(15):
        key = f"p{number}"
        if number % 2:
            send = lambda me: api.post("runs/log-parameter", {"run_id": run_id, "key": key, "value": str(me)})  # noqa: B023, E731
        else:
            send = lambda me: api.post(  # noqa: E731
                "runs/log-batch",
                {"run_id": run_id, "params": [{"key": key, "value": str(me)}], "tags": [{"key": f"{key} {me}", "value": "x"}]},  # noqa: B023
            )
        answers = api.at_once(send)
        [winner] = [me for me, answer in enumerate(answers) if answer.status_code == 200]
        assert all("Changing param values is not allowed" in it.text for it in answers if it.status_code != 200)
        data = api.get("runs/get", run_id=run_id)["run"]["data"]
        assert {it["key"]: it["value"] for it in data["params"]}[key] == str(winner)
        written = [it["key"] for it in data["tags"] if it["key"].startswith(f"{key} ")]
        assert written == ([] if number % 2 else [f"{key} {winner}"]), "a refused batch leaves nothing"


def test_batches_that_cross(api):
    """The same names in opposite orders, the same rows many times: a recipe for deadlocks."""
    run_id = api.run()

    def send(client: int) -> requests.Response:
        for turn in range(8):
            keys = [f"k{number}" for number in range(40)]
            random.Random(client * 100 + turn).shuffle(keys)
            metrics = [{"key": key, "value": turn, "timestamp": PAST, "step": turn} for key in keys]
            tags = [{"key": key, "value": f"{client} {turn}"} for key in keys]
            params = [{"key": key, "value": "same"} for key in keys]
            answer = api.post("runs/log-batch", {"run_id": run_id, "metrics": metrics, "tags": tags, "params": params})
            assert answer.status_code == 200, answer.text
        return answer

    api.at_once(send)
    data = api.get("runs/get", run_id=run_id)["run"]["data"]
    assert {it["key"]: it["value"] for it in data["metrics"]} == {f"k{n}": 7.0 for n in range(40)}
    assert {it["key"]: it["value"] for it in data["params"]} == {f"k{n}": "same" for n in range(40)}
    last = {it["value"] for it in data["tags"] if it["key"].startswith("k")}
    assert last <= {f"{client} 7" for client in range(CLIENTS)}
    assert len(last) == 1, "the tags of the last batch stand together"
    history = api.get("metrics/get-history", run_id=run_id, metric_key="k0")["metrics"]
    assert [it["step"] for it in history] == list(range(8)), "the same point sent by all is one point"


def test_a_retried_request_changes_nothing(api):
    run_id = api.run()
    dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}
    requests_of = {
        "runs/log-batch": {
            "run_id": run_id,
            "metrics": [{"key": "m", "value": step, "timestamp": PAST, "step": step} for step in range(50)],
            "params": [{"key": "p", "value": "1"}],
            "tags": [{"key": "t", "value": "1"}],
        },
        "runs/log-metric": {"run_id": run_id, "key": "one", "value": 1, "timestamp": PAST, "step": 1},
        "runs/log-parameter": {"run_id": run_id, "key": "q", "value": "1"},
        "runs/set-tag": {"run_id": run_id, "key": "u", "value": "1"},
        "runs/log-inputs": {"run_id": run_id, "datasets": [{"dataset": dataset, "tags": [{"key": "a", "value": "b"}]}]},
        "runs/update": {"run_id": run_id, "status": "FINISHED", "end_time": PAST + 1},
    }

    def state() -> dict:
        run = api.get("runs/get", run_id=run_id)["run"]
        histories = [api.get("metrics/get-history", run_id=run_id, metric_key=key)["metrics"] for key in ("m", "one")]
        sorted_data = {key: sorted(items, key=lambda it: it["key"]) for key, items in run["data"].items()}
        return {"run": run | {"data": sorted_data}, "histories": histories}

    for path, body in requests_of.items():
        assert api.post(path, body).status_code == 200
    before = state()
    assert len(before["histories"][0]) == 50
    for path, body in requests_of.items():
        assert [it.status_code for it in api.at_once(lambda _: api.post(path, body))] == [200] * CLIENTS  # noqa: B023
    assert state() == before


def test_an_experiment_is_created_once(api):
    for number in range(5):
        answers = api.at_once(lambda _: api.post("experiments/create", {"name": f"only {number}"}))  # noqa: B023
        assert sorted(it.status_code for it in answers) == [200] + [400] * (CLIENTS - 1)
        assert {it.json()["error_code"] for it in answers if it.status_code == 400} == {"RESOURCE_ALREADY_EXISTS"}


def test_many_runs_of_many_clients(api):
    def send(client: int) -> requests.Response:
        for _ in range(10):
            run_id = api.run()
            api.post("runs/log-batch", {"run_id": run_id, "metrics": [{"key": "m", "value": client, "timestamp": 1, "step": 0}]})
            answer = api.post("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": PAST})
            assert answer.status_code == 200
        return answer

    api.at_once(send)
    found = api.post("runs/search", {"experiment_ids": ["0"], "filter": "status = 'FINISHED'", "max_results": 1000}).json()
    values = [run["data"]["metrics"][0]["value"] for run in found["runs"]]
    assert sorted(values) == sorted(float(client) for client in range(CLIENTS) for _ in range(10))
