"""The real client's methods return, or raise, the same with Tidegate as with MLflow's server."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
from compare import Both, ClientOf, Pair
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

NAMES = itertools.count()
PAST = 1_700_000_000_000


@pytest.fixture
def experiment(pair) -> Both:
    named = f"client {next(NAMES)}"
    return pair.client("create_experiment", lambda client: client.create_experiment(named, tags={"a": "1"}))


def test_experiments(pair: Pair, experiment):
    named = f"renamed {next(NAMES)}"
    for what, use in {
        "get": lambda client: client.get_experiment(experiment),
        "tag": lambda client: client.set_experiment_tag(experiment, "b", "ü"),
        "delete tag": lambda client: client.delete_experiment_tag(experiment, "a"),
        "rename": lambda client: client.rename_experiment(experiment, named),
        "by name": lambda client: client.get_experiment_by_name(named),
        "no such name": lambda client: client.get_experiment_by_name("no such name"),
        "search": lambda client: client.search_experiments(filter_string=f"name = '{named}'"),
        "delete": lambda client: client.delete_experiment(experiment),
        "deleted": lambda client: client.get_experiment(experiment),
        "find deleted": lambda client: client.search_experiments(ViewType.DELETED_ONLY, filter_string=f"name = '{named}'"),
        "delete again": lambda client: client.delete_experiment(experiment),
        "restore": lambda client: client.restore_experiment(experiment),
        "restored": lambda client: client.get_experiment(experiment),
        "unknown": lambda client: client.get_experiment("999999"),
        "no number": lambda client: client.get_experiment("abc"),
    }.items():
        pair.client(what, use)


def test_runs(pair: Pair, experiment):
    made = pair.client("create_run", lambda it: it.create_run(experiment, PAST, {"team": "🌊"}, "one").info.run_id)

    def batch(client: ClientOf):
        metrics = [Metric("loss", 1 / (7 * step + 1), PAST + step, step) for step in range(50)]
        odd = [Metric("nan", float("nan"), PAST, 0), Metric("inf", float("inf"), PAST, 0)]
        return client.log_batch(made, metrics + odd, [Param("alpha", "0.5")], [RunTag("t", "ü")])

    def inputs(client: ClientOf):
        dataset = Dataset("d", "1", "local", "{}", None, None)
        return client.log_inputs(made, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])

    def artifacts(client: ClientOf):
        client.log_text(client.of(made), "text ü", "deep/a.txt")
        client.log_dict(client.of(made), {"a": 1}, "b.json")
        with tempfile.TemporaryDirectory() as folder:
            text = Path(client.download_artifacts(made, "deep/a.txt", folder)).read_text(encoding="utf-8")
        return [text, client.list_artifacts(made), client.list_artifacts(made, "deep")]

    for what, use in {
        "log_batch": batch,
        "log_metric": lambda client: client.log_metric(made, "one", 0.1, PAST, 3),
        "log_param": lambda client: client.log_param(made, "p", 1),
        "log_param again": lambda client: client.log_param(made, "p", 1),
        "another value": lambda client: client.log_param(made, "p", 2),
        "bad key": lambda client: client.log_metric(made, "a//b", 1, PAST),
        "set_tag": lambda client: client.set_tag(made, "mlflow.runName", "by tag"),
        "delete_tag": lambda client: client.delete_tag(made, "team"),
        "no such tag": lambda client: client.delete_tag(made, "team"),
        "log_inputs": inputs,
        "artifacts": artifacts,
        "history": lambda client: client.get_metric_history(made, "loss"),
        "terminate": lambda client: client.set_terminated(made, "FINISHED", PAST + 9),
        "get_run": lambda client: client.get_run(made),
        "search": lambda client: client.search_runs([client.of(experiment)], "metrics.loss < 1 and params.alpha = '0.5'"),
        "bad search": lambda client: client.search_runs([client.of(experiment)], "nonsense"),
        "delete": lambda client: client.delete_run(made),
        "deleted": lambda client: client.get_run(made),
        "write to deleted": lambda client: client.log_metric(made, "one", 0.1, PAST, 4),
        "restore": lambda client: client.restore_run(made),
        "rename": lambda client: client.update_run(made, "RUNNING", "renamed"),
        "unknown": lambda client: client.get_run("0" * 32),
    }.items():
        pair.client(what, use)
    pair.client("get_run", lambda client: client.get_run(made))


def test_models(pair: Pair, experiment):
    run = pair.client("create_run", lambda client: client.create_run(experiment, PAST, run_name="one").info.run_id)
    model = pair.client(
        "create_logged_model",
        lambda it: it.create_logged_model(experiment, "m", run, {"a": "1"}, {"depth": "3"}, "tree").model_id,
    )
    for what, use in {
        "params": lambda client: client.log_model_params(model, {"more": "x"}),
        "tags": lambda client: client.set_logged_model_tags(model, {"b": "2"}),
        "delete tag": lambda client: client.delete_logged_model_tag(model, "a"),
        "finalize": lambda client: client.finalize_logged_model(model, "READY"),
        "metric": lambda client: client.log_metric(run, "score", 0.5, PAST, 1, model_id=model),
        "output": lambda client: client.log_outputs(run, [LoggedModelOutput(client.of(model), 3)]),
        "input": lambda client: client.log_inputs(run, models=[LoggedModelInput(client.of(model))]),
        "get": lambda client: client.get_logged_model(model),
        "run": lambda client: client.get_run(run),
        "search": lambda client: client.search_logged_models([client.of(experiment)], "metrics.score > 0.1"),
        "delete": lambda client: client.delete_logged_model(model),
        "deleted": lambda client: client.get_logged_model(model),
    }.items():
        pair.client(what, use)
