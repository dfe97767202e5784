"""Fills a tracking server with a bit of everything through the real client, and reads all of it back."""

from __future__ import annotations

import json
import uuid
from typing import Any

import requests
from compare import plain
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    ViewType,
)

PAST = 1_700_000_000_000
PAGE = 1000


def write(url: str, stem: str) -> None:
    """Adds experiments, runs, models and traces whose names begin with a stem; writes on to those of earlier stems."""
    client = MlflowClient(url)
    kept = client.create_experiment(f"{stem} naïve ☕", tags={"owner": "ada", "note": "ünïcode 🌊", "empty": ""})
    gone = client.create_experiment(f"{stem} gone")
    revived = client.create_experiment(f"{stem} revived", artifact_location="s3://bucket/some where")
    for experiment in (gone, revived):
        write_run(client, experiment, "inside", "RUNNING")
        client.delete_experiment(experiment)
    client.restore_experiment(revived)
    client.rename_experiment(revived, f"{stem} revived and renamed")

    runs = {status: write_run(client, kept, status, status) for status in ("RUNNING", "FINISHED", "FAILED", "KILLED")}
    client.delete_run(runs["FAILED"])
    client.delete_run(runs["KILLED"])
    client.restore_run(runs["KILLED"])
    client.log_text(runs["FINISHED"], "# how it went, ünï", "notes/report.md")
    client.log_dict(runs["FINISHED"], {"a": [1, 2]}, "table.json")
    write_models(client, kept, runs["RUNNING"], runs["FINISHED"])
    write_trace(url, kept, runs["FINISHED"])

    for experiment in client.search_experiments():
        client.set_experiment_tag(experiment.experiment_id, f"seen by {stem}", "yes")
    for run in client.search_runs(everything(client), max_results=PAGE):
        client.set_tag(run.info.run_id, f"seen by {stem}", "yes")
        client.log_metric(run.info.run_id, "visits", len(stem), PAST + len(stem), len(stem))


def write_run(client: MlflowClient, experiment: str, name: str, status: str) -> str:
    run = client.create_run(experiment, start_time=PAST, run_name=name, tags={"mlflow.user": "ada", "team x": "🌊"})
    run_id = run.info.run_id
    steps = [Metric("loss", 1 / (7 * step + 1), PAST + step, step) for step in range(30)]
    odd = [("nan", float("nan")), ("inf", float("inf")), ("-inf", float("-inf")), ("tiny", 5e-324), ("neg/x", -1.5)]
    again = [Metric("loss", 99.0, PAST, 3), Metric("nan", 1.0, PAST, -1)]
    params = [Param("alpha", "0.5"), Param("long", "ü" * 6000), Param("empty", ""), Param("quote", "it's \"so\"")]
    client.log_batch(run_id, steps + [Metric(key, value, PAST, 0) for key, value in odd] + again, params)
    client.log_batch(run_id, tags=[RunTag("note", "ünïcode 🌊"), RunTag("mlflow.note.content", "# t\n" * 500)])
    dataset = Dataset(f"data {name}", "12345678", "local", '{"uri": "x"}', '{"cols": ["ü"]}', '{"rows": 3}')
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train"), InputTag("k", "🌊")])])
    if status != "RUNNING":
        client.set_terminated(run_id, status, PAST + 60_000)
    return run_id


def write_models(client: MlflowClient, experiment: str, run_id: str, reader: str) -> None:
    for name, status in (("ready", "READY"), ("failed", "FAILED"), ("pending", None), ("deleted", "READY")):
        model = client.create_logged_model(
            experiment, name, run_id, tags={"kind": "ünï"}, params={"depth": "3", "empty": ""}, model_type="tree"
        )
        if status:
            client.finalize_logged_model(model.model_id, status)
        client.set_logged_model_tags(model.model_id, {"a": "1", "b": "2"})
        client.delete_logged_model_tag(model.model_id, "a")
        client.log_metric(
            run_id, "score", 0.25, PAST, 1, dataset_name="data RUNNING", dataset_digest="12345678", model_id=model.model_id
        )
        if name == "ready":
            client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 4)])
            client.log_inputs(reader, models=[LoggedModelInput(model.model_id)])
        if name == "deleted":
            client.delete_logged_model(model.model_id)


