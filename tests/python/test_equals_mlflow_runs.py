"""Runs answer as MLflow's server does: create, get, update, delete, restore, params, tags, batches, and every limit."""

from __future__ import annotations

import itertools
import json

import pytest
from compare import Both, Pair

NAMES = itertools.count()
PAST = 1_700_000_000_000


@pytest.fixture
def experiment(pair) -> Both:
    return pair.post("experiments/create", {"name": f"runs {next(NAMES)}"})["experiment_id"]


@pytest.fixture
def run(pair, experiment) -> Both:
    return created(pair, experiment_id=experiment, start_time=PAST, run_name="one")


def created(pair: Pair, **body) -> Both:
    return pair.post("runs/create", body)["run"]["info"]["run_id"]


def test_create_and_read(pair: Pair, experiment):
    everything = {
        "experiment_id": experiment,
        "user_id": "ada",
        "run_name": "naïve ☕",
        "start_time": PAST,
        "tags": [{"key": "a", "value": "1"}, {"key": "mlflow.user", "value": "ada"}, {"key": "ü", "value": "🌊"}],
    }
    for body in [
        everything,
        {"experiment_id": experiment},
        {"experiment_id": experiment, "start_time": str(PAST)},
        {"experiment_id": experiment, "start_time": 0},
        {"experiment_id": experiment, "start_time": -5},
        {"experiment_id": experiment, "run_name": ""},
        {"experiment_id": experiment, "tags": [{"key": "mlflow.runName", "value": "by tag"}]},
        {"experiment_id": experiment, "run_name": "same", "tags": [{"key": "mlflow.runName", "value": "same"}]},
        {"experimentId": experiment, "runName": "camel", "startTime": PAST},
        {"experiment_id": experiment, "unknown": {"a": [1]}},
    ]:
        run = created(pair, **body)
        pair.get("runs/get", run_id=run)
        pair.get("runs/get", run_uuid=run)
        pair.get("/ajax-api/2.0/mlflow/runs/get", run_id=run)


