"""The gateway's administration answers as MLflow's server does: secrets, model definitions, endpoints, and refusals."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from compare import Both, Pair
from databases import execute

NAMES = itertools.count()
BASE = "/api/3.0/mlflow/gateway"
PAGES = "/ajax-api/3.0/mlflow/gateway"
NOBODY = "0" * 32


def name(of: str) -> str:
    return f"{of}-{next(NAMES)}"


def get(pair: Pair, path: str, **query) -> Both:
    return pair.get(f"{BASE}/{path}", **query)


def post(pair: Pair, path: str, body: Any = None) -> Both:
    return pair.post(f"{BASE}/{path}", body)


def delete(pair: Pair, path: str, **body) -> Both:
    return pair.call("DELETE", f"{BASE}/{path}", body)


def make_secret(pair: Pair, **more) -> Both:
    body = {"secret_name": name("secret"), "secret_value": {"api_key": "sk-0123456789"}, "provider": "openai"}
    return post(pair, "secrets/create", body | more)["secret"]["secret_id"]


def make_model(pair: Pair, secret: Both, **more) -> Both:
    body = {"name": name("model"), "secret_id": secret, "provider": "openai", "model_name": "gpt-4o-mini"}
    return post(pair, "model-definitions/create", body | more)["model_definition"]["model_definition_id"]


def make_endpoint(pair: Pair, *models: Both, **more) -> Both:
    configs = [{"model_definition_id": it, "linkage_type": "PRIMARY"} for it in models]
    body = {"name": name("endpoint"), "model_configs": configs, "usage_tracking": False}
    return post(pair, "endpoints/create", body | more)["endpoint"]["endpoint_id"]


@pytest.fixture
def secret(pair) -> Both:
    return make_secret(pair)


@pytest.fixture
def model(pair, secret) -> Both:
    return make_model(pair, secret)


@pytest.fixture
def endpoint(pair, model) -> Both:
    return make_endpoint(pair, model)


# --- secrets -----------------------------------------------------------------------------------------------------------


def test_a_secret_from_birth_to_death(pair: Pair):
    named = name("naïve ☕")
    provider = name("provider")
    made = post(
        pair,
        "secrets/create",
        {
            "secret_name": named,
            "secret_value": {"aws_access_key_id": "AKIA0123456789", "aws_secret_access_key": "short", "ü": "üüüüüüüü"},
            "provider": provider,
            "auth_config": {"auth_mode": "access_keys", "aws_region_name": "us-east-1"},
            "created_by": "ada",
        },
    )["secret"]["secret_id"]
    get(pair, "secrets/get", secret_id=made)
    get(pair, "secrets/list", provider=provider)
    get(pair, "secrets/list", provider="nobody")
    pair.get(f"{PAGES}/secrets/list", provider=provider)
    post(pair, "secrets/create", {"secret_name": named, "secret_value": {"api_key": "x"}})
    post(pair, "secrets/update", {"secret_id": made, "secret_value": {"api_key": "sk-new-9876543210"}, "updated_by": "bob"})
    post(pair, "secrets/update", {"secret_id": made, "auth_config": {"auth_mode": "api_key"}})
    post(pair, "secrets/update", {"secret_id": made, "auth_config": {"api_base": " "}})
    post(pair, "secrets/update", {"secret_id": made})
    delete(pair, "secrets/delete", secret_id=made)
    get(pair, "secrets/get", secret_id=made)
    delete(pair, "secrets/delete", secret_id=made)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"secret_name": None, "secret_value": {"api_key": "x"}},
        {"secret_name": "", "secret_value": {"api_key": "x"}},
        {"secret_name": 5, "secret_value": {"api_key": "x"}},
        {"secret_name": "null value", "secret_value": None},
        {"secret_name": "a", "secret_value": {"api_key": "x", "api_base": "https://a"}},
        {"secret_name": "a", "secret_value": {"model_list": "x", "base_url": "https://a"}},
        {"secret_name": "a", "secret_value": {"api_key": "x"}, "auth_config": {"base_url": "https://a", "fallbacks": "b"}},
        {"secret_name": "a", "secret_value": {"api_key": "x"}, "auth_config": {"api_base": "http://8.8.8.8/v1"}},
        {"secret_name": "a", "secret_value": {"api_key": "x"}, "auth_config": {"api_base": "https://127.0.0.1/v1"}},
        {"secret_name": "a", "secret_value": {"api_key": "x"}, "auth_config": {"api_base": "https://169.254.169.254/"}},
        {"secret_name": "a", "secret_value": {"api_key": "x"}, "auth_config": {"api_base": "https://127.1/v1"}},
    ],
    ids=lambda body: str(body)[:70],
)
def test_secrets_refused(pair: Pair, body):
    post(pair, "secrets/create", body)


def test_secrets_without_much(pair: Pair):
    post(pair, "secrets/create", {"secret_name": name("bare")})
    post(pair, "secrets/create", {"secret_name": name("bare"), "secret_value": {}})
    post(pair, "secrets/create", {"secret_name": name("public"), "secret_value": {"api_key": "x"}, "auth_config": {"api_base": " https://8.8.8.8/v1 "}})
    get(pair, "secrets/get")
    get(pair, "secrets/get", secret_name="by name")
    get(pair, "secrets/get", secret_id=f"s-{NOBODY}")
    post(pair, "secrets/update", {})
    post(pair, "secrets/update", {"secret_id": f"s-{NOBODY}", "secret_value": {"api_key": "x"}})
    post(pair, "secrets/update", {"secret_id": f"s-{NOBODY}"})
    delete(pair, "secrets/delete")
    pair.get(f"{PAGES}/secrets/config")


# --- model definitions -------------------------------------------------------------------------------------------------


def test_a_model_definition_from_birth_to_death(pair: Pair, secret):
    named = name("model")
    provider = name("provider")
    body = {"name": named, "secret_id": secret, "provider": provider, "model_name": "gpt-4o", "created_by": "ada"}
    made = post(pair, "model-definitions/create", body)["model_definition"]["model_definition_id"]
    post(pair, "model-definitions/create", body)
    get(pair, "model-definitions/get", model_definition_id=made)
    get(pair, "model-definitions/list", provider=provider)
    get(pair, "model-definitions/list", secret_id=secret)
    get(pair, "model-definitions/list", secret_id=secret, provider="nobody")
    other = make_model(pair, secret)
    post(pair, "model-definitions/update", {"model_definition_id": other, "name": named})
    post(pair, "model-definitions/update", {"model_definition_id": made, "name": name("renamed"), "updated_by": "bob"})
    post(pair, "model-definitions/update", {"model_definition_id": made, "model_name": "gpt-5", "provider": "azure"})
    post(pair, "model-definitions/update", {"model_definition_id": made, "secret_id": f"s-{NOBODY}"})
    post(pair, "model-definitions/update", {"model_definition_id": made, "secret_id": make_secret(pair)})
    post(pair, "model-definitions/update", {"model_definition_id": made})
    delete(pair, "secrets/delete", secret_id=secret)
    get(pair, "model-definitions/get", model_definition_id=other)
    delete(pair, "model-definitions/delete", model_definition_id=made)
    get(pair, "model-definitions/get", model_definition_id=made)
    delete(pair, "model-definitions/delete", model_definition_id=made)


def test_model_definitions_refused(pair: Pair, secret):
    whole = {"name": name("m"), "secret_id": secret, "provider": "openai", "model_name": "gpt-4o"}
    for field in whole:
        post(pair, "model-definitions/create", {key: item for key, item in whole.items() if key != field})
        post(pair, "model-definitions/create", whole | {field: ""})
    post(pair, "model-definitions/create", whole | {"name": 7})
    post(pair, "model-definitions/create", whole | {"secret_id": f"s-{NOBODY}"})
    get(pair, "model-definitions/get")
    post(pair, "model-definitions/update", {"name": "x"})
    post(pair, "model-definitions/update", {"model_definition_id": f"d-{NOBODY}", "name": "x"})
    delete(pair, "model-definitions/delete")
    post(pair, "model-definitions/create", whole | {"secret_id": secret, "secretId": secret})


# --- endpoints ---------------------------------------------------------------------------------------------------------


def test_an_endpoint_from_birth_to_death(pair: Pair, secret, model):
    other = make_model(pair, secret, provider=(provider := name("provider")))
    named = name("endpoint")
    made = post(
        pair,
        "endpoints/create",
        {
            "name": named,
            "model_configs": [
                {"model_definition_id": model, "linkage_type": "PRIMARY", "weight": 0.7},
                {"model_definition_id": other, "linkage_type": "FALLBACK", "fallback_order": 0},
            ],
            "created_by": "ada",
            "routing_strategy": "REQUEST_BASED_TRAFFIC_SPLIT",
            "fallback_config": {"strategy": "SEQUENTIAL", "max_attempts": 2},
        },
    )["endpoint"]["endpoint_id"]
    endpoint = get(pair, "endpoints/get", endpoint_id=made)["endpoint"]
    pair.get("experiments/get", experiment_id=endpoint["experiment_id"])
    get(pair, "endpoints/get", name=named)
    get(pair, "endpoints/list", provider=provider)
    get(pair, "endpoints/list", provider="nobody")
    post(pair, "endpoints/update", {"endpoint_id": made, "name": name("renamed"), "updated_by": "bob"})
    post(pair, "endpoints/update", {"endpoint_id": made, "usage_tracking": False})
    post(pair, "endpoints/update", {"endpoint_id": made, "fallback_config": {"max_attempts": 1}})
    configs = [{"model_definition_id": other, "linkage_type": "PRIMARY"}]
    post(pair, "endpoints/update", {"endpoint_id": made, "model_configs": configs, "updated_by": "carol"})
    get(pair, "endpoints/get", endpoint_id=made)
    post(pair, "endpoints/update", {"endpoint_id": made, "model_configs": []})
    delete(pair, "endpoints/delete", endpoint_id=made)
    get(pair, "endpoints/get", endpoint_id=made)
    delete(pair, "endpoints/delete", endpoint_id=made)


def test_usage_tracking_makes_an_experiment(pair: Pair, endpoint):
    updated = post(pair, "endpoints/update", {"endpoint_id": endpoint, "usage_tracking": True})["endpoint"]
    pair.get("experiments/get", experiment_id=updated["experiment_id"])


def test_an_experiment_of_ones_own(pair: Pair, model):
    experiment = pair.post("experiments/create", {"name": name("own")})["experiment_id"]
    made = make_endpoint(pair, model, experiment_id=experiment, usage_tracking=True)
    get(pair, "endpoints/get", endpoint_id=made)
    post(pair, "endpoints/update", {"endpoint_id": made, "experiment_id": "0"})


def test_endpoints_refused(pair: Pair, model):
    one = {"model_definition_id": model, "linkage_type": "PRIMARY"}
    for body in [
        {},
        {"name": name("e")},
        {"name": name("e"), "model_configs": []},
        {"name": "", "model_configs": [one]},
        {"name": 5, "model_configs": [one]},
        {"name": "a b", "model_configs": [one]},
        {"name": "a/b", "model_configs": [one]},
        {"name": name("e"), "model_configs": [{"model_definition_id": model}]},
        {"name": name("e"), "model_configs": [one, {"model_definition_id": model, "linkage_type": 0}]},
        {"name": name("e"), "model_configs": [{"model_definition_id": f"d-{NOBODY}", "linkage_type": "PRIMARY"}]},
    ]:
        post(pair, "endpoints/create", body)
    get(pair, "endpoints/get")
    get(pair, "endpoints/get", name="nope")
    get(pair, "endpoints/get", name="nope", endpoint_id=f"e-{NOBODY}")
    get(pair, "endpoints/get", endpoint_id=f"e-{NOBODY}")
    post(pair, "endpoints/update", {"name": "x"})
    post(pair, "endpoints/update", {"endpoint_id": f"e-{NOBODY}", "name": "x"})
    post(pair, "endpoints/update", {"endpoint_id": f"e-{NOBODY}", "name": "x y"})
    delete(pair, "endpoints/delete")


def test_a_name_that_is_taken(pair: Pair, model):
    """MLflow lets the database's words through, as an error of its own."""
    body = {"name": name("taken"), "model_configs": [{"model_definition_id": model, "linkage_type": "PRIMARY"}]}
    post(pair, "endpoints/create", body | {"usage_tracking": False})
    pair.intended(
        "a taken name is the caller's mistake",
        "POST",
        f"{BASE}/endpoints/create",
        body | {"usage_tracking": False},
        ours=([400], "RESOURCE_ALREADY_EXISTS"),
        theirs=([400, 500], ""),
    )


