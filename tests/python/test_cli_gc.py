"""`tidegate gc` leaves a database as `mlflow gc` does, table by table, and the same files."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time

import mlflow
import pytest
import tidegate
from mlflow import MlflowClient
from mlflow.entities import LoggedModelInput, LoggedModelOutput, Metric, Param, RunTag
from mlflow.entities.logged_model_status import LoggedModelStatus

MLFLOW = [sys.executable, "-m", "mlflow"]


def tables(database) -> dict[str, list[tuple]]:
    """All rows of all tables."""
    with sqlite3.connect(database) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return {
            name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"'))) for (name,) in names.fetchall()
        }


def files(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def written(filled):
    """The database below as it was written, whatever the test before did to it."""
    root, aside, ids = filled
    shutil.rmtree(root)
    shutil.copytree(aside, root)
    return root, aside, ids


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A database with things in use and in the bin, of every kind, and their artifacts; and a copy aside."""
    root = tmp_path_factory.mktemp("gc") / "one"
    root.mkdir()
    uri = f"sqlite:///{root}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    ids: dict[str, str] = {}
    for stage in ("kept", "gone"):
        experiment = client.create_experiment(stage, artifact_location=f"{root}/files/{stage}", tags={"a": "b"})
        ids[f"{stage} experiment"] = experiment
        mlflow.set_experiment(experiment_id=experiment)
        for part in ("stays", "goes"):
            with mlflow.start_run(run_name=part) as run:
                run_id = ids[f"{stage} {part}"] = run.info.run_id
                client.log_batch(run_id, [Metric("loss", 1 / (it + 1), it, it) for it in range(50)], [Param("p", "1")])
                client.log_batch(run_id, tags=[RunTag("t", "x")])
                mlflow.log_input(mlflow.data.from_numpy(__import__("numpy").zeros(3), name="d"), context="training")
                mlflow.log_text("text", "folder/file.txt")
                model = client.create_logged_model(
                    experiment, f"model-{part}", source_run_id=run_id, params={"p": "1"}, tags={"t": "1"}
                )
                client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
                ids[f"{stage} model {part}"] = model.model_id
                client.log_metric(run_id, "acc", 0.9, model_id=model.model_id)
                client.log_inputs(run_id, models=[LoggedModelInput(model.model_id)])
                client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 1)])
                folder = root / "files" / stage / "models" / model.model_id / "artifacts"
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "MLmodel").write_text("x")

        @mlflow.trace
        def traced(it):
            return it + 1

        traced(1)
        trace = mlflow.get_last_active_trace_id()
        mlflow.flush_trace_async_logging()
        mlflow.log_feedback(trace_id=trace, name="good", value=True)
        client.delete_run(ids[f"{stage} goes"])
        client.delete_logged_model(ids[f"{stage} model goes"])
    client.delete_experiment(ids["gone experiment"])
    aside = root.with_name("aside")
    shutil.copytree(root, aside)
    return root, aside, ids


def both(root, aside, *flags: str):
    """Lets MLflow empty the bin, and Tidegate that of a copy in the same place; gives what was left by each."""
    uri = f"sqlite:///{root}/mlflow.db"
    theirs = subprocess.run(
        [*MLFLOW, "gc", "--backend-store-uri", uri, *flags],
        env=tidegate.environment({"MLFLOW_TRACKING_URI": uri}),
        capture_output=True,
        text=True,
        check=False,
    )
    left_by_mlflow = tables(root / "mlflow.db"), files(root / "files")
    shutil.rmtree(root)
    shutil.copytree(aside, root)
    ours = tidegate.run("gc", "--backend-store-uri", uri, *flags)
    left_by_tidegate = tables(root / "mlflow.db"), files(root / "files")
    return theirs, left_by_mlflow, ours, left_by_tidegate


