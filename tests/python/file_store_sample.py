"""Fills a folder with MLflow's file store, by MLflow itself: `python file_store_sample.py FOLDER`.

A program of its own, since MLflow asks to be allowed to use a file store before it is imported.
"""

from __future__ import annotations

import math
import os
import sys

os.environ |= {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}

import mlflow
import numpy
from mlflow import MlflowClient
from mlflow.entities import LoggedModelInput, LoggedModelOutput, Metric


def fill(folder: str) -> None:
    mlflow.set_tracking_uri(folder)
    client = MlflowClient()
    experiment = mlflow.set_experiment("tides")
    client.set_experiment_tag(experiment.experiment_id, "team", "sea")
    with mlflow.start_run(run_name="first") as run:
        id = run.info.run_id
        mlflow.log_params({"alpha": "0.5", "deep/er": "x", "lines": "a\r\nb\n", "empty": ""})
        client.log_batch(id, [Metric("loss", 1 / (it + 1), 1_700_000_000_000 + it, it) for it in range(6000)])
        client.log_batch(id, [Metric("twice", 1.0, 5, 1), Metric("twice", 1.0, 5, 1), Metric("twice", -0.0, 5, -1)])
        for key, value in {"nan": math.nan, "inf": math.inf, "a/b": -math.inf}.items():
            mlflow.log_metric(key, value)
        mlflow.set_tags({"note": "ünïcode", "empty": "", "yes": "no"})
        data = mlflow.data.from_numpy(numpy.arange(3), name="some_data")
        mlflow.log_input(data, context="training", tags={"k": "v"})
        mlflow.log_text("hello", "folder/report.md")
        model = mlflow.create_external_model(name="mine", params={"p": "1"}, tags={"t": "2"})
        mlflow.log_metric("accuracy", 0.9, step=1, model_id=model.model_id)
        mlflow.log_metric("accuracy", 0.8, step=2, model_id=model.model_id, dataset=data)
        client.log_inputs(id, models=[LoggedModelInput(model.model_id)])
        client.log_outputs(id, [LoggedModelOutput(model.model_id, 3)])
    with mlflow.start_run(run_name="123") as failed:
        mlflow.log_metric("loss", 3)
    client.set_terminated(failed.info.run_id, "FAILED")
    with mlflow.start_run() as gone:
        mlflow.log_param("p", "q")
    client.delete_run(gone.info.run_id)
    client.create_run(experiment.experiment_id)  # goes on running

    @mlflow.trace
    def traced(it):
        return it + 1

    traced(1)
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_last_active_trace_id()
    mlflow.set_trace_tag(trace, "where", "here")
    mlflow.log_feedback(trace_id=trace, name="good", value=0.5, rationale="so so")
    mlflow.log_expectation(trace_id=trace, name="answer", value={"a": [1, None]})
    binned = client.create_experiment("binned")
    client.log_metric(client.create_run(binned).info.run_id, "m", 1)
    client.delete_experiment(binned)
    client.create_registered_model("registered")


if __name__ == "__main__":
    fill(sys.argv[1])
