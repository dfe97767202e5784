"""One server for the whole suite, with the demo model; and one gateway in front of a scripted upstream."""

from __future__ import annotations

import os
from pathlib import Path

# Before mlflow is imported: no telemetry, and a failing call fails at once instead of retrying for minutes.
os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "GIT_PYTHON_REFRESH": "quiet",
}

import mlflow
import openai
import pytest
import tidegate
from mlflow import MlflowClient
from mock_upstream import BROKEN, ENDLESS, KEY, LIMITED, MockUpstream


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """`tidegate server` with configs/gateway.yaml, so with the real demo model."""
    with tidegate.serve(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def client(server) -> MlflowClient:
    """The MLflow client, pointed at the server; the fluent API is too."""
    mlflow.set_tracking_uri(server.url)
    yield MlflowClient(server.url)
    while mlflow.active_run():
        mlflow.end_run()


@pytest.fixture
def experiment(client, request) -> str:
    """The id of an experiment of the test's own, set as the active one."""
    return mlflow.set_experiment(f"{request.node.module.__name__}.{request.node.name}").experiment_id


@pytest.fixture(scope="session")
def upstream():
    upstream = MockUpstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="session")
def mocked(tmp_path_factory, upstream):
    """A whole server whose endpoints lead to the scripted upstream."""
    folder = tmp_path_factory.mktemp("mocked")
    with tidegate.serve(folder, gateway_config=mocked_config(folder, upstream), env={"MOCK_KEY": KEY}) as server:
        yield server


@pytest.fixture
def openai_client(server):
    return openai_of(server)


@pytest.fixture
def mocked_openai(mocked):
    return openai_of(mocked)


def openai_of(server: tidegate.Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="not-needed", max_retries=0, timeout=120)


def mocked_config(folder: Path, upstream: MockUpstream) -> Path:
    def endpoint(name: str, kind: str, model: str, more: str = "") -> str:
        return f"""
  - name: {name}
    endpoint_type: llm/v1/{kind}
    model:
      provider: openai
      name: {model}
      config: {{openai_api_key: $MOCK_KEY, openai_api_base: "{upstream.url}/v1"}}{more}"""

    path = folder / "gateway.yaml"
    path.write_text(
        "endpoints:"
        + endpoint("mock", "chat", "mock-1")
        + endpoint("other", "chat", "mock-2")
        + endpoint("mock-completions", "completions", "mock-1")
        + endpoint("mock-embeddings", "embeddings", "mock-embed")
        + endpoint("upstream-limited", "chat", LIMITED)
        + endpoint("upstream-broken", "chat", BROKEN)
        + endpoint("endless", "chat", ENDLESS)
        + endpoint("two-a-day", "chat", "mock-1", "\n    limit: {calls: 2, renewal_period: day}")
        + f"""
  - name: claude
    endpoint_type: llm/v1/chat
    model:
      provider: anthropic
      name: claude-mock
      config: {{anthropic_api_key: $MOCK_KEY, anthropic_api_base: "{upstream.url}/v1"}}
routes:
  - name: split
    task_type: llm/v1/chat
    destinations:
      - {{name: mock, traffic_percentage: 50}}
      - {{name: other, traffic_percentage: 50}}
"""
    )
    return path