def test_models_are_attached_and_detached(pair: Pair, secret, endpoint, model):
    other = make_model(pair, secret)
    config = {"model_definition_id": other, "linkage_type": "FALLBACK", "fallback_order": 3, "weight": 0.25}
    post(pair, "endpoints/models/attach", {"endpoint_id": endpoint, "model_config": config, "created_by": "ada"})
    post(pair, "endpoints/models/attach", {"endpoint_id": endpoint, "model_config": config})
    get(pair, "endpoints/get", endpoint_id=endpoint)
    pair.intended(
        "MLflow's client repeats what fails with 500, and this stays as it is",
        "DELETE",
        f"{BASE}/model-definitions/delete",
        {"model_definition_id": other},
        ours=([400], "INVALID_STATE"),
        theirs=([500], "INVALID_STATE"),
    )
    post(pair, "endpoints/models/detach", {"endpoint_id": endpoint, "model_definition_id": other})
    post(pair, "endpoints/models/detach", {"endpoint_id": endpoint, "model_definition_id": other})
    post(pair, "endpoints/models/detach", {"endpoint_id": f"e-{NOBODY}", "model_definition_id": other})
    post(pair, "endpoints/models/detach", {"endpoint_id": endpoint})
    post(pair, "endpoints/models/attach", {"endpoint_id": endpoint})
    post(pair, "endpoints/models/attach", {"endpoint_id": endpoint, "model_config": {"model_definition_id": other}})
    missing = config | {"model_definition_id": f"d-{NOBODY}"}
    post(pair, "endpoints/models/attach", {"endpoint_id": endpoint, "model_config": missing})
    post(pair, "endpoints/models/attach", {"endpoint_id": f"e-{NOBODY}", "model_config": config})


