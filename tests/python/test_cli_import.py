"""`tidegate import` brings a file store that MLflow wrote into a database, with nothing lost."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import tidegate
from mlflow import MlflowClient
from mlflow.entities import ViewType

SAMPLE = Path(__file__).with_name("file_store_sample.py")
FILE_STORE = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("file-store") / "mlruns"
    env = tidegate.environment(FILE_STORE)
    subprocess.run([sys.executable, SAMPLE, folder], env=env, check=True, capture_output=True)
    return folder


@pytest.fixture
def mlruns(original, tmp_path) -> Path:
    return shutil.copytree(original, tmp_path / "mlruns")


def tables(database: Path) -> dict[str, list[str]]:
    """All rows, with the ids that are drawn anew replaced by the rows' places."""
    with sqlite3.connect(database) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        rows = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in names.fetchall()}
        drawn = connection.execute("SELECT dataset_uuid, 'dataset ' || name || digest FROM datasets").fetchall()
        drawn += connection.execute(
            "SELECT input_uuid, 'input ' || source_type || destination_type || destination_id FROM inputs"
        ).fetchall()
    known = dict(drawn)
    return {
        name: sorted(repr(tuple(known.get(value, value) for value in row)) for row in of)
        for name, of in rows.items()
    }


def counts(output: str) -> dict[str, tuple[int, ...]]:
    """The summary: kind -> imported, already there, failed."""
    rows = [re.split(r"[│┆]", line) for line in output.splitlines() if line.startswith("│")]
    return {it[1].strip(): tuple(int(cell) for cell in it[2:5]) for it in rows if it[2].strip().isdigit()}


def test_all_of_it_as_mlflow_migrates_it(mlruns, tmp_path):
    done = tidegate.run("import", mlruns, "--to", f"sqlite:///{tmp_path}/ours.db")
    assert done.code == 0, done.output
    assert counts(done.stdout) == {
        "experiments": (3, 0, 0),
        "runs": (5, 0, 0),
        "logged models": (1, 0, 0),
        "traces": (1, 0, 0),
    }
    assert "1 registered models were skipped" in done.stdout
    command = ["-m", "mlflow", "migrate-filestore", "--source", mlruns, "--target", f"sqlite:///{tmp_path}/theirs.db"]
    # It takes each line of a metric as a row of its own, also one that is there twice, which the key refuses.
    lines = mlruns.glob("*/*/metrics/twice")
    for file in lines:
        file.write_text("".join(dict.fromkeys(file.read_text().splitlines(keepends=True))))
    theirs = subprocess.run(
        [sys.executable, *command], env=tidegate.environment(FILE_STORE), capture_output=True, text=True, check=False
    )
    assert theirs.returncode == 0, theirs.stderr
    ours, theirs = tables(tmp_path / "ours.db"), tables(tmp_path / "theirs.db")
    # MLflow reads values with line ends of all kinds as "\n"; the client that wrote them reads them as they are.
    theirs["params"] = [it.replace("a\\nb\\n", "a\\r\\nb\\n") for it in theirs["params"]]
    # It loses the times of assessments, and expectations that are objects; a client's eyes see below that they are kept.
    for table in ours.keys() - {"registered_models", "assessments"}:
        assert ours[table] == theirs[table], table


def read(client: MlflowClient, experiment_ids: list[str]) -> dict:
    """Everything that a client sees, apart from what the kind of store decides."""
    runs = client.search_runs(experiment_ids, run_view_type=ViewType.ALL, max_results=1000)
    experiments = [client.get_experiment(id) for id in experiment_ids]
    return {
        "experiments": {
            it.experiment_id: (it.name, it.artifact_location, it.lifecycle_stage, it.creation_time, it.tags)
            for it in experiments
        },
        "infos": {it.info.run_id: {k: v for k, v in dict(it.info).items() if k != "run_uuid"} for it in runs},
        "params": {it.info.run_id: it.data.params for it in runs},
        "tags": {it.info.run_id: it.data.tags for it in runs},
        "inputs": {
            it.info.run_id: (
                [(d.dataset.to_dictionary(), {t.key: t.value for t in d.tags}) for d in it.inputs.dataset_inputs],
                [m.model_id for m in it.inputs.model_inputs],
                [(m.model_id, m.step) for m in it.outputs.model_outputs],
            )
            for it in runs
        },
        "history": {
            (it.info.run_id, key): sorted(
                (m.step, m.timestamp, repr(max(min(m.value, sys.float_info.max), -sys.float_info.max) + 0.0))
                for m in client.get_metric_history(it.info.run_id, key)
            )
            for it in runs
            for key in it.data.metrics
        },
        "models": {
            it.model_id: (it.name, it.params, it.tags, it.status, it.source_run_id, it.creation_timestamp)
            for it in client.search_logged_models(experiment_ids)
        },
        "traces": {
            it.info.trace_id: (
                it.info.request_time,
                it.info.execution_duration,
                it.info.state,
                it.info.request_preview,
                it.info.tags,
                it.info.trace_metadata,
                sorted(repr(assessment.to_dictionary()) for assessment in it.info.assessments),
            )
            for it in client.search_traces(experiment_ids, include_spans=False)
        },
    }


