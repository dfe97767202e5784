"""Experiments answer as MLflow's server does: create, get, search, update, delete, restore, tags, and every refusal."""

from __future__ import annotations

import itertools

import pytest
from compare import Both, Pair

NAMES = itertools.count()
STEM = "already exists"  # what follows is the database driver's wording


def name(of: str) -> str:
    return f"{of} {next(NAMES)}"


@pytest.fixture
def experiment(pair) -> Both:
    return pair.post("experiments/create", {"name": name("exp")})["experiment_id"]


def test_create_and_read(pair: Pair):
    named = name("naïve ☕ experiment")
    tags = [{"key": "owner", "value": "ada"}, {"key": "note", "value": "ünïcode 🌊"}, {"key": "empty", "value": ""}]
    created = pair.post("experiments/create", {"name": named, "tags": tags})["experiment_id"]
    pair.get("experiments/get", experiment_id=created)
    pair.get("/ajax-api/2.0/mlflow/experiments/get", experiment_id=created)
    pair.get("experiments/get-by-name", experiment_name=named)
    pair.post("experiments/create", {"name": named}, until=STEM)
    located = pair.post("experiments/create", {"name": name("located"), "artifact_location": "s3://bucket/a b/c"})
    pair.get("experiments/get", experiment_id=located["experiment_id"])
    pair.get("experiments/get", experiment_id="0")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": None},
        {"name": 5},
        {"name": ""},
        {"name": ["a"]},
        {"name": {"a": 1}},
        {"name": True},
        {"name": "n" * 501},
        {"name": "a", "tags": "no list"},
        {"name": "a", "artifact_location": 7},
        {"name": "loc-frag", "artifact_location": "s3://bucket/x#y"},
        {"name": "loc-dots", "artifact_location": "s3://bucket/../x"},
        {"name": "loc-long", "artifact_location": "s3://bucket/" + "x" * 2048},
        {"name": "tag-key", "tags": [{"key": "k" * 251, "value": "v"}]},
        {"name": "tag-chars", "tags": [{"key": "a@b", "value": "v"}]},
        {"name": "tag-value", "tags": [{"key": "k", "value": "v" * 20001}]},
    ],
    ids=lambda body: str(body)[:40],
)
def test_create_refused(pair: Pair, body):
    pair.post("experiments/create", body)


@pytest.mark.parametrize(
    ("method", "path", "value"),
    [
        (method, path, value)
        for method, path in [
            ("GET", "experiments/get"),
            ("POST", "experiments/delete"),
            ("POST", "experiments/restore"),
            ("POST", "experiments/update"),
        ]
        for value in ["999999", "abc", "", "-1", "1.5", None, "2147483647"]
    ],
)
def test_no_such_experiment(pair: Pair, method, path, value):
    arguments = {} if value is None else {"experiment_id": value}
    if method == "GET":
        pair.get(path, **arguments)
    else:
        pair.post(path, arguments | ({"new_name": name("x")} if path.endswith("update") else {}))


@pytest.mark.parametrize("body", [[], [{"name": "in a list"}], "text", 7, {"name": "a", "tags": ["t"]}], ids=str)
def test_create_from_nonsense(pair: Pair, body):
    pair.nonsense("POST", "experiments/create", body, says="INVALID_PARAMETER_VALUE")


def test_an_id_that_no_database_holds(pair: Pair):
    id_ = "9" * 20
    says = f"Invalid experiment ID '{id_}'"
    pair.nonsense("GET", "experiments/get", params={"experiment_id": id_}, says=says)
    for path in ("delete", "restore", "update"):
        pair.nonsense("POST", f"experiments/{path}", {"experiment_id": id_, "new_name": name("x")}, says=says)


def test_camel_case_is_enough(pair: Pair, experiment):
    """MLflow reads both spellings of a body's fields, and then looks for the required ones in snake case alone."""
    pair.get("experiments/get", experimentId=experiment)
    reason, refused = "a field counts in either spelling", ([400], "Missing value for required parameter")
    body = {"experimentId": experiment, "newName": name("camel")}
    pair.intended(reason, "POST", "experiments/update", body, ours=([200], "{}"), theirs=refused)


def test_rename(pair: Pair, experiment):
    other, free = name("other"), name("free")
    pair.post("experiments/create", {"name": other})
    pair.post("experiments/update", {"experiment_id": experiment, "new_name": free})
    pair.get("experiments/get", experiment_id=experiment)
    pair.post("experiments/update", {"experiment_id": experiment, "new_name": free})
    pair.post("experiments/update", {"experiment_id": experiment})
    pair.post("experiments/update", {"experiment_id": experiment, "new_name": ""})
    pair.post("experiments/update", {"experiment_id": experiment, "new_name": 5})
    pair.post("experiments/update", {"experiment_id": experiment, "new_name": "n" * 501})
    pair.get("experiments/get", experiment_id=experiment)