def write_trace(url: str, experiment: str, run_id: str) -> None:
    trace = uuid.uuid4().hex

    def span(number: int, parent: str, name: str, *attributes: tuple[str, str]) -> dict:
        return {
            "traceId": trace,
            "spanId": f"{number:016x}",
            "parentSpanId": parent,
            "name": name,
            "startTimeUnixNano": str((PAST + number) * 1_000_000),
            "endTimeUnixNano": str((PAST + 100 - number) * 1_000_000),
            "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes],
            "status": {"code": 1},
        }

    root = ("mlflow.spanInputs", '{"question": "ünï 🌊"}'), ("mlflow.spanOutputs", '"tide"'), ("mlflow.spanType", "CHAIN")
    spans = [span(1, "", "root", *root), span(2, f"{1:016x}", "child", ("mlflow.spanType", "LLM"))]
    body = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "t"}, "spans": spans}]}]}
    headers = {"x-mlflow-experiment-id": experiment, "content-type": "application/json"}
    answer = requests.post(f"{url}/v1/traces", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    client = MlflowClient(url)
    client.set_trace_tag(f"tr-{trace}", "mood", "calm 🌊")
    client.link_traces_to_run([f"tr-{trace}"], run_id)


def everything(client: MlflowClient) -> list[str]:
    found = client.search_experiments(view_type=ViewType.ALL, order_by=["experiment_id ASC"])
    return [experiment.experiment_id for experiment in found]


def read(url: str) -> dict[str, Any]:
    """All that the client can read, in an order that does not hang on the server."""
    client = MlflowClient(url)
    experiments = everything(client)
    runs = client.search_runs(experiments, run_view_type=ViewType.ALL, max_results=PAGE)
    models = client.search_logged_models(experiments, max_results=PAGE)
    summaries = requests.post(
        f"{url}/ajax-api/2.0/mlflow/experiments/search-datasets", json={"experiment_ids": experiments}, timeout=60
    )
    return {
        "experiments": {it: settled(plain(client.get_experiment(it))) for it in experiments},
        "runs": {run.info.run_id: settled(plain(client.get_run(run.info.run_id))) for run in runs},
        "found": {run.info.run_id: without_model_inputs(settled(plain(run))) for run in runs},
        "order": [run.info.run_id for run in client.search_runs(experiments, "metrics.loss < 1", order_by=["metrics.tiny"])],
        "histories": {
            f"{run.info.run_id} {key}": [plain(point) for point in client.get_metric_history(run.info.run_id, key)]
            for run in runs
            for key in sorted(run.data.metrics)
        },
        "models": {it.model_id: settled(plain(client.get_logged_model(it.model_id))) for it in models},
        "datasets": settled(summaries.json()),
        "traces": settled([trace.to_dict() for trace in client.search_traces(locations=experiments)]),
        "artifacts": {
            f"{run.info.run_id}/{path}": client_text(client, run.info.run_id, path)
            for run in runs
            for path in files(client, run.info.run_id, "")
            if not run.info.artifact_uri.startswith("s3:")
        },
    }


def without_model_inputs(run: dict) -> dict:
    """MLflow's search leaves them out, Tidegate's does not."""
    return run | {"inputs": run["inputs"] | {"model_inputs": []}}


def files(client: MlflowClient, run_id: str, folder: str) -> list[str]:
    if client.get_run(run_id).info.artifact_uri.startswith("s3:"):
        return []
    found = []
    for item in client.list_artifacts(run_id, folder or None):
        found += files(client, run_id, item.path) if item.is_dir else [item.path]
    return found


def client_text(client: MlflowClient, run_id: str, path: str) -> str:
    with open(client.download_artifacts(run_id, path), encoding="utf-8") as file:
        return file.read()


def settled(value: Any) -> Any:
    """A value whose lists are sorted, since most have no order of their own."""
    if isinstance(value, dict):
        return {key: settled(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((settled(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
