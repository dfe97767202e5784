"""The command line on PostgreSQL and MySQL: what holds on SQLite holds there, apart from what their numbers can hold."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tidegate
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from test_cli_import import FILE_STORE, SAMPLE, counts

databases = pytest.importorskip("databases")


@pytest.fixture(scope="module")
def made():
    made = databases.Databases()
    yield made
    made.close()


@pytest.fixture(params=["postgresql", "mysql"])
def uri(request, made, tmp_path) -> str:
    return made.fresh(request.param, tmp_path)


def done(*args) -> str:
    finished = tidegate.run(*args)
    assert finished.code == 0, finished.output
    return finished.stdout


def test_check_upgrade_and_verbs(uri, tmp_path):
    password = databases.sqlalchemy.make_url(uri).password
    empty = tidegate.run("db", "check", uri)
    assert empty.code == 1 and "is empty" in empty.stdout and password not in empty.output
    assert "created" in done("db", "upgrade", uri)
    assert "nothing to do" in done("db", "upgrade", uri)
    place = ["--tracking-uri", uri, "--artifacts-destination", tmp_path / "artifacts"]
    id = done("experiments", "create", "-n", "tides", *place).split()[-1]
    run_id = json.loads(done("runs", "create", "-x", id, "--run-name", "by-hand", *place))["run_id"]
    (tmp_path / "file.txt").write_text("text")
    done("artifacts", "log-artifact", "-r", run_id, "-l", tmp_path / "file.txt", *place)
    assert "file.txt" in done("artifacts", "list", "-r", run_id, *place)
    listed = json.loads(done("runs", "list", "-x", id, "--filter", "attributes.run_name = 'by-hand'", "--json", *place))
    assert [it["info"]["run_id"] for it in listed] == [run_id]
    assert len(done("experiments", "csv", "-x", id, *place).splitlines()) == 2
    report = json.loads(done("db", "check", uri, "--json"))
    assert report["is_current"] and report["rows"]["runs"] == 1 and password not in json.dumps(report)
    databases.execute(uri, "UPDATE alembic_version SET version_num = '75868b020152'")
    refused = tidegate.run("db", "upgrade", uri)
    assert refused.code != 0 and "mlflow db upgrade" in refused.stderr and password not in refused.stderr


def test_a_file_store_comes_in_with_shorter_ids(uri, tmp_path):
    mlruns = tmp_path / "mlruns"
    env = tidegate.environment(FILE_STORE)
    subprocess.run([sys.executable, SAMPLE, mlruns], env=env, check=True, capture_output=True)
    first = tidegate.run("import", mlruns, "--to", uri)
    assert first.code == 0, first.output
    assert first.stderr.count("has the id") == 2, "the two ids of 18 digits"
    assert counts(first.stdout)["runs"] == (5, 0, 0) and counts(first.stdout)["traces"] == (1, 0, 0)
    again = tidegate.run("import", mlruns, "--to", uri)
    assert [it[0] for it in counts(again.stdout).values()] == [0, 0, 0, 0], again.output
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tides")
    (run,) = client.search_runs([experiment.experiment_id], "attributes.run_name = 'first'")
    assert run.data.params == {"alpha": "0.5", "deep/er": "x", "lines": "a\r\nb\n", "empty": ""}
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 6000
    assert run.inputs.dataset_inputs[0].dataset.name == "some_data"
    # Ids that MLflow draws from the database do not meet those that came in.
    assert int(client.create_experiment("next")) > int(experiment.experiment_id)


def test_gc_leaves_what_mlflow_leaves(made, uri, tmp_path):
    """The same is written twice; MLflow empties one bin, Tidegate the other."""
    kind = "postgresql" if uri.startswith("postgresql") else "mysql"
    other = made.fresh(kind, tmp_path)

    def fill(uri: str) -> dict[str, str]:
        client = MlflowClient(uri)
        ids = {}
        for stage in ("kept", "gone"):
            ids[stage] = client.create_experiment(stage, artifact_location=f"{tmp_path}/{stage}")
            for part in ("stays", "goes"):
                run_id = client.create_run(ids[stage], run_name=part).info.run_id
                client.log_batch(run_id, [Metric("loss", 0.5, it, it) for it in range(20)], [Param("p", "1")])
                model = client.create_logged_model(ids[stage], source_run_id=run_id, params={"p": "1"}, tags={"t": "1"})
                client.log_metric(run_id, "acc", 0.9, model_id=model.model_id)
                if part == "goes":
                    client.delete_run(run_id)
                    client.delete_logged_model(model.model_id)
        client.delete_experiment(ids["gone"])
        return ids

    def rows(uri: str) -> dict[str, int]:
        names = ["experiments", "runs", "metrics", "latest_metrics", "params", "tags", "inputs", "logged_models"]
        names += ["logged_model_metrics", "logged_model_params", "logged_model_tags"]
        return {name: databases.execute(uri, f"SELECT COUNT(*) FROM {name}")[0][0] for name in names}

    fill(uri), fill(other)
    env = tidegate.environment({"MLFLOW_TRACKING_URI": other, "MLFLOW_DISABLE_TELEMETRY": "true"})
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", other]
    theirs = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert theirs.returncode == 0, theirs.stderr
    ours = done("gc", "--backend-store-uri", uri)
    assert ours.count("permanently deleted") == theirs.stdout.count("permanently deleted") == 6
    assert rows(uri) == rows(other)
    assert rows(uri)["runs"] == 1


def test_artifacts_of_an_import_are_copied(uri, tmp_path):
    mlruns = tmp_path / "mlruns"
    env = tidegate.environment(FILE_STORE)
    subprocess.run([sys.executable, SAMPLE, mlruns], env=env, check=True, capture_output=True)
    done("import", mlruns, "--to", uri, "--copy-artifacts", "--artifacts-destination", tmp_path / "artifacts")
    shutil.rmtree(mlruns)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tides")
    (run,) = client.search_runs([experiment.experiment_id], "attributes.run_name = 'first'")
    place = ["--tracking-uri", uri, "--artifacts-destination", tmp_path / "artifacts"]
    done("artifacts", "download", "-r", run.info.run_id, "-a", "folder", "-d", tmp_path / "got", *place)
    assert Path(tmp_path / "got/folder/report.md").read_text() == "hello"
