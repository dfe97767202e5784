"""Logged models, dataset inputs and outputs answer as MLflow's server does."""

from __future__ import annotations

import itertools

import pytest
from compare import Both, Pair

NAMES = itertools.count()
PAST = 1_700_000_000_000


@pytest.fixture
def experiment(pair) -> Both:
    return pair.post("experiments/create", {"name": f"models {next(NAMES)}"})["experiment_id"]


@pytest.fixture
def run(pair, experiment) -> Both:
    return pair.post("runs/create", {"experiment_id": experiment, "run_name": "one"})["run"]["info"]["run_id"]


def model(pair: Pair, experiment: Both, **more) -> Both:
    body = {"experiment_id": experiment, "name": "model"} | more
    return pair.post("logged-models", body)["model"]["info"]["model_id"]


def dataset(name: str = "d", digest: str = "1", **more) -> dict:
    return {"name": name, "digest": digest, "source_type": "local", "source": "{}"} | more


def test_dataset_inputs(pair: Pair, experiment, run):
    def log(*datasets):
        pair.post("runs/log-inputs", {"run_id": run, "datasets": list(datasets)})
        pair.get("runs/get", run_id=run)

    full = dataset("full", "abc", schema='{"ü": 1}', profile='{"rows": 1}')
    log({"dataset": full, "tags": [{"key": "mlflow.data.context", "value": "train"}, {"key": "a", "value": "🌊"}]})
    log({"dataset": full, "tags": [{"key": "mlflow.data.context", "value": "changed"}]})
    log({"dataset": dataset()}, {"dataset": dataset("e")})
    log({"dataset": dataset(digest="2"), "tags": []})
    log()
    other = pair.post("runs/create", {"experiment_id": experiment, "run_name": "two"})["run"]["info"]["run_id"]
    context = [{"key": "mlflow.data.context", "value": "test"}]
    pair.post("runs/log-inputs", {"run_id": other, "datasets": [{"dataset": full, "tags": context}]})
    pair.get("runs/get", run_id=other)
    for text in [
        "dataset.name = 'full'",
        "datasets.name LIKE 'f%'",
        "dataset.digest = 'abc'",
        "dataset.context = 'train'",
        "dataset.context != 'train'",
        "dataset.name IN ('full', 'd')",
        "dataset.name = 'd' AND dataset.context = 'train'",
        "dataset.unknown = 'x'",
    ]:
        pair.post("runs/search", {"experiment_ids": [experiment], "filter": text, "order_by": ["run_name"]})
    path = "/ajax-api/2.0/mlflow/experiments/search-datasets"
    pair.post(path, {"experiment_ids": [experiment]})
    pair.post(path, {"experiment_ids": []})
    pair.post(path, {})
    pair.post(path, {"experiment_ids": ["999999"]})


def test_dataset_inputs_refused(pair: Pair, run):
    for item in [
        {"dataset": dataset(name="n" * 501)},
        {"dataset": dataset(digest="d" * 37)},
        {"dataset": {"name": "d", "digest": "1", "source_type": "local"}},
        {"dataset": {"name": "d", "digest": "1", "source": "{}"}},
        {"dataset": dataset(source="s" * 65536)},
        {"dataset": dataset(), "tags": [{"key": "k" * 256, "value": "v"}]},
        {"dataset": dataset(), "tags": [{"key": "k", "value": "v" * 501}]},
        {"dataset": dataset(), "tags": [{"key": "k"}]},
    ]:
        pair.post("runs/log-inputs", {"run_id": run, "datasets": [item]})
    many = [{"dataset": dataset(digest=str(n))} for n in range(1001)]
    pair.nonsense("POST", "runs/log-inputs", {"run_id": run, "datasets": many}, says="at most 1000 datasets")
    for item, says in [
        ({"dataset": dataset(name="")}, "datasets[0].dataset.name"),
        ({"dataset": {"name": "d"}}, "datasets[0].dataset.digest"),
        ({}, "datasets[0].dataset"),
    ]:
        pair.nonsense("POST", "runs/log-inputs", {"run_id": run, "datasets": [item]}, says=says)
    pair.post("runs/log-inputs", {"run_id": "0" * 32, "datasets": [{"dataset": dataset()}]})
    pair.post("runs/log-inputs", {"datasets": [{"dataset": dataset()}]})
    pair.post("runs/log-inputs", {"run_id": run})


def test_model_inputs_and_outputs(pair: Pair, experiment, run):
    first, second = model(pair, experiment), model(pair, experiment, source_run_id=run)
    pair.post("runs/log-inputs", {"run_id": run, "models": [{"model_id": first}]})
    pair.get("runs/get", run_id=run)
    pair.post("runs/outputs", {"run_id": run, "models": [{"model_id": first, "step": 3}, {"model_id": second, "step": 0}]})
    pair.get("runs/get", run_id=run)
    pair.post("runs/outputs", {"run_id": "0" * 32, "models": [{"model_id": first, "step": 1}]})
    pair.post("runs/outputs", {"models": [{"model_id": first, "step": 1}]})