def test_rename_to_a_taken_name(pair: Pair, experiment):
    taken = name("taken")
    pair.post("experiments/create", {"name": taken})
    pair.intended(
        "MLflow shows its database driver's own text, and another one on each database",
        "POST",
        "experiments/update",
        {"experiment_id": experiment, "new_name": taken},
        ours=([400], f"Experiment(name={taken}) already exists"),
        theirs=([400], taken),
    )


def test_delete_and_restore(pair: Pair, experiment):
    runs = [pair.post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"] for _ in range(2)]
    pair.post("runs/delete", {"run_id": runs[0]})
    pair.post("experiments/restore", {"experiment_id": experiment})
    pair.post("experiments/delete", {"experiment_id": experiment})
    pair.get("experiments/get", experiment_id=experiment)
    for run in runs:
        pair.get("runs/get", run_id=run)
    pair.post("experiments/delete", {"experiment_id": experiment})
    pair.intended(
        "clients retry a 500 for minutes, and this one cannot pass",
        "POST",
        "experiments/update",
        {"experiment_id": experiment, "new_name": name("late")},
        ours=([400], "Cannot rename a non-active experiment."),
        theirs=([500], "Cannot rename a non-active experiment."),
    )
    pair.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "k", "value": "v"})
    pair.post("experiments/delete-experiment-tag", {"experiment_id": experiment, "key": "k"})
    pair.post("runs/create", {"experiment_id": experiment})
    pair.post("runs/log-metric", {"run_id": runs[1], "key": "m", "value": 1, "timestamp": 1})
    pair.post("runs/search", {"experiment_ids": [experiment]})
    pair.post("experiments/restore", {"experiment_id": experiment})
    pair.get("experiments/get", experiment_id=experiment)
    for run in runs:
        pair.get("runs/get", run_id=run)


def test_a_deleted_name_stays_taken(pair: Pair):
    named = name("gone")
    experiment = pair.post("experiments/create", {"name": named})["experiment_id"]
    pair.post("experiments/delete", {"experiment_id": experiment})
    pair.get("experiments/get-by-name", experiment_name=named)
    pair.post("experiments/create", {"name": named}, until=STEM)


def test_get_by_name(pair: Pair):
    pair.get("experiments/get-by-name", experiment_name="no such")
    pair.get("experiments/get-by-name")
    pair.get("experiments/get-by-name", experiment_name="")
    pair.get("experiments/get-by-name", experiment_name="Default")


def test_tags(pair: Pair, experiment):
    def tag(key, value):
        pair.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": key, "value": value})

    tag("a", "1")
    tag("a", "2")
    tag("a/b.c-d e:f", "ünï")
    tag("empty", "")
    tag("long", "v" * 20000)
    tag("longer", "v" * 20001)
    tag("k" * 250, "v")
    tag("k" * 251, "v")
    tag("a//b", "v")
    tag("/a", "v")
    tag("..", "v")
    tag("a@b", "v")
    tag("", "v")
    tag("k", 5)
    tag(5, "v")
    tag("k", None)
    pair.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "only"})
    pair.post("experiments/set-experiment-tag", {"experiment_id": experiment, "value": "only"})
    pair.post("experiments/set-experiment-tag", {"key": "k", "value": "v"})
    pair.post("experiments/set-experiment-tag", {"experiment_id": "999999", "key": "k", "value": "v"})
    pair.get("experiments/get", experiment_id=experiment)
    pair.post("experiments/delete-experiment-tag", {"experiment_id": experiment, "key": "a"})
    pair.post("experiments/delete-experiment-tag", {"experiment_id": experiment, "key": "a"})
    pair.post("experiments/delete-experiment-tag", {"experiment_id": experiment})
    pair.post("experiments/delete-experiment-tag", {"experiment_id": "999999", "key": "a"})
    pair.get("experiments/get", experiment_id=experiment)


