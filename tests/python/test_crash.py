"""`kill -9` in the midst of 16 writers: what was acknowledged is there afterwards, and nothing is half there."""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests
import tidegate

WRITERS = 16
ROUNDS = {"sqlite": 20, "postgresql": 4, "mysql": 4}
WRITES_BEFORE_THE_KILL = (60, 240)  # a number between, drawn anew in each round
PAST = 1_700_000_000_000


@dataclass
class Write:
    """One request, whose number is in every name that it writes."""

    number: int
    run_id: str
    metrics: int
    params: int
    tags: int
    acknowledged: bool = False


@dataclass
class Round:
    """What 16 writers sent until the server was killed."""

    random: random.Random
    batches: list[Write] = field(default_factory=list)
    runs: list[Write] = field(default_factory=list)
    inputs: list[Write] = field(default_factory=list)
    acknowledged: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def acknowledge(self, write: Write) -> None:
        write.acknowledged = True
        with self.changed:
            self.acknowledged += 1
            self.changed.notify()


def test_kill_amid_writers(tmp_path, kind, database):
    draw = random.Random(7)
    numbers = itertools.count()
    experiment = None
    for _ in range(ROUNDS[kind]):
        server = tidegate.serve(tmp_path, gateway_config=None, database=database)
        if experiment is None:
            experiment = server.post("/api/2.0/mlflow/experiments/create", {"name": "crash"}).json()["experiment_id"]
        sent = Round(random.Random(draw.random()))
        with ThreadPoolExecutor(WRITERS) as pool:
            writers = [pool.submit(write_until_it_dies, server.url, experiment, sent, numbers) for _ in range(WRITERS)]
            target = draw.randint(*WRITES_BEFORE_THE_KILL)
            with sent.changed:
                assert sent.changed.wait_for(lambda: sent.acknowledged >= target, timeout=120), server.log[-4000:]
            server.process.kill()
            server.process.wait()
            for writer in writers:
                writer.result()
        with tidegate.serve(tmp_path, gateway_config=None, database=database) as again:
            check(again, experiment, sent)


def write_until_it_dies(url: str, experiment: str, sent: Round, numbers: itertools.count) -> None:
    """Sends one write after the other; ends when the connection breaks. Any other answer than 200 is a failure."""
    session = requests.Session()
    run_id = ""
    try:
        while True:
            number = next(numbers)
            kind = "run" if not run_id else sent.random.choice(["run", "inputs", *["batch"] * 8])
            if kind == "run":
                write = Write(number, "", 0, 0, 3)
                sent.runs.append(write)
                body = {"experiment_id": experiment, "run_name": f"run {number}", "start_time": PAST, "tags": named("t", write)}
                answer = session.post(f"{url}/api/2.0/mlflow/runs/create", json=body, timeout=60)
                assert answer.status_code == 200, answer.text
                run_id = answer.json()["run"]["info"]["run_id"]
            elif kind == "inputs":
                write = Write(number, run_id, 0, 0, 2)
                sent.inputs.append(write)
                dataset = {"name": f"d{number}", "digest": "1", "source_type": "local", "source": "{}"}
                body = {"run_id": run_id, "datasets": [{"dataset": dataset, "tags": named("t", write)}]}
                answer = session.post(f"{url}/api/2.0/mlflow/runs/log-inputs", json=body, timeout=60)
                assert answer.status_code == 200, answer.text
            else:
                size = sent.random.choice([1, 1, 5, 50, 400])
                write = Write(number, run_id, size, min(size, sent.random.randint(0, 20)), sent.random.randint(0, 5))
                sent.batches.append(write)
                metrics = [{"key": f"m{number}", "value": n, "timestamp": PAST, "step": n} for n in range(size)]
                body = {"run_id": run_id, "metrics": metrics, "params": named("p", write), "tags": named("t", write)}
                answer = session.post(f"{url}/api/2.0/mlflow/runs/log-batch", json=body, timeout=60)
                assert answer.status_code == 200, answer.text
            sent.acknowledge(write)
    except requests.ConnectionError:
        pass


def named(stem: str, write: Write) -> list[dict]:
    count = write.params if stem == "p" else write.tags
    return [{"key": f"{stem}{write.number}.{n}", "value": str(n)} for n in range(count)]


def check(server: tidegate.Server, experiment: str, sent: Round) -> None:
    """Compares what is there with what was sent: each write whole, or, unless acknowledged, absent."""
    names = {write.number: f"run {write.number}" for write in sent.runs}
    runs = {}
    for body in paged(server, experiment):
        runs |= {run["info"]["run_name"]: run for run in body}
    by_id = {run["info"]["run_id"]: run for run in runs.values()}
    for write in sent.runs:
        run = runs.get(names[write.number])
        tags = [] if run is None else run["data"].get("tags", [])
        whole_or_absent(write, (None if run is None else 0, 0, count(tags, f"t{write.number}.")))
    for write in sent.batches:
        data = by_id[write.run_id]["data"]
        history = server.get(
            "/api/2.0/mlflow/metrics/get-history", params={"run_id": write.run_id, "metric_key": f"m{write.number}"}
        ).json()
        points = [point["step"] for point in history.get("metrics", [])]
        assert points == list(range(len(points)))
        latest = count(data.get("metrics", []), f"m{write.number}", exactly=True)
        assert latest == bool(points), f"the latest value of write {write.number} and its history disagree"
        params = count(data.get("params", []), f"p{write.number}.")
        whole_or_absent(write, (len(points) or None, params, count(data.get("tags", []), f"t{write.number}.")))
    for write in sent.inputs:
        inputs = by_id[write.run_id].get("inputs", {}).get("dataset_inputs", [])
        mine = [it for it in inputs if it["dataset"]["name"] == f"d{write.number}"]
        tags = mine[0].get("tags", []) if mine else []
        whole_or_absent(write, (0 if mine else None, 0, count(tags, f"t{write.number}.")))


def whole_or_absent(write: Write, found: tuple[int | None, int, int]) -> None:
    if found == (write.metrics, write.params, write.tags):
        return
    assert not write.acknowledged, f"{write} was acknowledged, and {found} of it is there"
    assert found == (None, 0, 0), f"{write} is half there: {found}"


def count(items: list[dict], stem: str, *, exactly: bool = False) -> int:
    return sum(item["key"] == stem if exactly else item["key"].startswith(stem) for item in items)


def paged(server: tidegate.Server, experiment: str):
    token = ""
    while True:
        body = {"experiment_ids": [experiment], "max_results": 1000, "page_token": token}
        answer = server.post("/api/2.0/mlflow/runs/search", body)
        assert answer.status_code == 200, answer.text
        yield answer.json().get("runs", [])
        token = answer.json().get("next_page_token")
        if not token:
            return
