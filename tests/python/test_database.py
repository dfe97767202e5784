"""One database, two servers: what Tidegate wrote, MLflow reads, and the other way round."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest
import tidegate
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag


@pytest.fixture
def uri(tmp_path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


def write(client: MlflowClient) -> str:
    experiment = client.create_experiment("shared", tags={"owner": "ada"})
    run_id = client.create_run(experiment, run_name="one", tags={"stage": "dev"}).info.run_id
    metrics = [Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(5)]
    client.log_batch(run_id, metrics, [Param("alpha", "0.5")], [RunTag("note", "ünïcode")])
    client.log_metric(run_id, "nan", float("nan"))
    client.set_terminated(run_id)
    return run_id


def read(client: MlflowClient, run_id: str) -> dict:
    experiment = client.get_experiment_by_name("shared")
    run = client.get_run(run_id)
    nan = run.data.metrics.pop("nan")
    return {
        "experiment": (experiment.tags["owner"], experiment.lifecycle_stage),
        "info": (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time, run.info.artifact_uri),
        "metrics": run.data.metrics,
        "nan": nan != nan,
        "history": [(it.step, it.value, it.timestamp) for it in client.get_metric_history(run_id, "loss")],
        "params": run.data.params,
        "tags": {key: run.data.tags[key] for key in ("stage", "note")},
        "found": [it.info.run_id for it in client.search_runs([experiment.experiment_id], "metrics.loss < 0.3")],
    }


def test_mlflow_reads_what_tidegate_wrote(tmp_path, uri):
    with tidegate.serve(tmp_path, gateway_config=None) as server:
        client = MlflowClient(server.url)
        run_id = write(client)
        ours = read(client, run_id)
    theirs = read(MlflowClient(uri), run_id)
    assert ours == theirs
    assert theirs["metrics"] == {"loss": 0.2}
    assert theirs["nan"]


def test_tidegate_reads_what_mlflow_wrote(tmp_path, uri):
    client = MlflowClient(uri)
    run_id = write(client)
    theirs = read(client, run_id)
    with tidegate.serve(tmp_path, gateway_config=None) as server:
        ours = read(MlflowClient(server.url), run_id)
    assert ours == theirs


def test_mlflow_finds_nothing_to_upgrade(tmp_path, uri):
    with tidegate.serve(tmp_path, gateway_config=None):
        pass
    before = dump(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "db", "upgrade", uri], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Running upgrade" not in done.stderr
    assert dump(tmp_path) == before


def dump(folder) -> list[tuple]:
    with sqlite3.connect(folder / "mlflow.db") as database:
        return sorted(database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"), key=str) + list(
            database.execute("SELECT version_num FROM alembic_version")
        )