def test_a_client_reads_the_same_from_both(mlruns, tmp_path, monkeypatch):
    """The file store was moved, so that its own client finds it where it is now."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert tidegate.run("import", mlruns, "--to", uri).code == 0
    ids = [path.parent.name for path in mlruns.glob("*/meta.yaml")] + [
        path.parent.name for path in mlruns.glob(".trash/*/meta.yaml")
    ]
    for key, value in FILE_STORE.items():
        monkeypatch.setenv(key, value)
    before = read(MlflowClient(str(mlruns)), ids)
    with tidegate.serve(tmp_path, gateway_config=None) as server:
        after = read(MlflowClient(server.url), ids)
    assert len(before["infos"]) == 5 and len(before["history"]) > 5 and len(before["models"]) == 1
    assert len(before["traces"]) == 1
    # MLflow's file store forgets the step of a value that names a dataset when it reads it; the test above sees it kept.
    (named,) = [key for key in before["history"] if key[1] == "accuracy"]
    assert [it[0] for it in before["history"].pop(named)] == [0, 1]
    assert [it[0] for it in after["history"].pop(named)] == [1, 2]
    # A value that was written twice is one value in a database.
    (twice,) = [key for key in before["history"] if key[1] == "twice"]
    before["history"][twice] = sorted(set(before["history"][twice]))
    for part in before:
        assert after[part] == before[part], part


def test_again_changes_nothing_and_what_is_new_is_added(mlruns, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    (run,) = [it.parent for it in mlruns.glob("*/*/meta.yaml") if "run_name: first" in it.read_text()]
    aside = tmp_path / "aside"
    shutil.move(run, aside)
    assert counts(tidegate.run("import", mlruns, "--to", uri).stdout)["runs"] == (4, 0, 0)
    shutil.move(aside, run)
    again = tidegate.run("import", mlruns.parent, "--to", uri)
    assert again.code == 0 and counts(again.stdout)["runs"] == (1, 4, 0), again.output
    before = tables(tmp_path / "mlflow.db")
    third = tidegate.run("import", mlruns, "--to", uri)
    assert [it[0] for it in counts(third.stdout).values()] == [0, 0, 0, 0]
    assert tables(tmp_path / "mlflow.db") == before


def test_broken_files_are_named_and_the_rest_goes_on(mlruns, tmp_path):
    (experiment,) = [it.parent for it in mlruns.glob("*/meta.yaml") if "name: tides" in it.read_text()]
    metas = {it: it.read_text() for it in experiment.glob("*/meta.yaml")}
    (first,) = [it for it, text in metas.items() if "run_name: first" in text]
    (second,) = [it for it, text in metas.items() if "run_name: '123'" in text]
    with (first.parent / "metrics/loss").open("a") as file:
        file.write("1700000000000 not-a-number 3\n")
    second.write_text("status: [\n")
    (mlruns / ".trash").joinpath(next((mlruns / ".trash").iterdir()).name, "meta.yaml").write_text("nothing: 1\n")
    done = tidegate.run("import", mlruns, "--to", f"sqlite:///{tmp_path}/mlflow.db")
    assert done.code == 1
    assert f"{first.parent}/metrics/loss, line 6001: `1700000000000 not-a-number 3`" in done.stderr
    assert str(second) in done.stderr and "panicked" not in done.stderr
    assert counts(done.stdout)["runs"] == (2, 0, 3)
    assert counts(done.stdout)["experiments"] == (2, 0, 1)
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM metrics WHERE run_uuid = ?", (first.parent.name,)).fetchone() == (0,)


def test_artifacts_are_copied_when_asked(mlruns, tmp_path):
    destination = tmp_path / "artifacts"
    flags = ["--copy-artifacts", "--artifacts-destination", destination]
    done = tidegate.run("import", mlruns, "--to", f"sqlite:///{tmp_path}/mlflow.db", *flags)
    assert done.code == 0, done.output
    shutil.rmtree(mlruns)
    with tidegate.serve(tmp_path, gateway_config=None) as server:
        client = MlflowClient(server.url)
        experiment = client.get_experiment_by_name("tides")
        assert experiment.artifact_location == f"mlflow-artifacts:/{experiment.experiment_id}"
        (run,) = client.search_runs([experiment.experiment_id], "attributes.run_name = 'first'")
        assert run.info.artifact_uri == f"{experiment.artifact_location}/{run.info.run_id}/artifacts"
        path = client.download_artifacts(run.info.run_id, "folder/report.md", tmp_path)
        assert Path(path).read_text() == "hello"
        (trace,) = client.search_traces([experiment.experiment_id], include_spans=False)
        assert trace.info.tags["mlflow.artifactLocation"].startswith("mlflow-artifacts:/")


def test_experiments_that_share_a_name_become_one_and_an_id_that_is_taken_changes(mlruns, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tidegate.run("experiments", "create", "-n", "tides", "--tracking-uri", uri)
    (binned,) = (mlruns / ".trash").iterdir()
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (?, 'other', 'active')", (binned.name,)
        )
    done = tidegate.run("import", mlruns, "--to", uri)
    assert done.code == 0, done.output
    assert f"experiment {binned.name} has the id" in done.stderr
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        runs = connection.execute(
            "SELECT experiments.name, COUNT(*) FROM runs JOIN experiments USING (experiment_id) GROUP BY 1 ORDER BY 1"
        )
        assert runs.fetchall() == [("binned", 1), ("tides", 4)]


@pytest.mark.parametrize("content", [None, {}, {"7/notes.txt": "x"}])
def test_what_is_no_file_store_is_refused_and_no_database_is_made(tmp_path, content):
    folder = tmp_path / "there"
    for name, text in (content or {}).items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    if content == {}:
        folder.mkdir()
    done = tidegate.run("import", folder, "--to", f"sqlite:///{tmp_path}/mlflow.db")
    assert done.code != 0 and str(folder) in done.stderr
    assert not (tmp_path / "mlflow.db").exists()
    assert os.listdir(tmp_path) in ([], ["there"])
