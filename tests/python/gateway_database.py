"""Endpoints in the database, as MLflow's client makes them, for tests."""

from __future__ import annotations

import itertools

import requests
from mlflow.entities import GatewayEndpointModelConfig
from mlflow.entities.gateway_endpoint import GatewayModelLinkageType
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds
from mock_upstream import KEY

NAMES = itertools.count()
PASSPHRASE = "correct horse battery staple"
MACHINES = "key-of-this-machine-alone"
PRIVATE = {
    "AWS_BEARER_TOKEN_BEDROCK": MACHINES,
    "DATABRICKS_TOKEN": MACHINES,
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": PASSPHRASE,
    "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http,https",
}
PRIMARY, FALLBACK = GatewayModelLinkageType.PRIMARY, GatewayModelLinkageType.FALLBACK
CHAT = {"messages": [{"role": "user", "content": "hello"}]}


def name(of: str) -> str:
    return f"{of}-{next(NAMES)}"


def store_of(server) -> RestStore:
    """MLflow's client of the administration RPCs."""
    return RestStore(lambda: MlflowHostCreds(server.url))


def make_model(store, upstream, *, key: str = KEY, model: str = "mock-model", provider: str = "openai"):
    secret = store.create_gateway_secret(
        name("secret"), {"api_key": key}, provider=provider, auth_config={"api_base": f"{upstream.url}/v1"}
    )
    return store.create_gateway_model_definition(name("model"), secret.secret_id, provider, model)


def make_endpoint(store, *models, usage_tracking: bool = False, **more):
    configs = [GatewayEndpointModelConfig(it.model_definition_id, PRIMARY) for it in models]
    return store.create_gateway_endpoint(name("endpoint"), configs, usage_tracking=usage_tracking, **more)


def ask(server, endpoint: str, path: str = "/gateway/{}/mlflow/invocations", **more) -> requests.Response:
    return server.post(path.format(endpoint), CHAT | more)
