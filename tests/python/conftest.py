"""One server for the whole suite, with the demo model; and one gateway in front of a scripted upstream."""

from __future__ import annotations

import getpass
import os
from contextlib import ExitStack
from pathlib import Path

# Before mlflow is imported: no telemetry, and a failing call fails at once instead of retrying for minutes.
os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "GIT_PYTHON_REFRESH": "quiet",
    "LOGNAME": getpass.getuser(),  # whom servers note as makers; not all of them ask the list of users
}

import mlflow
import openai
import pytest
import tidegate
from compare import Pair, start_ids_apart
from databases import KINDS, Databases, admin
from mlflow import MlflowClient
from mock_upstream import BROKEN, ENDLESS, KEY, LIMITED, MockUpstream
from real_mlflow import MlflowServer
from redis_server import redis_or_skip


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


@pytest.fixture
def redis():
    redis = redis_or_skip()
    yield redis
    redis.stop()


@pytest.fixture(scope="session")
def databases():
    databases = Databases()
    yield databases
    databases.close()


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    """The kind of database that a test runs on: each of the three in turn."""
    if request.param != "sqlite":
        admin(request.param)
    return request.param


@pytest.fixture
def database(kind, databases, tmp_path) -> str:
    """The URI of an empty database."""
    return databases.fresh(kind, tmp_path)


@pytest.fixture(scope="session")
def pairs(databases, tmp_path_factory):
    """Starts Tidegate and a real `mlflow server` on databases of one kind, once for each kind."""
    started: dict[str, Pair] = {}
    with ExitStack() as servers:

        def pair_on(kind: str) -> Pair:
            if kind not in started:
                ours, theirs = (tmp_path_factory.mktemp(f"{name}-{kind}") for name in ("tidegate", "mlflow"))
                uris = [databases.fresh(kind, folder) for folder in (ours, theirs)]
                mlflow_server = servers.enter_context(MlflowServer(uris[1], theirs))
                server = servers.enter_context(tidegate.serve(ours, gateway_config=tidegate.FROM_DATABASE, database=uris[0]))
                for uri in uris:
                    start_ids_apart(uri, kind)
                started[kind] = Pair((server, ours), (mlflow_server, theirs), kind, uris)
            return started[kind]

        yield pair_on


@pytest.fixture
def pair(pairs, kind) -> Pair:
    """Tidegate beside MLflow; all differences that a test's requests showed fail it at its end."""
    pair = pairs(kind)
    pair.begin()
    return pair


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    pair = pyfuncitem.funcargs.get("pair")
    try:
        result = yield
    except Exception as error:
        if pair and pair.differences:
            raise AssertionError(f"{error!r}, after {len(pair.differences)} differences:\n\n" + "\n\n".join(pair.differences)) from error
        raise
    if pair:
        pair.check()
    return result


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