def test_everything_in_the_bin_goes_as_with_mlflow(written):
    root, aside, _ = written
    before = tables(root / "mlflow.db")
    theirs, left_by_mlflow, ours, left_by_tidegate = both(root, aside)
    assert theirs.returncode == 0, theirs.stderr
    assert ours.code == 0, ours.output
    for table, rows in left_by_mlflow[0].items():
        assert left_by_tidegate[0][table] == rows, table
    assert left_by_tidegate[1] == left_by_mlflow[1]
    assert len(left_by_tidegate[0]["runs"]) == 1 and len(before["runs"]) == 4
    assert len(left_by_tidegate[0]["experiments"]) == len(before["experiments"]) - 1
    said = lambda text: sorted(line for line in text.splitlines() if "permanently deleted" in line)  # noqa: E731
    assert said(ours.stdout) == said(theirs.stdout)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--run-ids", "{kept stays}"], "Run {kept stays} is not in `deleted` lifecycle stage."),
        (["--run-ids", "none"], "Run with id=none not found"),
        (["--experiment-ids", "{kept experiment}"], "Experiments ['{kept experiment}'] are not in the deleted lifecycle stage."),
        (["--logged-model-ids", "{kept model stays}"], "Logged model {kept model stays} is not in `deleted` lifecycle stage."),
        (["--older-than", "1d", "--run-ids", "{kept goes}"], "Run {kept goes} is not older than the required age. Only runs older than 1d"),
        (["--older-than", "1d", "--experiment-ids", "{gone experiment}"], "Experiments ['{gone experiment}'] are not older than the required age."),
        (["--older-than", "yesterday"], "Could not parse any time information from 'yesterday'."),
    ],
)
def test_what_must_not_go_is_refused_in_mlflows_words(written, flags, says):
    root, _, ids = written
    flags, says = [flag.format(**ids) for flag in flags], says.format(**ids)
    before = tables(root / "mlflow.db"), files(root / "files")
    uri = f"sqlite:///{root}/mlflow.db"
    ours = tidegate.run("gc", "--backend-store-uri", uri, *flags)
    assert ours.code in (1, 2) and says in ours.stderr, ours.output
    assert (tables(root / "mlflow.db"), files(root / "files")) == before, "a refusal changes nothing"
    theirs = subprocess.run(
        [*MLFLOW, "gc", "--backend-store-uri", uri, *flags],
        env=tidegate.environment({"MLFLOW_TRACKING_URI": uri}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert theirs.returncode != 0 and says in theirs.stderr, theirs.stderr


def test_age_counts(written, tmp_path):
    root, _, ids = written
    with sqlite3.connect(root / "mlflow.db") as connection:
        old = int(time.time() * 1000) - 3 * 86_400_000
        connection.execute("UPDATE runs SET deleted_time = ? WHERE run_uuid = ?", (old, ids["kept goes"]))
    aside = shutil.copytree(root, tmp_path / "aside")
    theirs, left_by_mlflow, ours, left_by_tidegate = both(root, aside, "--older-than", "2d12h")
    assert theirs.returncode == 0 and ours.code == 0, ours.output
    assert left_by_tidegate == left_by_mlflow
    assert ours.stdout.splitlines() == [f"Run with ID {ids['kept goes']} has been permanently deleted."]


def test_a_dry_run_deletes_nothing(written):
    root, _, ids = written
    before = tables(root / "mlflow.db"), files(root / "files")
    shown = tidegate.run("gc", "--backend-store-uri", f"sqlite:///{root}/mlflow.db", "--dry-run")
    assert shown.code == 0
    assert all(ids[it] in shown.stdout for it in ("kept goes", "gone stays", "gone goes", "kept model goes"))
    assert "3 runs, 2 logged models, 1 experiments, 0 jobs" in shown.stdout
    assert (tables(root / "mlflow.db"), files(root / "files")) == before


def test_artifacts_behind_a_server_and_a_crash_in_between(tmp_path):
    """Files that cannot be deleted keep their rows; the next run of the command goes on."""
    with tidegate.serve(tmp_path, gateway_config=None) as server:
        client = MlflowClient(server.url)
        experiment = client.create_experiment("served")
        run_id = client.create_run(experiment).info.run_id
        client.log_text(run_id, "text", "file.txt")
        client.delete_run(run_id)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folder = tmp_path / "artifacts" / experiment / run_id
    assert (folder / "artifacts/file.txt").is_file()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    lost = tidegate.run("gc", "--backend-store-uri", uri, cwd=elsewhere)
    assert lost.code == 2 and "--artifacts-destination" in lost.stderr
    dead = tidegate.run("gc", "--backend-store-uri", uri, "--tracking-uri", "http://127.0.0.1:9", cwd=elsewhere)
    assert dead.code == 1 and run_id in dead.stderr and "could not be deleted" in dead.stderr
    assert len(tables(tmp_path / "mlflow.db")["runs"]) == 1
    done = tidegate.run("gc", "--backend-store-uri", uri, "--artifacts-destination", tmp_path / "artifacts", cwd=elsewhere)
    assert done.code == 0, done.output
    assert tables(tmp_path / "mlflow.db")["runs"] == []
    assert not (folder / "artifacts").exists()


def test_jobs_go_only_when_asked(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tidegate.run("experiments", "create", "-n", "x", "--tracking-uri", uri)
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        for place, status in enumerate([0, 1, 2, 3, 4, 5, 6]):
            connection.execute(
                "INSERT INTO jobs (id, creation_time, job_name, params, status, retry_count, last_update_time) "
                "VALUES (?, ?, 'f', '{}', ?, 0, 1)",
                (f"job{place}", place, status),
            )
    assert "nothing to delete" in tidegate.run("gc", "--backend-store-uri", uri).stdout
    one = tidegate.run("gc", "--backend-store-uri", uri, "--job-ids", "job2,job1")
    assert one.stdout.splitlines() == ["Job with ID job2 has been permanently deleted."]
    rest = tidegate.run("gc", "--backend-store-uri", uri, "--jobs")
    assert rest.stdout.splitlines() == [f"Job with ID job{it} has been permanently deleted." for it in (3, 4, 5)]
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        assert [it for (it,) in connection.execute("SELECT id FROM jobs ORDER BY id")] == ["job0", "job1", "job6"]
