"""`search_runs` and `search_experiments` as the MLflow client asks them: filters, order and pages."""

from __future__ import annotations

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType


@pytest.fixture(scope="module")
def searched(server) -> str:
    """Twelve runs: run-00 … run-11 with loss 0.0 … 1.1, even and odd ones, and the last one without a metric."""
    client = MlflowClient(server.url)
    experiment = client.create_experiment("searched", tags={"kind": "search"})
    for index in range(12):
        run = client.create_run(experiment, start_time=1_700_000_000_000 + index, run_name=f"run-{index:02}")
        metrics = [Metric("loss", index / 10, 0, 0), Metric("val loss", -index, 0, 0)] if index < 11 else []
        params = [Param("parity", "even" if index % 2 == 0 else "odd"), Param("Name", f"Net_{index}%")]
        client.log_batch(run.info.run_id, metrics, params, [RunTag("group", f"g{index // 4}")])
        client.set_terminated(run.info.run_id, "FAILED" if index == 3 else "FINISHED")
    return experiment


@pytest.fixture
def names(client, searched):
    """Searches and gives the numbers in the names of the runs found, in order."""

    def search(filter_string: str = "", order_by: list[str] | None = None, **kwargs) -> list[int]:
        runs = client.search_runs([searched], filter_string, order_by=order_by, **kwargs)
        return [int(run.info.run_name[-2:]) for run in runs]

    return search


@pytest.mark.parametrize(
    ("filter_string", "expected"),
    [
        ("metrics.loss > 0.8", [10, 9]),
        ("metrics.loss >= 0.8 and params.parity = 'odd'", [9]),
        ("metrics.`val loss` <= -10", [10]),
        ('metrics."val loss" = 0', [0]),
        ("metrics.loss != 0.5 AND metrics.loss < 0.7 AND metrics.loss > 0.3", [6, 4]),
        ("params.parity != 'odd'", [10, 8, 6, 4, 2, 0]),
        ("params.Name LIKE 'Net\\_1%'", []),
        ("params.Name LIKE 'Net_1%'", [11, 10, 1]),
        ("params.Name LIKE 'net_1%'", []),
        ("params.Name ILIKE 'net_1%'", [11, 10, 1]),
        ("tags.group = 'g2'", [11, 10, 9, 8]),
        ("tags.group IS NULL", []),
        ("tags.absent IS NULL and tags.group = 'g0'", [3, 2, 1, 0]),
        ("attributes.status = 'FAILED'", [3]),
        ("attributes.run_name LIKE 'run-0%' and attributes.status != 'FAILED'", [9, 8, 7, 6, 5, 4, 2, 1, 0]),
        ("attributes.start_time >= 1700000000010", [11, 10]),
        ("run_name = 'run-07'", [7]),
    ],
)
def test_filters(names, filter_string, expected):
    assert names(filter_string) == expected


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        (["metrics.loss ASC"], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (["metrics.loss DESC"], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11]),
        (["params.parity", "metrics.loss DESC"], [10, 8, 6, 4, 2, 0, 9, 7, 5, 3, 1, 11]),
        (["tags.group DESC", "attributes.start_time ASC"], [8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3]),
        (["attributes.run_name DESC"], [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
    ],
)
def test_order(names, order_by, expected):
    assert names(order_by=order_by) == expected


def test_run_ids_in_a_list(client, searched, names):
    wanted = [run.info.run_id for run in client.search_runs([searched], "metrics.loss < 0.2")]
    listed = ", ".join(f"'{run_id}'" for run_id in wanted)
    assert names(f"attributes.run_id IN ({listed})") == [1, 0]
    assert len(names(f"attributes.run_id NOT IN ({listed})")) == 10


def test_pages_neither_skip_nor_repeat(client, searched):
    found, token, sizes = [], None, []
    while True:
        page = client.search_runs([searched], order_by=["metrics.loss ASC"], max_results=5, page_token=token)
        sizes.append(len(page))
        found += [int(run.info.run_name[-2:]) for run in page]
        token = page.token
        if not token:
            break
    assert sizes == [5, 5, 2]
    assert found == list(range(12))


def test_deleted_runs_are_found_only_when_asked_for(client):
    experiment = client.create_experiment("searched with deleted")
    kept, gone = (client.create_run(experiment).info.run_id for _ in range(2))
    client.delete_run(gone)
    found = lambda view: {run.info.run_id for run in client.search_runs([experiment], run_view_type=view)}  # noqa: E731
    assert found(ViewType.ACTIVE_ONLY) == {kept}
    assert found(ViewType.DELETED_ONLY) == {gone}
    assert found(ViewType.ALL) == {kept, gone}


def test_search_runs_gives_a_data_frame(client, searched):
    frame = mlflow.search_runs([searched], "metrics.loss <= 0.1", order_by=["metrics.loss"])
    assert list(frame["metrics.loss"]) == [0.0, 0.1]
    assert list(frame["params.parity"]) == ["even", "odd"]
    assert list(frame["tags.group"]) == ["g0", "g0"]
    assert list(frame["status"]) == ["FINISHED", "FINISHED"]


def test_experiments_are_searched(client, searched):
    names = lambda *args, **kwargs: [it.name for it in client.search_experiments(*args, **kwargs)]  # noqa: E731
    for name in ("alpha tide", "beta tide", "gamma tide"):
        client.create_experiment(name, tags={"family": name[:1]})
    assert names(filter_string="name LIKE '%tide'", order_by=["name ASC"]) == ["alpha tide", "beta tide", "gamma tide"]
    assert names(filter_string="tags.family = 'b'") == ["beta tide"]
    assert names(filter_string="tags.kind = 'search'") == ["searched"]
    page = client.search_experiments(filter_string="name LIKE '%tide'", order_by=["name DESC"], max_results=2)
    assert [it.name for it in page] == ["gamma tide", "beta tide"]
    assert names(filter_string="name LIKE '%tide'", order_by=["name DESC"], max_results=2, page_token=page.token) == [
        "alpha tide"
    ]