def test_models(pair: Pair, experiment, run):
    named = model(
        pair,
        experiment,
        source_run_id=run,
        model_type="tree",
        params=[{"key": "depth", "value": "3"}, {"key": "empty", "value": ""}],
        tags=[{"key": "kind", "value": "ünï 🌊"}],
    )
    pair.get(f"logged-models/{named}")
    pair.get(f"/ajax-api/2.0/mlflow/logged-models/{named}")
    unnamed = pair.post("logged-models", {"experiment_id": experiment})["model"]["info"]["model_id"]
    pair.get(f"logged-models/{unnamed}")
    for status in ("LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_PENDING", 2):
        pair.call("PATCH", f"logged-models/{named}", {"model_id": named, "status": status})
    pair.call("PATCH", f"logged-models/{named}", {"model_id": named})
    tags = [{"key": "a", "value": "1"}, {"key": "kind", "value": "changed"}]
    pair.call("PATCH", f"logged-models/{named}/tags", {"tags": tags})
    pair.call("PATCH", f"logged-models/{named}/tags", {"tags": []})
    pair.call("PATCH", f"logged-models/{named}/tags", {})
    pair.call("DELETE", f"logged-models/{named}/tags/a")
    pair.call("DELETE", f"logged-models/{named}/tags/a", {})
    pair.call("DELETE", f"logged-models/{named}/tags/none", {})
    pair.post(f"logged-models/{named}/params", {"model_id": named, "params": [{"key": "more", "value": "x"}]})
    pair.post(f"logged-models/{named}/params", {"model_id": named, "params": []})
    pair.intended(
        "the path names the model",
        "PATCH",
        f"logged-models/{named}",
        {"status": "LOGGED_MODEL_READY"},
        ours=([200], "LOGGED_MODEL_READY"),
        theirs=([400], "Missing value for required parameter 'model_id'"),
    )
    pair.call("PATCH", f"logged-models/{named}", {"model_id": named, "status": "LOGGED_MODEL_READY"})
    pair.get(f"logged-models/{named}")
    pair.get(f"logged-models/{named}/artifacts/directories")
    metric = {"run_id": run, "key": "score", "value": 0.5, "timestamp": PAST, "step": 1, "model_id": named}
    pair.post("runs/log-metric", metric)
    pair.post("runs/log-metric", metric | {"dataset_name": "d", "dataset_digest": "1", "value": 0.25, "step": 2})
    batch = [{"key": "batch", "value": n, "timestamp": PAST, "step": n, "model_id": named} for n in range(3)]
    pair.post("runs/log-batch", {"run_id": run, "metrics": batch})
    pair.get(f"logged-models/{named}")
    pair.get("runs/get", run_id=run)
    pair.call("DELETE", f"logged-models/{named}", {})
    pair.get(f"logged-models/{named}")
    pair.call("DELETE", f"logged-models/{named}", {})


@pytest.mark.parametrize(
    "more",
    [
        {"name": "a/b"},
        {"name": "a:b"},
        {"name": "a.b"},
        {"name": "a%b"},
        {"name": 'a"b'},
        {"name": "a'b"},
        {"name": ""},
        {"name": 5},
        {"experiment_id": "999999"},
        {"experiment_id": "abc"},
        {"experiment_id": None},
        {"experiment_id": ""},
        {"source_run_id": 5},
        {"model_type": 5},
        {"params": "none"},
        {"params": [{"key": "k" * 251, "value": "v"}]},
        {"params": [{"key": "a//b", "value": "v"}]},
        {"params": [{"key": "k", "value": "v" * 6001}]},
        {"tags": [{"key": "k" * 251, "value": "v"}]},
        {"tags": [{"key": "a@b", "value": "v"}]},
        {"tags": "none"},
    ],
    ids=lambda more: str(more)[:40],
)
def test_models_refused(pair: Pair, experiment, more):
    pair.post("logged-models", {"experiment_id": experiment, "name": "m"} | more)


@pytest.mark.parametrize("model_id", ["m-" + "0" * 32, "nothing", "a b"])
def test_no_such_model(pair: Pair, model_id):
    pair.get(f"logged-models/{model_id}")
    pair.call("PATCH", f"logged-models/{model_id}", {"model_id": model_id, "status": "LOGGED_MODEL_READY"})
    pair.call("PATCH", f"logged-models/{model_id}/tags", {"tags": [{"key": "a", "value": "1"}]})
    pair.call("DELETE", f"logged-models/{model_id}/tags/a", {})
    pair.post(f"logged-models/{model_id}/params", {"model_id": model_id, "params": [{"key": "a", "value": "1"}]})
    pair.call("DELETE", f"logged-models/{model_id}", {})
    pair.get(f"logged-models/{model_id}/artifacts/directories")


