"""Budgets that MLflow's client keeps in the database hold for calls here, and outlive a restart."""

from __future__ import annotations

import datetime
import re

import openai
import pytest
import tidegate
from gateway_database import CHAT, PRIVATE, ask, make_endpoint, make_model, store_of
from mlflow.entities.gateway_budget_policy import (
    BudgetAction,
    BudgetDuration,
    BudgetDurationUnit,
    BudgetTargetScope,
    BudgetUnit,
)

MODEL = "gpt-4o-mini"
USD = 11 * 0.15e-6 + 8 * 0.6e-6  # what an answer of the mock costs with this model
YEARS = BudgetDuration(BudgetDurationUnit.MONTHS, 24)  # no window ends while a test runs


def make_budget(store, usd: float, action=BudgetAction.REJECT, scope=BudgetTargetScope.GLOBAL, target=None, duration=YEARS):
    return store.create_budget_policy(BudgetUnit.USD, usd, duration, scope, action, target_value=target)


@pytest.fixture
def start(tmp_path):
    """Starts a server on one database, again and again."""

    def start():
        env = PRIVATE | {"TZ": "UTC"}
        return tidegate.serve(tmp_path, gateway_config=tidegate.FROM_DATABASE, database=f"sqlite:///{tmp_path}/mlflow.db", env=env)

    return start


def spent(server) -> list[float]:
    """US dollars in the window of each budget, by the records."""
    answer = server.get("/api/3.0/mlflow/gateway/budgets/windows").json()
    return [it["current_spend"] for it in answer["windows"]]


def test_a_budget_ends_calls_in_mlflows_words_and_outlives_a_restart(start, upstream):
    with start() as server:
        store = store_of(server)
        endpoint = make_endpoint(store, make_model(store, upstream, model=MODEL), usage_tracking=True)
        budget = make_budget(store, 1.5 * USD)
        assert [ask(server, endpoint.name).status_code for _ in range(2)] == [200, 200]
        refused = ask(server, endpoint.name)
        assert refused.status_code == 429, refused.text
        years = r"\d{4}-01-01T00:00:00Z"
        words = rf"Budget limit exceeded\. Limit: \$0\.00 USD per 24 months\. Budget resets at {years}\. Request rejected\."
        assert re.fullmatch(words, refused.json()["detail"])
        ends = datetime.datetime.fromisoformat(re.search(years, refused.text)[0])
        left = (ends - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        assert left - 60 < int(refused.headers["retry-after"]) <= left + 1
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="not-needed", max_retries=0)
        with pytest.raises(openai.RateLimitError, match="Budget limit exceeded"):
            client.chat.completions.create(model=endpoint.name, **CHAT)
        tidegate.eventually(lambda: spent(server) == [pytest.approx(2 * USD)])
    with start() as server:
        store = store_of(server)
        assert ask(server, endpoint.name).status_code == 429
        store.update_budget_policy(budget.budget_policy_id, budget_amount=2.5 * USD)
        assert [ask(server, endpoint.name).status_code for _ in range(2)] == [200, 429]
        store.delete_budget_policy(budget.budget_policy_id)
        assert ask(server, endpoint.name).status_code == 200


def test_a_budget_is_for_whom_it_names(start, upstream):
    with start() as server:
        store = store_of(server)
        model = make_model(store, upstream, model=MODEL)
        spender, other = (make_endpoint(store, model, usage_tracking=True) for _ in range(2))
        make_budget(store, 0.5 * USD, scope=BudgetTargetScope.ENDPOINT, target=spender.endpoint_id)
        assert [ask(server, spender.name).status_code for _ in range(2)] == [200, 429]
        assert ask(server, other.name).status_code == 200
        make_budget(store, 100.0, scope=BudgetTargetScope.WORKSPACE)
        assert ask(server, other.name).status_code == 200
        # What was spent before a budget was made counts in it.
        tidegate.eventually(lambda: sum(spent(server)) == pytest.approx(4 * USD))
        make_budget(store, 2.5 * USD)
        assert ask(server, other.name).status_code == 429


def test_an_alert_stops_nobody_and_is_told_once(start, upstream):
    with start() as server:
        store = store_of(server)
        endpoint = make_endpoint(store, make_model(store, upstream, model=MODEL), usage_tracking=True)
        make_budget(store, 0.5 * USD, action=BudgetAction.ALERT)
        assert [ask(server, endpoint.name).status_code for _ in range(3)] == [200] * 3
        assert server.log.count("a budget is used up; calls go on") == 1


def test_a_dear_call_may_begin_as_long_as_something_is_left(start, upstream):
    with start() as server:
        store = store_of(server)
        endpoint = make_endpoint(store, make_model(store, upstream, model=MODEL))
        make_budget(store, 0.1 * USD)
        assert [ask(server, endpoint.name, max_tokens=100_000).status_code for _ in range(2)] == [200, 429]