def test_bindings(pair: Pair, endpoint):
    key = {"endpoint_id": endpoint, "resource_type": "scorer", "resource_id": name("scorer")}
    post(pair, "endpoints/bindings/create", key | {"created_by": "ada"})
    get(pair, "endpoints/bindings/list", endpoint_id=endpoint)
    get(pair, "endpoints/bindings/list", resource_type="scorer", resource_id=key["resource_id"])
    get(pair, "endpoints/bindings/list", resource_id="nothing")
    for field in key:
        post(pair, "endpoints/bindings/create", {name: item for name, item in key.items() if name != field})
        delete(pair, "endpoints/bindings/delete", **{name: item for name, item in key.items() if name != field})
    post(pair, "endpoints/bindings/create", key | {"endpoint_id": f"e-{NOBODY}"})
    delete(pair, "endpoints/bindings/delete", **key)
    delete(pair, "endpoints/bindings/delete", **key)
    get(pair, "endpoints/bindings/list", endpoint_id=endpoint)


def test_tags(pair: Pair, endpoint):
    for value in ["a", "ünï", ""]:
        post(pair, "endpoints/set-tag", {"endpoint_id": endpoint, "key": "team", "value": value})
    post(pair, "endpoints/set-tag", {"endpoint_id": endpoint, "key": "bare"})
    get(pair, "endpoints/get", endpoint_id=endpoint)
    delete(pair, "endpoints/delete-tag", endpoint_id=endpoint, key="team")
    delete(pair, "endpoints/delete-tag", endpoint_id=endpoint, key="team")
    get(pair, "endpoints/get", endpoint_id=endpoint)
    post(pair, "endpoints/set-tag", {"endpoint_id": endpoint})
    post(pair, "endpoints/set-tag", {"endpoint_id": f"e-{NOBODY}", "key": "team", "value": "a"})
    delete(pair, "endpoints/delete-tag", endpoint_id=f"e-{NOBODY}", key="team")
    delete(pair, "endpoints/delete-tag", endpoint_id=endpoint)