def test_search(pair: Pair, experiment, run):
    other = pair.post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    for number in range(5):
        made = model(
            pair,
            experiment,
            name=f"model-{number}",
            source_run_id=run if number % 2 else other,
            model_type="tree" if number < 3 else "net",
            params=[{"key": "depth", "value": str(number)}],
            tags=[{"key": "team", "value": "Sea" if number % 2 else "sky"}],
        )
        for step, (data, value) in enumerate((("train", number), ("test", 10 - number))):
            metric = {"run_id": run, "key": "score", "value": value, "timestamp": PAST, "step": step, "model_id": made}
            pair.post("runs/log-metric", metric | {"dataset_name": data, "dataset_digest": "1"})
        if number < 2:
            pair.call("PATCH", f"logged-models/{made}", {"model_id": made, "status": "LOGGED_MODEL_READY"})

    def search(**body):
        order = [{"field_name": "name", "ascending": True}]
        return pair.post("logged-models/search", {"experiment_ids": [experiment], "order_by": order} | body)

    search()
    page = search(max_results=2)
    page = search(max_results=2, page_token=page["next_page_token"])
    search(max_results=2, page_token=page["next_page_token"])
    for text in [
        "attributes.name = 'model-1'",
        "name = 'model-1'",
        "attributes.name LIKE 'model-%'",
        "attributes.name ILIKE 'MODEL-%'",
        "attributes.name IN ('model-1', 'model-2')",
        "attributes.name NOT IN ('model-1')",
        "attributes.model_type = 'tree'",
        f"attributes.source_run_id = '{run}'",
        "attributes.creation_timestamp_ms > 0",
        "attributes.last_updated_timestamp_ms < 5",
        "params.depth = '3'",
        "params.depth != '3'",
        "params.depth LIKE '%'",
        "tags.team = 'Sea'",
        "tags.team ILIKE 's%'",
        "metrics.score > 2",
        "metrics.score >= 9",
        "metrics.score > 2 AND params.depth = '3' AND tags.team = 'Sea'",
        "metrics.absent > 1",
        "params.depth = 3",
        "params.depth > '3'",
        "nonsense.x = 'y'",
        "unknown = 'x'",
        "attributes.name = 'a' OR attributes.name = 'b'",
        "attributes.name",
        "attributes.name =",
        "",
    ]:
        search(filter=text)
    train = [{"dataset_name": "train", "dataset_digest": "1"}]
    search(filter="metrics.score > 2", datasets=train)
    search(filter="metrics.score > 2", datasets=[{"dataset_name": "none", "dataset_digest": "1"}])
    search(datasets=[{"dataset_digest": "1"}])
    for order in [
        [{"field_name": "name", "ascending": False}],
        [{"field_name": "creation_timestamp", "ascending": True}, {"field_name": "name"}],
        [{"field_name": "metrics.score", "ascending": True}],
        [{"field_name": "metrics.score", "ascending": True, "dataset_name": "train", "dataset_digest": "1"}],
        [{"field_name": "metrics.score", "ascending": False, "dataset_name": "test"}],
        [{"field_name": "model_type"}, {"field_name": "name"}],
        [{"field_name": "metrics.absent"}, {"field_name": "name"}],
        [{"field_name": "params.depth"}],
    ]:
        search(order_by=order)
    for results in (0, 1000):
        search(max_results=results)
    here = {"experiment_ids": [experiment]}
    other = page["next_page_token"] if "next_page_token" in page.ours else "e30="
    for token in ("x", "eA==", "e30=", other):
        pair.nonsense("POST", "logged-models/search", here | {"page_token": token}, says="page token")
    for text, says in [
        ("metrics.score = 'x'", "Expected a number"),
        ("attributes.unknown = 'x'", "Invalid attribute key 'unknown'"),
    ]:
        pair.nonsense("POST", "logged-models/search", here | {"filter": text}, says=says)
    pair.intended(
        "the names that the client's documentation gives, on which MLflow fails",
        "POST",
        "logged-models/search",
        here | {"filter": "attributes.creation_timestamp > 0 AND attributes.last_updated_timestamp > 0"},
        ours=([200], "model-4"),
        theirs=([500], "no attribute"),
    )
    pair.intended(
        "MLflow compares the name with the number that it stores",
        "POST",
        "logged-models/search",
        here | {"filter": "attributes.status = 'READY'"},
        ours=([200], "LOGGED_MODEL_READY"),
        theirs=([200, 400, 500], ""),
    )
    pair.intended(
        "one class for all wrong fields",
        "POST",
        "logged-models/search",
        here | {"order_by": [{"field_name": "nothing"}]},
        ours=([400], "Invalid order by field name: nothing"),
        theirs=([400], "Invalid order by field name: nothing"),
    )
    search(experiment_ids=["999999"])
    pair.post("logged-models/search", {})
