"""An ordinary training script, written for MLflow, against Tidegate: every value comes back as it was logged."""

from __future__ import annotations

import json

import mlflow
import numpy
import pandas
from mlflow.entities import Metric, Param, RunTag
from sklearn.linear_model import ElasticNet


def test_a_training_script_reads_back_what_it_logged(client, experiment, tmp_path):
    with mlflow.start_run(run_name="elastic", description="first try", tags={"team": "tides"}) as parent:
        mlflow.log_param("alpha", 0.5)
        mlflow.log_params({"l1_ratio": 0.1, "solver": "cd", "note": "naïve ∑ 値"})
        mlflow.log_metric("loss", 1.0, step=0)
        mlflow.log_metrics({"loss": 0.5, "accuracy": 0.75}, step=1)
        mlflow.log_metric("loss", 0.25, step=2)
        mlflow.set_tags({"stage": "dev", "owner": "ada"})
        mlflow.set_tag("stage", "prod")
        with mlflow.start_run(run_name="fold-1", nested=True) as child:
            mlflow.log_metric("loss", 9.0)

    run = client.get_run(parent.info.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "elastic"
    assert run.info.experiment_id == experiment
    assert run.info.end_time >= run.info.start_time
    assert run.data.params == {"alpha": "0.5", "l1_ratio": "0.1", "solver": "cd", "note": "naïve ∑ 値"}
    assert run.data.metrics == {"loss": 0.25, "accuracy": 0.75}
    assert {key: run.data.tags[key] for key in ("stage", "owner", "team", "mlflow.note.content")} == {
        "stage": "prod",
        "owner": "ada",
        "team": "tides",
        "mlflow.note.content": "first try",
    }

    history = client.get_metric_history(parent.info.run_id, "loss")
    assert [(it.step, it.value) for it in history] == [(0, 1.0), (1, 0.5), (2, 0.25)]
    assert client.get_metric_history(parent.info.run_id, "never-logged") == []

    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == parent.info.run_id
    children = mlflow.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert list(children.run_id) == [child.info.run_id]


def test_a_failing_script_leaves_a_failed_run(client, experiment):
    try:
        with mlflow.start_run() as run:
            raise ValueError("diverged")
    except ValueError:
        pass
    assert client.get_run(run.info.run_id).info.status == "FAILED"


def test_extreme_metric_values_survive(client, experiment):
    values = {
        "tiny": 5e-324,
        "huge": 1.7976931348623157e308,
        "third": 1 / 3,
        "negative_zero": -0.0,
        "nan": float("nan"),
    }
    with mlflow.start_run() as run:
        mlflow.log_metrics(values)
    read = client.get_run(run.info.run_id).data.metrics
    assert numpy.isnan(read.pop("nan"))
    assert read == {key: value for key, value in values.items() if key != "nan"}


def test_a_batch_is_logged_whole(client, experiment):
    run = client.create_run(experiment)
    metrics = [Metric("m", float(step), 1_700_000_000_000 + step, step) for step in range(900)]
    params = [Param(f"p{index}", str(index)) for index in range(100)]
    client.log_batch(run.info.run_id, metrics, params, [RunTag("t", "v")])

    read = client.get_run(run.info.run_id)
    assert read.data.metrics == {"m": 899.0}
    assert len(read.data.params) == 100 and read.data.params["p99"] == "99"
    assert read.data.tags["t"] == "v"
    history = client.get_metric_history(run.info.run_id, "m")
    assert [it.value for it in history] == [float(step) for step in range(900)]


def test_the_latest_metric_is_that_of_the_highest_step(client, experiment):
    run = client.create_run(experiment)
    for step, value in [(5, 0.5), (9, 0.9), (7, 0.7)]:
        client.log_metric(run.info.run_id, "m", value, step=step)
    assert client.get_run(run.info.run_id).data.metrics["m"] == 0.9


def test_artifacts_of_every_kind_come_back(client, experiment, tmp_path):
    (tmp_path / "out/deep").mkdir(parents=True)
    (tmp_path / "out/weights.bin").write_bytes(bytes(range(256)) * 4096)
    (tmp_path / "out/deep/ünïcode name.txt").write_text("tide")
    with mlflow.start_run() as run:
        mlflow.log_text("# report", "reports/report.md")
        mlflow.log_dict({"a": [1, 2.5, None]}, "config.json")
        mlflow.log_artifact(tmp_path / "out/weights.bin", "model")
        mlflow.log_artifacts(tmp_path / "out", "all")
        mlflow.log_table({"question": ["q1", "q2"], "score": [1, 0]}, "table.json")
    run_id = run.info.run_id

    listed = {file.path: (file.is_dir, file.file_size) for file in client.list_artifacts(run_id)}
    size = (tmp_path / "out/weights.bin").stat().st_size
    assert set(listed) == {"reports", "config.json", "model", "all", "table.json"}
    assert listed["reports"][0] and not listed["config.json"][0]
    assert [(it.path, it.file_size) for it in client.list_artifacts(run_id, "model")] == [("model/weights.bin", size)]

    assert mlflow.artifacts.load_text(f"runs:/{run_id}/reports/report.md") == "# report"
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/config.json") == {"a": [1, 2.5, None]}
    local = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="all", dst_path=str(tmp_path / "back"))
    back = {path.relative_to(local).as_posix(): path.read_bytes() for path in (tmp_path / "back/all").rglob("*.*")}
    assert back == {
        "weights.bin": (tmp_path / "out/weights.bin").read_bytes(),
        "deep/ünïcode name.txt": b"tide",
    }
    table = mlflow.load_table("table.json", run_ids=[run_id])
    assert table[["question", "score"]].to_dict("list") == {"question": ["q1", "q2"], "score": [1, 0]}

    client._tracking_client._get_artifact_repo(run_id).delete_artifacts("reports")
    assert "reports" not in {file.path for file in client.list_artifacts(run_id)}