# --- budgets -----------------------------------------------------------------------------------------------------------

BUDGET = {
    "budget_unit": "USD",
    "budget_amount": 12.5,
    "duration": {"unit": "MONTHS", "value": 3},
    "target_scope": "GLOBAL",
    "budget_action": "REJECT",
}


def test_a_budget_from_birth_to_death(pair: Pair, endpoint):
    made = post(pair, "budgets/create", BUDGET | {"created_by": "ada"})["budget_policy"]["budget_policy_id"]
    get(pair, "budgets/get", budget_policy_id=made)
    get(pair, "budgets/list")
    get(pair, "budgets/windows")
    update = {"budget_policy_id": made}
    post(pair, "budgets/update", update | {"budget_amount": 0.1, "updated_by": "bob", "budget_action": "ALERT"})
    for unit in ["MINUTES", "HOURS", "DAYS", "WEEKS"]:
        post(pair, "budgets/update", update | {"duration": {"unit": unit, "value": 7}})
        if unit != "MINUTES":
            get(pair, "budgets/windows")
    post(pair, "budgets/update", update | {"target_scope": "ENDPOINT"})
    post(pair, "budgets/update", update | {"target_scope": "ENDPOINT", "target_value": f"e-{NOBODY}"})
    post(pair, "budgets/update", update | {"target_scope": "ENDPOINT", "target_value": endpoint})
    post(pair, "budgets/update", update | {"target_scope": "ENDPOINT"})
    post(pair, "budgets/update", update | {"target_value": ""})
    post(pair, "budgets/update", update | {"target_scope": "USER", "target_value": "ada"})
    post(pair, "budgets/update", update | {"target_scope": "WORKSPACE"})
    post(pair, "budgets/update", update | {"target_value": "x"})
    post(pair, "budgets/update", update)
    delete(pair, "budgets/delete", budget_policy_id=made)
    get(pair, "budgets/get", budget_policy_id=made)
    post(pair, "budgets/update", update)
    delete(pair, "budgets/delete", budget_policy_id=made)