def test_create_refused(pair: Pair, experiment):
    for body in [
        {"experiment_id": "999999"},
        {"experiment_id": "abc"},
        {"experiment_id": experiment, "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]},
        {"experiment_id": experiment, "start_time": "soon"},
        {"experiment_id": experiment, "run_name": 5},
        {"experiment_id": experiment, "tags": [{"key": "a//b", "value": "v"}]},
        {"experiment_id": experiment, "tags": [{"key": "a@b", "value": "v"}]},
        {"experiment_id": 5},
    ]:
        pair.post("runs/create", body)
    holds = pair.kind == "sqlite"  # its columns have no length, and MLflow leaves this check to the database
    pair.intended(
        "MLflow shows its database driver's own text",
        "POST",
        "runs/create",
        {"experiment_id": experiment, "tags": [{"key": "k" * 251, "value": "v"}]},
        ours=([200], "run_id") if holds else ([400], "INVALID_PARAMETER_VALUE"),
        theirs=([200], "run_id") if holds else ([400], "BAD_REQUEST"),
    )
    for field in ({"user_id": 5}, {"tags": "none"}):
        pair.nonsense("POST", "runs/create", {"experiment_id": experiment} | field, says=next(iter(field)))


@pytest.mark.parametrize("run_id", ["0" * 32, "no-such", "", "a b", "a" * 300, "../x", None])
def test_no_such_run(pair: Pair, run_id):
    body = {} if run_id is None else {"run_id": run_id}
    pair.get("runs/get", **body)
    pair.post("runs/update", body | {"status": "FINISHED"})
    pair.post("runs/delete", body)
    pair.post("runs/restore", body)
    pair.post("runs/log-metric", body | {"key": "m", "value": 1, "timestamp": 1})
    pair.post("runs/log-parameter", body | {"key": "p", "value": "1"})
    pair.post("runs/set-tag", body | {"key": "t", "value": "1"})
    pair.post("runs/delete-tag", body | {"key": "t"})
    pair.post("runs/log-batch", body | {"metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 0}]})
    pair.get("metrics/get-history", metric_key="m", **body)
    pair.get("artifacts/list", **body)


def test_update(pair: Pair, run):
    for body in [
        {"status": "FINISHED", "end_time": PAST + 5},
        {"status": "FAILED"},
        {"status": "KILLED", "end_time": str(PAST + 6)},
        {"status": "RUNNING"},
        {"status": "SCHEDULED"},
        {"status": 3},
        {"run_name": "renamed"},
        {"run_name": ""},
        {"run_name": "ü 🌊"},
        {"end_time": 0},
        {},
        {"run_name": 5},
    ]:
        pair.post("runs/update", {"run_id": run} | body)
        pair.get("runs/get", run_id=run)
    pair.post("runs/update", {"run_uuid": run, "status": "FINISHED"})
    for status in ("NOPE", "finished"):
        pair.nonsense("POST", "runs/update", {"run_id": run, "status": status}, says="status")
    pair.get("runs/get", run_id=run)


def test_delete_and_restore(pair: Pair, run):
    pair.post("runs/restore", {"run_id": run})
    pair.post("runs/delete", {"run_id": run})
    pair.post("runs/delete", {"run_id": run})
    pair.get("runs/get", run_id=run)
    pair.post("runs/update", {"run_id": run, "status": "FINISHED"})
    pair.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1})
    pair.post("runs/log-parameter", {"run_id": run, "key": "p", "value": "1"})
    pair.post("runs/set-tag", {"run_id": run, "key": "t", "value": "1"})
    pair.post("runs/delete-tag", {"run_id": run, "key": "t"})
    pair.post("runs/log-batch", {"run_id": run, "params": [{"key": "p", "value": "1"}]})
    pair.post("runs/log-inputs", {"run_id": run, "datasets": []})
    pair.get("metrics/get-history", run_id=run, metric_key="m")
    pair.post("runs/restore", {"run_id": run})
    pair.get("runs/get", run_id=run)


def test_params(pair: Pair, run):
    def log(key, value):
        pair.post("runs/log-parameter", {"run_id": run, "key": key, "value": value})

    log("p", "1")
    log("p", "1")
    log("p", "2")
    log("empty", "")
    log("ü", "v")
    log("a/b.c-d e:f", "ünï 🌊")
    log("quote", "it's \"so\"")
    log("quote", "it's \"not\"")
    log("long", "v" * 6000)
    log("longer", "v" * 6001)
    log("longer", "v" * 6002)
    log("k" * 250, "v")
    log("k" * 251, "v")
    for key in ("a//b", "/a", "..", ".", "a/../b", "a@b", "", "a/", "./a", 5, None, ["a"]):
        log(key, "v")
    for value in (5, None, True, ["a"], {"a": 1}, 1.5):
        log("typed", value)
    pair.post("runs/log-parameter", {"run_id": run, "key": "only"})
    pair.post("runs/log-parameter", {"run_id": run, "value": "only"})
    pair.post("runs/log-parameter", {"run_uuid": run, "key": "by uuid", "value": "1"})
    pair.get("runs/get", run_id=run)


def test_tags(pair: Pair, run):
    def tag(key, value):
        pair.post("runs/set-tag", {"run_id": run, "key": key, "value": value})

    tag("t", "1")
    tag("t", "2")
    tag("empty", "")
    tag("a/b.c-d e:f", "ünï 🌊")
    tag("mlflow.runName", "by tag")
    pair.get("runs/get", run_id=run)
    tag("mlflow.user", "ada")
    tag("mlflow.note.content", "# note")
    tag("long", "v" * 8000)
    tag("longer", "v" * 8001)
    tag("k" * 250, "v")
    tag("k" * 251, "v")
    for key in ("a//b", "/a", "..", "a@b", "", 5, None):
        tag(key, "v")
    for value in (5, None, True, ["a"]):
        tag("typed", value)
    pair.get("runs/get", run_id=run)
    for key in ("t", "t", "none", "", "k" * 251, 5):
        pair.post("runs/delete-tag", {"run_id": run, "key": key})
    pair.post("runs/delete-tag", {"run_id": run})
    pair.get("runs/get", run_id=run)


def test_batch(pair: Pair, run):
    def metrics(count, **more):
        return [{"key": f"m{n}", "value": n, "timestamp": PAST, "step": n} | more for n in range(count)]

    def pairs(count, stem):
        return [{"key": f"{stem}{n}", "value": str(n)} for n in range(count)]

    one = {"key": "m", "value": 1.5, "timestamp": PAST, "step": 0}
    for body in [
        {"metrics": metrics(3), "params": pairs(2, "p"), "tags": pairs(2, "t")},
        {},
        {"metrics": [], "params": [], "tags": []},
        {"metrics": metrics(1000)},
        {"metrics": metrics(1001)},
        {"params": pairs(100, "q")},
        {"params": pairs(101, "r")},
        {"tags": pairs(100, "u")},
        {"tags": pairs(101, "w")},
        {"metrics": metrics(900), "params": pairs(51, "s"), "tags": pairs(50, "x")},
        {"params": [{"key": "p0", "value": "other"}]},
        {"params": [{"key": "p0", "value": "0"}]},
        {"params": [{"key": "d", "value": "1"}, {"key": "d", "value": "1"}]},
        {"params": [{"key": "d", "value": "1"}, {"key": "d", "value": "2"}]},
        {"params": [{"key": "long", "value": "v" * 6001}]},
        {"tags": [{"key": "t0", "value": "first"}, {"key": "t0", "value": "second"}]},
        {"tags": [{"key": "mlflow.runName", "value": "by batch"}]},
        {"tags": [{"key": "long", "value": "v" * 8001}]},
        {"metrics": [one | {"value": "NaN"}, one | {"step": 1, "value": "Infinity"}, one | {"step": 2, "value": "-Infinity"}]},
        {"metrics": [one, one, one]},
        {"metrics": [one | {"value": None}]},
        {"metrics": [one | {"timestamp": None}]},
        {"metrics": [one | {"timestamp": -1}]},
        {"metrics": [one | {"step": None}]},
        {"metrics": [one | {"key": None}]},
        {"metrics": [one | {"key": "a//b"}]},
        {"metrics": [one | {"key": "k" * 251}]},
        {"metrics": [one, one | {"key": "a@b"}]},
        {"metrics": [{"key": "m"}]},
        {"metrics": "none"},
        {"params": [{"key": "a//b", "value": "1"}]},
        {"params": [{"key": "k" * 251, "value": "1"}]},
        {"params": [{"value": "1"}]},
        {"params": [{"key": "a"}]},
        {"params": "none"},
        {"tags": [{"key": "a//b", "value": "1"}]},
        {"tags": [{"key": "a"}]},
        {"tags": "none"},
    ]:
        pair.post("runs/log-batch", {"run_id": run} | body)
    pair.get("runs/get", run_id=run)


def test_batches_of_nonsense(pair: Pair, run):
    one = {"key": "m", "value": 1.5, "timestamp": PAST, "step": 0}
    for field, value in (("value", "high"), ("value", True), ("timestamp", "soon"), ("step", "first"), ("step", 1.5)):
        body = {"run_id": run, "metrics": [one | {field: value}]}
        pair.nonsense("POST", "runs/log-batch", body, says=f"metrics[0].{field}")
    pair.nonsense("POST", "runs/log-batch", {"run_id": run, "metrics": [5]}, says="metrics[0]")


def test_log_model(pair: Pair, run):
    model = {
        "artifact_path": "model",
        "flavors": {"python_function": {"loader_module": "m"}},
        "run_id": run,
        "utc_time_created": "2024-01-01 00:00:00.000000",
        "model_uuid": "a" * 31 + "g",
    }
    pair.post("runs/log-model", {"run_id": run, "model_json": json.dumps({"artifact_path": "m", "flavors": {}})})
    pair.get("runs/get", run_id=run)
    del model["run_id"]
    pair.post("runs/log-model", {"run_id": run, "model_json": json.dumps(model)})
    pair.get("runs/get", run_id=run)
    for text in ("", "{", "{}", None, 5):
        pair.post("runs/log-model", {"run_id": run, "model_json": text})
    for text in ("[]", "5"):
        pair.nonsense("POST", "runs/log-model", {"run_id": run, "model_json": text}, says="Malformed model info")
    pair.post("runs/log-model", {"run_id": run})


def test_search(pair: Pair, experiment):
    other = pair.post("experiments/create", {"name": f"other {next(NAMES)}"})["experiment_id"]
    runs = []
    for number in range(6):
        run = created(pair, experiment_id=experiment, start_time=PAST + number % 3, run_name=f"run {number}", user_id="u")
        runs.append(run)
        metrics = [] if number == 5 else [{"key": "loss", "value": number % 4 / 4, "timestamp": PAST, "step": 0}]
        if number == 4:
            metrics = [{"key": "loss", "value": "NaN", "timestamp": PAST, "step": 0}]
        params = [{"key": "alpha", "value": str(number)}, {"key": "kind", "value": "AbC"[: number % 3 + 1]}]
        tags = [{"key": "team x", "value": "Sea" if number % 2 else "sky"}]
        pair.post("runs/log-batch", {"run_id": run, "metrics": metrics, "params": params, "tags": tags})
    pair.post("runs/update", {"run_id": runs[1], "status": "FINISHED", "end_time": PAST + 50})
    pair.post("runs/update", {"run_id": runs[2], "status": "FAILED", "end_time": PAST + 40})
    pair.post("runs/delete", {"run_id": runs[3]})
    created(pair, experiment_id=other, start_time=PAST + 9, run_name="elsewhere")

    def search(**body):
        return pair.post("runs/search", {"experiment_ids": [experiment], "order_by": ["attributes.run_name"]} | body)

    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        search(run_view_type=view)
    search(experiment_ids=[experiment, other])
    search(experiment_ids=[])
    search(experiment_ids=["999999"])
    search(experiment_ids=["abc"])
    pair.post("runs/search", {})
    page = search(max_results=2)
    page = search(max_results=2, page_token=page["next_page_token"])
    search(max_results=2, page_token=page["next_page_token"])
    for text in [
        "metrics.loss < 0.5",
        "metrics.loss >= 0.25 and metrics.loss <= 0.75",
        "metric.loss != 0.25",
        "metrics.loss = 0",
        "metrics.`loss` > -1",
        'metrics."loss" > -1e-3',
        "metrics.absent > 0",
        "params.alpha = '1'",
        'param.alpha = "2"',
        "parameters.alpha != '1'",
        "params.kind LIKE 'Ab%'",
        "params.kind LIKE 'ab%'",
        "params.kind ILIKE 'ab%'",
        "params.alpha IS NULL",
        "params.absent IS NULL",
        "params.alpha IS NOT NULL",
        "tags.`team x` = 'Sea'",
        'tags."team x" != "Sea"',
        "tags.`team x` ILIKE 's%'",
        "tags.mlflow.runName = 'run 1'",
        "attributes.status = 'FINISHED'",
        "status != 'FINISHED'",
        "status = 'finished'",
        "attributes.run_name = 'run 2'",
        "attribute.run_name LIKE 'run %'",
        "attr.`run name` = 'run 2'",
        "run.`Run name` = 'run 2'",
        f"attributes.run_id = '{runs[0]}'",
        f"attributes.run_id IN ('{runs[0]}', '{runs[1]}')",
        f"run_id NOT IN ('{runs[0]}')",
        "run_id IN ()",
        "status IN ('FINISHED')",
        f"attributes.start_time > {PAST}",
        f"start_time <= {PAST + 1} AND end_time > {PAST + 45}",
        f"created = {PAST}",
        "user_id = 'u'",
        "artifact_uri LIKE '%artifacts'",
        "artifact_uri ILIKE 'MLFLOW%'",
        "lifecycle_stage = 'active'",
        "dataset.name = 'd'",
        "datasets.context = 'train'",
        "metrics.loss < 'a'",
        "metrics.loss < abc",
        "metrics.loss LIKE 'a'",
        "params.alpha > '1'",
        "params.alpha = 1",
        "params.alpha LIKE 1",
        "nonsense.key = 'x'",
        "metrics.a",
        "metrics.a >",
        "> 5",
        "metrics.a > 5 or metrics.b > 5",
        "metrics.a > 5; metrics.b > 5",
        "metrics.a > 5 AND",
        "AND metrics.a > 5",
        "metrics.a > 5 AND AND metrics.a > 6",
        "metrics.a = 'unterminated",
        "params.`unterminated = 'x'",
        "params.alpha = 'it''s'",
        "   ",
        "attributes.unknown = 'x'",
        "attributes.start_time = 'x'",
        "params.alpha == '1'",
        "params.alpha <> '1'",
    ]:
        search(filter=text)
    for order in [
        ["metrics.loss"],
        ["metrics.loss DESC"],
        ["metrics.loss asc", "params.alpha DESC"],
        ["params.kind", "attributes.start_time", "run_name"],
        ["tags.`team x`", "metrics.`loss` DESC"],
        ["attributes.start_time", "run_name"],
        ["attributes.start_time ASC", "attributes.run_name DESC"],
        ["start_time DESC", "run_name"],
        ["attributes.end_time DESC", "run_name"],
        ["status", "run_name"],
        ["params.absent", "run_name DESC"],
        ["created DESC", "run_name"],
        ["nonsense.x"],
        ["attributes.unknown"],
        ["metrics.loss SIDEWAYS"],
        ["metrics.loss DESC ASC"],
        ["metrics"],
        [""],
        ["dataset.name"],
    ]:
        search(order_by=order)
    pair.intended(
        "clients retry a 500 for minutes, and this one cannot pass",
        "POST",
        "runs/search",
        {"experiment_ids": [experiment], "order_by": ["metrics.loss", "metrics.loss"]},
        ours=([400], "`order_by` contains duplicate fields"),
        theirs=([500], "`order_by` contains duplicate fields"),
    )
    for results in (0, -1, 50000, 50001, "3", "three"):
        search(max_results=results)
    for token in ("x", "eA==", "e30=", ""):
        search(page_token=token)
    pair.post("/ajax-api/2.0/mlflow/runs/search", {"experimentIds": [experiment], "orderBy": ["run_name"], "maxResults": 3})
