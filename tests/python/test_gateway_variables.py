"""MLflow's variables for its gateway mean here what they mean there."""

from __future__ import annotations

import json
import time

import pytest
import requests
import tidegate
from gateway_database import CHAT, PRIVATE, ask, make_endpoint, make_model, store_of
from mock_upstream import KEY, SLOW
from real_mlflow import MlflowServer

PAGES = "/ajax-api/3.0/mlflow/gateway"
FOUND = [
    f"{PAGES}/supported-providers",
    f"{PAGES}/supported-models?provider=bedrock",
    f"{PAGES}/supported-models?provider=openai",
    f"{PAGES}/provider-config?provider=openai",
    f"{PAGES}/provider-config?provider=Amazon-Bedrock",
    "/api/3.0/mlflow/gateway/endpoints/list",
    "/api/3.0/mlflow/server-info",
]


def answers(server) -> list:
    """Statuses, and what clients read of the answers."""
    told = []
    for path in FOUND:
        answer = requests.get(server.url + path, timeout=120)
        body = answer.json()
        kept = {key: value for key, value in body.items() if key not in ("sqlstate", "error_class")}
        told.append((path, answer.status_code, kept if "server-info" not in path else body["features_enabled"]))
    call = requests.post(f"{server.url}/gateway/nobody/mlflow/invocations", json=CHAT, timeout=120)
    return [*told, (call.status_code, call.json() if call.status_code == 501 else None)]


@pytest.mark.parametrize(
    "variables",
    [
        {"MLFLOW_GATEWAY_ALLOWED_PROVIDERS": " Amazon-Bedrock,groq"},
        {"MLFLOW_ENABLE_AI_GATEWAY": "false"},
    ],
    ids=str,
)
def test_mlflow_and_tidegate_answer_alike(tmp_path, variables):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    with (
        MlflowServer(f"sqlite:///{theirs}/mlflow.db", theirs, env=variables) as mlflow_server,
        tidegate.serve(ours, gateway_config=tidegate.FROM_DATABASE, env=variables) as server,
    ):
        assert answers(server) == answers(mlflow_server)


def test_only_allowed_providers_are_asked(tmp_path, upstream):
    env = PRIVATE | {"MLFLOW_GATEWAY_ALLOWED_PROVIDERS": "anthropic"}
    with tidegate.serve(tmp_path, gateway_config=tidegate.FROM_DATABASE, env=env) as server:
        store = store_of(server)
        allowed, other = (make_endpoint(store, make_model(store, upstream, provider=it)) for it in ("anthropic", "openai"))
        assert ask(server, allowed.name).status_code == 200
        assert ask(server, other.name).status_code == 404
        assert "Provider 'openai' is not allowed by the current gateway provider policy." in server.log


def test_a_file_that_asks_another_provider_is_refused(tmp_path):
    config = tmp_path / "gateway.yaml"
    model = {"provider": "openai", "name": "m", "config": {"api_key": KEY}}
    config.write_text(json.dumps({"endpoints": [{"name": "e", "endpoint_type": "llm/v1/chat", "model": model}]}))
    refused = tidegate.run("gateway", "--config", config, env={"MLFLOW_GATEWAY_ALLOWED_PROVIDERS": "groq"})
    assert refused.code != 0
    assert "`openai` is none of the providers that MLFLOW_GATEWAY_ALLOWED_PROVIDERS allows" in refused.output


def test_a_call_has_the_time_that_the_variable_gives(tmp_path, upstream):
    env = PRIVATE | {"MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS": "1"}
    with tidegate.serve(tmp_path, gateway_config=tidegate.FROM_DATABASE, env=env) as server:
        store = store_of(server)
        endpoint = make_endpoint(store, make_model(store, upstream, model=SLOW))
        began = time.monotonic()
        answer = ask(server, endpoint.name, stream=True)
        assert "error" in answer.text.splitlines()[-1] or "error" in answer.text
        assert time.monotonic() - began < 30
        upstream.go_on.set()
        upstream.go_on.clear()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_GATEWAY_BUDGET_REFRESH_INTERVAL", "soon"),
        ("MLFLOW_GATEWAY_BUDGET_REDIS_URL", "http://localhost"),
        ("MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS", "0"),
        ("MLFLOW_ENABLE_AI_GATEWAY", "perhaps"),
    ],
)
def test_nonsense_is_named(tmp_path, name, value):
    refused = tidegate.run("server", "--port", "0", "--backend-store-uri", f"sqlite:///{tmp_path}/m.db", env={name: value})
    assert refused.code != 0 and name in refused.output