def test_budgets_refused(pair: Pair, endpoint):
    for field in BUDGET:
        post(pair, "budgets/create", {key: item for key, item in BUDGET.items() if key != field})
    for more in [
        {"budget_unit": 0},
        {"target_scope": 0},
        {"budget_action": 0},
        {"duration": {"unit": "DAYS"}},
        {"duration": {"unit": "DAYS", "value": 0}},
        {"duration": {"unit": "DAYS", "value": -2}},
        {"duration": {"value": 2}},
        {"target_value": "x"},
        {"target_scope": "ENDPOINT"},
        {"target_scope": "ENDPOINT", "target_value": f"e-{NOBODY}"},
        {"target_scope": "USER", "target_value": "ada"},
    ]:
        post(pair, "budgets/create", BUDGET | more)
    made = post(pair, "budgets/create", BUDGET | {"target_scope": "ENDPOINT", "target_value": endpoint})
    delete(pair, "budgets/delete", budget_policy_id=made["budget_policy"]["budget_policy_id"])
    get(pair, "budgets/get")
    post(pair, "budgets/update", {})
    delete(pair, "budgets/delete")


def test_budgets_in_pages(pair: Pair):
    """Both list budgets by their ids, which are random."""
    made = [post(pair, "budgets/create", BUDGET)["budget_policy"]["budget_policy_id"] for _ in range(3)]
    for side in pair.sides:
        page, pages = {}, []
        while not pages or page:
            answer = side.session.get(f"{side.url}{BASE}/budgets/list", params={"max_results": 2} | page).json()
            pages.append([it["budget_policy_id"] for it in answer["budget_policies"]])
            page = {"page_token": token} if (token := answer.get("next_page_token")) else {}
        assert [len(it) for it in pages] == [2, 1]
        assert pages[0] + pages[1] == sorted(getattr(it, side.name) for it in made)
    get(pair, "budgets/list", max_results=-1)
    get(pair, "budgets/list", max_results=50_001)
    for it in made:
        delete(pair, "budgets/delete", budget_policy_id=it)


# --- guardrails --------------------------------------------------------------------------------------------------------

SCORER = {"name": "safe", "builtin_scorer_class": "Safety", "builtin_scorer_pydantic_data": {}}
CODE = {"name": "own", "call_source": "return True", "original_func_name": "own", "call_signature": "(outputs)"}


