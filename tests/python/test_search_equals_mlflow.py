"""The same searches on the same database, asked of Tidegate and of a real `mlflow server`: the same rows in the same order,
or the same complaint. Data and searches are random; `SEARCHES` sets how many of each kind are asked, `SEED` which."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable

import pytest
import requests
import search_samples
from search_samples import Searches
from search_servers import KINDS, both

SEED = int(os.environ.get("SEED", "1"))
SEARCHES = int(os.environ.get("SEARCHES", "300"))
PAGES = [3, 1000]
VIEWS = ["ACTIVE_ONLY", "ACTIVE_ONLY", "ALL", "DELETED_ONLY"]
PYTHON_SET = re.compile(r"\{('[^{}]*')\}")  # printed in an order that changes with each start of Python

# MLflow answers these with an internal error, or with what its database driver says; Tidegate says what is wrong.
UNCAUGHT = re.compile(
    r"has no attribute|malformed node|could not convert string|duplicate fields|No closing quotation|invalid syntax|"
    r"unterminated|sqlite3\.|psycopg2\.|pymysql\.|unexpected|unmatched|was never closed|INTERNAL_ERROR",
    re.IGNORECASE,
)


class Servers:
    """Two servers on one database."""

    def __init__(self, ours: str, theirs: str, folds_case: bool) -> None:
        self.ours, self.theirs = ours, theirs
        post = search_samples.poster(ours)
        self.experiments = search_samples.write_runs(post, SEED, folds_case=folds_case)
        search_samples.write_experiments(post, SEED, folds_case=folds_case)
        search_samples.write_models(post, SEED, self.experiments[0], folds_case=folds_case)

    def compare(self, path: str, body: dict, key: str, row_id: Callable[[dict], str]) -> tuple[str, str | None]:
        """What kind of answer it was, and how the two differ."""
        ours, theirs = (
            requests.post(f"{url}/api/2.0/mlflow/{path}", json=body, timeout=60) for url in (self.ours, self.theirs)
        )
        said, expected = ours.json(), theirs.json()
        if ours.status_code == theirs.status_code == 200:
            rows, wanted = ([row_id(row) for row in answer.get(key, [])] for answer in (said, expected))
            has_more, should = ("next_page_token" in answer for answer in (said, expected))
            same = rows == wanted and has_more == should
            return "rows" if rows else "no rows", None if same else f"rows {rows} more {has_more}, not {wanted} {should}"
        message, wanted = (comparable(answer.get("message", "")) for answer in (said, expected))
        if ours.status_code == 400 and UNCAUGHT.search(f"{wanted} {expected.get('error_code')}"):
            return "uncaught", None
        same = (ours.status_code, said.get("error_code"), message) == (
            theirs.status_code,
            expected.get("error_code"),
            wanted,
        )
        return "refused", None if same else f"{ours.status_code} {message!r}, not {theirs.status_code} {wanted!r}"

    def compare_all(self, path: str, key: str, row_id: Callable[[dict], str], body: Callable[[Searches], dict]) -> None:
        searches, kinds, differences = Searches(SEED), Counter(), []
        for _ in range(SEARCHES):
            asked = body(searches)
            kind, difference = self.compare(path, asked, key, row_id)
            kinds[kind] += 1
            if difference:
                differences.append(f"{asked}\n    {difference}")
        assert not differences, f"{len(differences)} of {SEARCHES} differ:\n" + "\n".join(differences[:10])
        # The searches are worth something: they find rows, and they are refused.
        assert kinds["rows"] > SEARCHES / 4, kinds
        assert kinds["refused"] > SEARCHES / 20, kinds


def comparable(message: str) -> str:
    return PYTHON_SET.sub(lambda found: "{" + ", ".join(sorted(re.findall(r"'[^']*'", found[1]))) + "}", message)


@pytest.fixture(scope="module", params=KINDS)
def servers(request, tmp_path_factory):
    with both(request.param, tmp_path_factory.mktemp("search")) as (ours, theirs):
        yield Servers(ours.url, theirs, folds_case=request.param == "mysql")


def test_runs(servers):
    servers.compare_all(
        "runs/search",
        "runs",
        lambda run: run["info"]["run_id"],
        lambda searches: {
            "experiment_ids": servers.experiments,
            "filter": searches.run_filter(),
            "order_by": searches.run_order(),
            "run_view_type": searches.draw.choice(VIEWS),
            "max_results": searches.draw.choice(PAGES),
        },
    )


def test_experiments(servers):
    servers.compare_all(
        "experiments/search",
        "experiments",
        lambda experiment: experiment["experiment_id"],
        lambda searches: {
            "filter": searches.experiment_filter(),
            "order_by": searches.experiment_order(),
            "view_type": searches.draw.choice(VIEWS),
            "max_results": searches.draw.choice(PAGES),
        },
    )


def test_models(servers):
    servers.compare_all(
        "logged-models/search",
        "models",
        lambda model: model["info"]["model_id"],
        lambda searches: {
            "experiment_ids": servers.experiments,
            "filter": searches.model_filter(),
            "order_by": searches.model_order(),
            "max_results": searches.draw.choice([3, 100]),
            **searches.model_datasets(),
        },
    )