def test_search(pair: Pair):
    mark = name("mark")
    ids = []
    for number in range(5):
        tags = [{"key": "mark", "value": mark}, {"key": "n", "value": str(number % 2)}]
        ids.append(pair.post("experiments/create", {"name": f"{mark} {number}", "tags": tags})["experiment_id"])
    pair.post("experiments/delete", {"experiment_id": ids[4]})
    mine = f"tags.mark = '{mark}'"

    def search(**body):
        return pair.post("experiments/search", {"max_results": 10, "filter": mine} | body)

    search(order_by=["name"])
    search(order_by=["name DESC"])
    search(order_by=["experiment_id"])
    search(order_by=["last_update_time", "name desc"])
    search(order_by=["creation_time ASC", "experiment_id DESC"])
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        search(view_type=view, order_by=["name"])
        pair.get("experiments/search", max_results=10, filter=mine, view_type=view, order_by=["name"])
    page = search(max_results=2, order_by=["name"])
    page = search(max_results=2, order_by=["name"], page_token=page["next_page_token"])
    search(maxResults=2, orderBy=["name"], pageToken=page["next_page_token"] if "next_page_token" in page.ours else "")
    for more in [
        f"name = '{mark} 1'",
        f"name != '{mark} 1'",
        f"name LIKE '{mark} %'",
        f"name LIKE '{mark.upper()} %'",
        f"name ILIKE '{mark.upper()} %'",
        f"attribute.name = '{mark} 2'",
        "tags.n = '1'",
        "tags.n != '1'",
        "tags.n LIKE '%1'",
        "tag.n ILIKE '0'",
        "tags.`n` IS NULL",
        "tags.n IS NOT NULL",
        "tags.absent IS NULL",
        "creation_time > 0",
        "creation_time < 5",
        "last_update_time >= 17",
        "experiment_id > 3",
        "experiment_id IN ('1', '2')",
        "name IN ('a')",
        "name > 'a'",
        "creation_time = 'a'",
        "metrics.a > 3",
        "nothing = 'x'",
        "tags.n = 1",
        "tags.n =",
        "tags.n",
        "name = 'a' OR name = 'b'",
        "name = 'a' AND",
        "(name = 'a')",
        "name = 'a'; name = 'b'",
        "'a' = name",
        "tags.n = '1' and name ILIKE '%0' AND creation_time > 1",
    ]:
        search(filter=f"{mine} AND {more}" if "OR" not in more else more, order_by=["name"])
    for order in (["nothing"], ["name SIDEWAYS"], ["tags.n"], [""], ["name", "name"]):
        search(order_by=order)
    pair.intended(
        "keywords count in any case, as they do in the other searches",
        "POST",
        "experiments/search",
        {"max_results": 10, "filter": f"{mine} AND name ilike '%0'"},
        ours=([200], mark),
        theirs=([400], "Invalid comparator 'ilike'"),
    )
    pair.nonsense("POST", "experiments/search", {"max_results": 5, "order_by": [5]}, says="order_by")
    for results in (0, -1, 50000, 50001, "5", "five", None):
        search(max_results=results)
    for token in ("x", "eA==", "eyJvZmZzZXQiOiAieCJ9", "e30=", "", 5):
        search(page_token=token)
    pair.get("experiments/search", max_results=1, filter=mine, view_type=1)
    for view in ("NOPE", 7):
        query = {"max_results": 1, "filter": mine, "view_type": view}
        pair.nonsense("GET", "experiments/search", params=query, says="view_type")
    pair.post("experiments/search", {})
    pair.get("experiments/search")
    pair.get("experiments/search", max_results="x")


@pytest.mark.parametrize("number", [2**31, 2**53 + 1, 2**63 - 1])
def test_numbers_that_no_experiment_can_have(pair: Pair, number: int):
    """Ids are 32 bits wide on PostgreSQL and MySQL; a larger one is nobody's, like any other that was not given out."""
    id = str(number)
    pair.get("experiments/get", experiment_id=id)
    pair.post("experiments/update", {"experiment_id": id, "new_name": name("renamed")})
    pair.post("experiments/delete", {"experiment_id": id})
    pair.post("experiments/restore", {"experiment_id": id})
    pair.post("experiments/set-experiment-tag", {"experiment_id": id, "key": "k", "value": "v"})
    pair.post("runs/create", {"experiment_id": id})
    pair.post("runs/search", {"experiment_ids": [id]})
    pair.post("experiments/search", {"filter": f"experiment_id IN ('{id}')", "max_results": 5})
    pair.post("logged-models", {"experiment_id": id, "name": "model"})
    pair.post("logged-models/search", {"experiment_ids": [id]})
    pair.post("traces/delete-traces", {"experiment_id": id, "max_timestamp_millis": 1})
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": id}}
    pair.post("/api/3.0/mlflow/traces/search", {"locations": [place]})
    pair.post("/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": [id]})