@pytest.fixture
def scorer(pair) -> Callable[[dict], str]:
    """Registers a scorer in both databases, under one id: Tidegate has no RPC for it yet."""

    def register(serialized: dict) -> str:
        id_ = str(uuid.uuid4())
        for uri in pair.databases:
            execute(
                uri,
                f"INSERT INTO scorers (experiment_id, scorer_name, scorer_id) VALUES (0, '{id_}', '{id_}')",
                "INSERT INTO scorer_versions (scorer_id, scorer_version, serialized_scorer, creation_time) "
                f"VALUES ('{id_}', 1, '{json.dumps(serialized)}', 5)",
            )
        return id_

    return register


def test_a_guardrail_from_birth_to_death(pair: Pair, endpoint, scorer):
    body = {"name": "safe", "scorer_id": scorer(SCORER), "scorer_version": 1, "stage": "BEFORE", "action": "VALIDATION"}
    made = post(pair, "guardrails/create", body)["guardrail"]["guardrail_id"]
    sanitizes = body | {"stage": "AFTER", "action": "SANITIZATION", "action_endpoint_id": endpoint}
    other = post(pair, "guardrails/create", sanitizes)["guardrail"]["guardrail_id"]
    get(pair, "guardrails/get", guardrail_id=made)
    key = {"endpoint_id": endpoint, "guardrail_id": made}
    post(pair, "guardrails/add-to-endpoint", key)
    post(pair, "guardrails/add-to-endpoint", key)
    post(pair, "guardrails/add-to-endpoint", {"endpoint_id": endpoint, "guardrail_id": other, "execution_order": 2})
    get(pair, "guardrails/list-for-endpoint", endpoint_id=endpoint)
    pair.call("PATCH", f"{BASE}/guardrails/update-config", key | {"execution_order": 1})
    get(pair, "guardrails/list-for-endpoint", endpoint_id=endpoint)
    pair.call("PATCH", f"{BASE}/guardrails/update-config", key)
    delete(pair, "guardrails/remove-from-endpoint", **key)
    delete(pair, "guardrails/remove-from-endpoint", **key)
    pair.call("PATCH", f"{BASE}/guardrails/update-config", key | {"execution_order": 1})
    delete(pair, "guardrails/delete", guardrail_id=other)
    get(pair, "guardrails/list-for-endpoint", endpoint_id=endpoint)
    get(pair, "guardrails/list")
    delete(pair, "guardrails/delete", guardrail_id=made)
    delete(pair, "guardrails/delete", guardrail_id=made)
    get(pair, "guardrails/get", guardrail_id=made)


def test_guardrails_refused(pair: Pair, endpoint, scorer):
    body = {"name": "safe", "scorer_id": scorer(SCORER), "scorer_version": 1, "stage": "BEFORE", "action": "VALIDATION"}
    for field in body:
        post(pair, "guardrails/create", {key: item for key, item in body.items() if key != field})
    post(pair, "guardrails/create", body | {"scorer_id": "nobody"})
    post(pair, "guardrails/create", body | {"scorer_version": 2})
    post(pair, "guardrails/create", body | {"scorer_id": scorer(CODE)})
    get(pair, "guardrails/get")
    get(pair, "guardrails/list-for-endpoint")
    get(pair, "guardrails/list-for-endpoint", endpoint_id=f"e-{NOBODY}")
    post(pair, "guardrails/add-to-endpoint", {"endpoint_id": endpoint})
    post(pair, "guardrails/add-to-endpoint", {"endpoint_id": f"e-{NOBODY}", "guardrail_id": f"gr-{NOBODY}"})
    post(pair, "guardrails/add-to-endpoint", {"endpoint_id": endpoint, "guardrail_id": f"gr-{NOBODY}"})


# --- what the web app offers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "supported-providers",
        "supported-models",
        "supported-models?provider=",
        "supported-models?provider=vertex_ai",
        "supported-models?provider=bedrock_converse",
        "supported-models?provider=nobody",
        "provider-config",
        "provider-config?provider=",
        *[
            f"provider-config?provider={it}"
            for it in ("openai", "azure", "bedrock", "bedrock_converse", "Amazon-Bedrock", "vertex_ai", "databricks-model-serving")
        ],
        *[f"provider-config?provider={it}" for it in ("portkey", "sagemaker", "typesafe", "together_ai", "no such, v2ü")],
    ],
)
def test_vendors_and_models(pair: Pair, path):
    pair.get(f"{PAGES}/{path}")