def test_a_dataset_input_is_on_the_run(client, experiment):
    frame = pandas.DataFrame({"x": [1, 2, 3], "y": [2.0, 4.0, 6.0]})
    dataset = mlflow.data.from_pandas(frame, source="https://example.com/tides.csv", name="tides", targets="y")
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="training", tags={"split": "a"})

    [logged] = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("tides", dataset.digest)
    assert json.loads(logged.dataset.profile)["num_rows"] == 3
    assert {tag.key: tag.value for tag in logged.tags} == {"mlflow.data.context": "training", "split": "a"}
    assert len(mlflow.search_runs([experiment], "dataset.name = 'tides'")) == 1
    assert len(mlflow.search_runs([experiment], "dataset.name = 'other'")) == 0


def test_sklearn_autolog_records_a_fit(client, experiment):
    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        x = numpy.arange(40.0).reshape(20, 2)
        with mlflow.start_run() as run:
            ElasticNet(alpha=0.3, l1_ratio=0.25).fit(x, x.sum(axis=1))
    finally:
        mlflow.sklearn.autolog(disable=True)

    read = client.get_run(run.info.run_id)
    assert read.data.params["alpha"] == "0.3"
    assert read.data.params["l1_ratio"] == "0.25"
    assert read.data.tags["estimator_name"] == "ElasticNet"
    assert read.data.metrics["training_r2_score"] > 0.99
    assert "estimator.html" in {file.path for file in client.list_artifacts(run.info.run_id)}


def test_runs_and_experiments_are_deleted_and_restored(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    found = lambda: [run.info.run_id for run in client.search_runs([experiment])]  # noqa: E731
    client.delete_run(run_id)
    assert found() == []
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    client.restore_run(run_id)
    assert found() == [run_id]

    client.delete_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    client.restore_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "active"

    client.rename_experiment(experiment, "renamed by a test")
    assert client.get_experiment_by_name("renamed by a test").experiment_id == experiment
    client.set_experiment_tag(experiment, "purpose", "tides")
    assert client.get_experiment(experiment).tags["purpose"] == "tides"
    client.set_tag(run_id, "gone", "soon")
    client.delete_tag(run_id, "gone")
    assert "gone" not in client.get_run(run_id).data.tags
    client.update_run(run_id, status="KILLED", name="second name")
    assert (client.get_run(run_id).info.status, client.get_run(run_id).info.run_name) == ("KILLED", "second name")
