"""`tidegate experiments|runs|artifacts`: the same verbs on a server, on a database, and on MLflow's own server."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import subprocess
import sys
import time

import pandas as pd
import pytest
import requests
import tidegate
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

MLFLOW = [sys.executable, "-m", "mlflow"]
START_S = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory):
    """A real `mlflow server`."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    url = f"http://127.0.0.1:{free_port()}"
    flags = ["--backend-store-uri", f"sqlite:///{folder}/m.db", "--artifacts-destination", f"{folder}/artifacts"]
    process = subprocess.Popen(
        [*MLFLOW, "server", "--host", "127.0.0.1", "--port", url.rsplit(":", 1)[1], "--workers", "1", *flags],
        cwd=folder,
        env=tidegate.environment({"MLFLOW_DISABLE_TELEMETRY": "true"}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def is_up() -> bool:
        try:
            return requests.get(f"{url}/health", timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        tidegate.eventually(is_up, START_S)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait()


@pytest.fixture(params=["server", "database", "mlflow"])
def place(request, tmp_path):
    """Where the verbs work: the flags that say so."""
    if request.param == "database":
        yield ["--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", str(tmp_path / "artifacts")]
    elif request.param == "server":
        with tidegate.serve(tmp_path, gateway_config=None) as server:
            yield ["--tracking-uri", server.url]
    else:
        yield ["--tracking-uri", request.getfixturevalue("mlflow_server")]


def name() -> str:
    return f"tides-{time.time_ns()}"


def done(*args) -> str:
    """Runs a verb that must succeed and gives what it printed."""
    finished = tidegate.run(*args)
    assert finished.code == 0, finished.output
    return finished.stdout


def test_an_experiment_from_creation_to_restoration(place):
    called = name()
    created = done("experiments", "create", "-n", called, "-t", "team=sea", *place)
    id = created.split()[-1]
    assert created.strip() == f"Created experiment '{called}' with id {id}"

    shown = json.loads(done("experiments", "get", "-x", id, "--json", *place))
    assert (shown["name"], shown["lifecycle_stage"]) == (called, "active")
    assert {tag["key"]: tag["value"] for tag in shown["tags"]} == {"team": "sea"}
    assert json.loads(done("experiments", "get", "-n", called, "--output", "json", *place)) == shown
    assert called in done("experiments", "get", "-x", id, *place)

    done("experiments", "rename", "-x", id, "--new-name", f"{called}-new", *place)
    found = json.loads(done("experiments", "search", "--filter", f"name = '{called}-new'", "--json", *place))
    assert [it["experiment_id"] for it in found] == [id]

    assert f"restore -x {id}" in done("experiments", "delete", "-x", id, *place)
    assert json.loads(done("experiments", "search", "--filter", f"name LIKE '{called}%'", "--json", *place)) == []
    binned = json.loads(done("experiments", "list", "-v", "deleted_only", "--json", *place))
    assert id in [it["experiment_id"] for it in binned]
    done("experiments", "restore", "-x", id, *place)
    assert json.loads(done("experiments", "get", "-x", id, "--json", *place))["lifecycle_stage"] == "active"


def test_a_run_from_creation_to_restoration(place):
    called = name()
    flags = ["--run-name", "by-hand", "-t", "k=v=w", "--description", "why", "--status", "failed", "--parent-run-id", "p"]
    created = json.loads(done("runs", "create", "--experiment-name", called, *flags, *place))
    run_id, experiment = created["run_id"], created["experiment_id"]
    assert created == {"run_id": run_id, "run_name": "by-hand", "experiment_id": experiment, "status": "FAILED"}

    run = json.loads(done("runs", "describe", "--run-id", run_id, "--json", *place))
    assert run["info"]["status"] == "FAILED" and run["info"]["end_time"]
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert tags == tags | {"k": "v=w", "mlflow.note.content": "why", "mlflow.parentRunId": "p"}
    table = done("runs", "describe", "--run-id", run_id, *place)
    assert "by-hand" in table and "v=w" in table

    listed = json.loads(done("runs", "list", "--experiment-id", experiment, "--json", *place))
    assert [it["info"]["run_id"] for it in listed] == [run_id]
    assert run_id in done("runs", "list", "--experiment-id", experiment, *place)
    assert f"restore --run-id {run_id}" in done("runs", "delete", "--run-id", run_id, *place)
    assert json.loads(done("runs", "list", "--experiment-id", experiment, "--json", *place)) == []
    assert len(json.loads(done("runs", "list", "--experiment-id", experiment, "-v", "all", "--json", *place))) == 1
    done("runs", "restore", "--run-id", run_id, *place)
    assert len(json.loads(done("runs", "list", "--experiment-id", experiment, "--json", *place))) == 1


def test_artifacts_there_and_back(place, tmp_path):
    run_id = json.loads(done("runs", "create", "--experiment-name", name(), *place))["run_id"]
    local = tmp_path / "local"
    (local / "deep/er").mkdir(parents=True)
    (local / "one.txt").write_text("one")
    big = os.urandom(3_000_000)
    (local / "deep/er/two ü.bin").write_bytes(big)
    done("artifacts", "log-artifacts", "-l", local, "-r", run_id, "-a", "into", *place)
    done("artifacts", "log-artifact", "-l", local / "one.txt", "-r", run_id, *place)

    listed = json.loads(done("artifacts", "list", "-r", run_id, "--json", *place))
    assert listed == [{"path": "into", "is_dir": True}, {"path": "one.txt", "is_dir": False, "file_size": 3}]
    listed = json.loads(done("artifacts", "list", "-r", run_id, "-a", "into/deep/er", "--json", *place))
    assert listed == [{"path": "into/deep/er/two ü.bin", "is_dir": False, "file_size": len(big)}]

    target = tmp_path / "downloaded"
    done("artifacts", "download", "-r", run_id, "-d", target, *place)
    assert (target / "into/deep/er/two ü.bin").read_bytes() == big
    assert (target / "one.txt").read_text() == "one"
    done("artifacts", "download", "-u", f"runs:/{run_id}/into/deep", "-d", target / "part", *place)
    assert (target / "part/deep/er/two ü.bin").read_bytes() == big
    done("artifacts", "download", "-r", run_id, "-a", "one.txt", "-d", target / "file", *place)
    assert (target / "file/one.txt").read_text() == "one"

    missing = tidegate.run("artifacts", "download", "-r", run_id, "-a", "none.txt", "-d", target, *place)
    assert missing.code == 1 and "none.txt" in missing.stderr
    assert not (target / "none.txt").exists()


def test_refusals_say_what_to_do(place):
    done("experiments", "create", "-n", name(), *place)
    for args, words in [
        (["experiments", "get", "-x", "424242"], ["424242", "experiments search"]),
        (["experiments", "get", "-n", "no such"], ["no such", "experiments search"]),
        (["experiments", "delete", "-x", "424242"], ["424242"]),
        (["experiments", "csv", "-x", "424242"], ["424242"]),
        (["runs", "describe", "--run-id", "none"], ["`none`", "runs list"]),
        (["runs", "delete", "--run-id", "none"], ["`none`"]),
        (["runs", "list", "--experiment-id", "424242"], ["424242"]),
        (["runs", "create", "--experiment-id", "424242"], ["424242"]),
        (["artifacts", "list", "-r", "none"], ["`none`"]),
    ]:
        finished = tidegate.run(*args, *place)
        assert finished.code == 1, (args, finished.output)
        assert all(word in finished.stderr for word in words), (args, finished.stderr)
        assert finished.stdout == ""


def test_csv_is_that_of_mlflow(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("csv")
    for place in range(3):
        run_id = client.create_run(experiment, run_name=f"run {place}", start_time=1_700_000_000_000 + place).info.run_id
        client.log_batch(run_id, [Metric("loss", 1 / (place + 3), 1, 0), Metric("odd: a/b c", float(place), 1, 0)])
        client.log_batch(run_id, params=[Param(f"only {place}", 'a "quoted", one\nwith two lines')])
        client.log_batch(run_id, tags=[RunTag("note", "ünïcode")])
        if place:
            client.log_metric(run_id, "nan", float("nan"))
            client.set_terminated(run_id, end_time=1_700_000_001_000)
    theirs = tmp_path / "theirs.csv"
    subprocess.run(
        [*MLFLOW, "experiments", "csv", "-x", experiment, "-o", theirs],
        env=tidegate.environment({"MLFLOW_TRACKING_URI": uri}),
        check=True,
        capture_output=True,
    )
    ours = tmp_path / "ours.csv"
    done("experiments", "csv", "-x", experiment, "-o", ours, "--tracking-uri", uri)
    expected, found = pd.read_csv(theirs), pd.read_csv(ours)
    # pandas leaves the milliseconds out where a whole column has none; ours always writes them.
    for frame in (expected, found):
        for column in ("start_time", "end_time"):
            frame[column] = pd.to_datetime(frame[column], format="ISO8601")
    pd.testing.assert_frame_equal(found[expected.columns], expected)
    assert sorted(found.columns) == sorted(expected.columns)
    printed = done("experiments", "csv", "-x", experiment, "--tracking-uri", uri)
    assert list(csv.reader(io.StringIO(printed))) == list(csv.reader(ours.open(newline="")))


def test_many_runs_come_in_pages(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with tidegate.serve(tmp_path, gateway_config=None) as server:
        experiment = server.post("/api/2.0/mlflow/experiments/create", {"name": "many"}).json()["experiment_id"]
        for place in range(2050):
            body = {"experiment_id": experiment, "start_time": place, "run_name": f"run {place}"}
            assert server.post("/api/2.0/mlflow/runs/create", body).ok
    listed = json.loads(done("runs", "list", "-x", experiment, "--json", "--tracking-uri", uri))
    assert len({it["info"]["run_id"] for it in listed}) == 2050
    table = done("runs", "list", "-x", experiment, "--tracking-uri", uri)
    assert "The first 1000 are shown" in table and "run 2049" in table and "run 3 " not in table
    few = json.loads(done("runs", "list", "-x", experiment, "--max-results", "7", "--json", "--tracking-uri", uri))
    assert [it["info"]["run_name"] for it in few] == [f"run {place}" for place in range(2049, 2042, -1)]
    assert len(done("experiments", "csv", "-x", experiment, "--tracking-uri", uri).splitlines()) == 2051


def test_a_mistyped_database_is_not_created(tmp_path):
    uri = f"sqlite:///{tmp_path}/typo.db"
    for args in (["experiments", "search"], ["runs", "delete", "--run-id", "x"], ["artifacts", "list", "-r", "x"]):
        finished = tidegate.run(*args, "--tracking-uri", uri)
        assert finished.code == 2 and "typo.db" in finished.stderr
    assert not (tmp_path / "typo.db").exists()


def test_a_folder_and_a_dead_server_are_told(tmp_path):
    folder = tidegate.run("experiments", "search", "--tracking-uri", tmp_path)
    assert folder.code == 2 and "tidegate import" in folder.stderr
    dead = tidegate.run("experiments", "search", "--tracking-uri", f"http://user:secret@127.0.0.1:{free_port()}")
    assert dead.code == 2 and "cannot be reached" in dead.stderr and "secret" not in dead.stderr
