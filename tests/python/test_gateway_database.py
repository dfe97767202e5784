"""Endpoints in the database: made with MLflow's client, here or by MLflow itself, and served here."""

from __future__ import annotations

import json
from types import SimpleNamespace

import openai
import pytest
import tidegate
from databases import execute
from gateway_database import CHAT, FALLBACK, MACHINES, PASSPHRASE, PRIMARY, PRIVATE, ask, make_endpoint, make_model, name, store_of
from mlflow.entities import FallbackConfig, GatewayEndpointModelConfig
from mlflow.entities.gateway_endpoint import FallbackStrategy, RoutingStrategy
from mlflow.store.tracking.rest_store import RestStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.crypto import KEKManager, _decrypt_secret
from mock_upstream import BROKEN, KEY, LIMITED

@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gateway-database")


@pytest.fixture(scope="module")
def uri(folder) -> str:
    return f"sqlite:///{folder}/mlflow.db"


@pytest.fixture(scope="module")
def served(folder, uri):
    """A server without a configuration file."""
    with tidegate.serve(folder, gateway_config=tidegate.FROM_DATABASE, database=uri, env=PRIVATE) as server:
        yield server


@pytest.fixture(scope="module")
def store(served) -> RestStore:
    return store_of(served)


@pytest.fixture
def theirs(uri, served, monkeypatch, folder) -> SqlAlchemyStore:
    """MLflow's own store on the same database, with the same passphrase."""
    for variable, value in PRIVATE.items():
        monkeypatch.setenv(variable, value)
    return SqlAlchemyStore(uri, str(folder / "artifacts"))


def key_of(server, endpoint, upstream) -> str:
    """The key with which a call reaches the vendor."""
    assert ask(server, endpoint.name).status_code == 200
    return upstream.requests[-1][1]["authorization"]


def test_an_endpoint_made_with_mlflows_client_serves(served, store, upstream):
    endpoint = make_endpoint(store, make_model(store, upstream))
    for path in ["/gateway/{}/mlflow/invocations", "/gateway/{}/invocations", "/endpoints/{}/invocations"]:
        answer = ask(served, endpoint.name, path)
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"]
    client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="not-needed", max_retries=0)
    assert client.chat.completions.create(model=endpoint.name, **CHAT).choices[0].message.content
    chunks = list(client.chat.completions.create(model=endpoint.name, stream=True, **CHAT))
    assert "".join(it.choices[0].delta.content or "" for it in chunks if it.choices)
    assert client.embeddings.create(model=endpoint.name, input=["a"]).data[0].embedding
    assert endpoint.name in [it.id for it in client.models.list()]


def test_mlflows_own_routes(served, store, upstream):
    endpoint = make_endpoint(store, make_model(store, upstream))
    client = openai.OpenAI(base_url=f"{served.url}/gateway/mlflow/v1", api_key="not-needed", max_retries=0)
    assert client.chat.completions.create(model=endpoint.name, **CHAT).choices[0].message.content
    assert endpoint.name in [it.id for it in client.models.list()]


def test_changes_are_served_at_once(served, store, upstream):
    model = make_model(store, upstream, key="sk-first-0123456789")
    endpoint = make_endpoint(store, model)
    assert key_of(served, endpoint, upstream) == "Bearer sk-first-0123456789"
    store.update_gateway_secret(model.secret_id, secret_value={"api_key": KEY})
    assert key_of(served, endpoint, upstream) == f"Bearer {KEY}"
    store.update_gateway_endpoint(endpoint.endpoint_id, name=(renamed := name("renamed")))
    assert ask(served, endpoint.name).status_code == 404
    assert ask(served, renamed).status_code == 200
    store.delete_gateway_endpoint(endpoint.endpoint_id)
    assert ask(served, renamed).status_code == 404


def test_traffic_is_split_by_weight(served, store, upstream):
    models = [make_model(store, upstream, model=it) for it in ("mock-a", "mock-b", "mock-never")]
    configs = [
        GatewayEndpointModelConfig(it.model_definition_id, PRIMARY, weight)
        for it, weight in zip(models, [0.5, 0.5, 0.0], strict=True)
    ]
    endpoint = store.create_gateway_endpoint(
        name("split"), configs, routing_strategy=RoutingStrategy.REQUEST_BASED_TRAFFIC_SPLIT, usage_tracking=False
    )
    asked = {ask(served, endpoint.name).json()["model"] for _ in range(40)}
    assert asked == {"mock-a", "mock-b"}
    listed = [it["id"] for it in served.get("/v1/models").json()["data"]]
    assert endpoint.name in listed and not [it for it in listed if "/" in it]


def test_other_models_are_asked_when_one_fails(served, store, upstream):
    limited, broken, sound = (make_model(store, upstream, model=it) for it in (LIMITED, BROKEN, "mock-sound"))
    configs = [
        GatewayEndpointModelConfig(limited.model_definition_id, PRIMARY),
        GatewayEndpointModelConfig(sound.model_definition_id, FALLBACK, fallback_order=1),
        GatewayEndpointModelConfig(broken.model_definition_id, FALLBACK, fallback_order=0),
    ]
    for attempts, model in [(None, "mock-sound"), (2, "mock-sound"), (1, None)]:
        endpoint = store.create_gateway_endpoint(
            name("fallback"),
            configs,
            fallback_config=FallbackConfig(FallbackStrategy.SEQUENTIAL, attempts),
            usage_tracking=False,
        )
        answer = ask(served, endpoint.name)
        assert answer.json().get("model") == model, answer.text


def test_what_mlflow_keeps_is_served_here(served, theirs, upstream):
    endpoint = make_endpoint(theirs, make_model(theirs, upstream))
    answer = tidegate.eventually(lambda: (it := ask(served, endpoint.name)).status_code == 200 and it)
    assert answer.json()["choices"][0]["message"]["content"]


def test_a_secret_kept_here_is_read_by_mlflow(store, theirs, uri):
    value = {"aws_access_key_id": "AKIA0123456789", "note": "ünï ☕ \"quoted\" \\ \n"}
    secret = store.create_gateway_secret(name("crossing ☕"), value)
    sql = f"SELECT encrypted_value, wrapped_dek, kek_version, masked_value FROM secrets WHERE secret_id = '{secret.secret_id}'"
    ((encrypted, wrapped, version, masked),) = execute(uri, sql)
    keys = KEKManager(passphrase=PASSPHRASE)
    assert _decrypt_secret(encrypted, wrapped, keys, secret.secret_id, secret.secret_name) == value
    assert (version, json.loads(masked)["aws_access_key_id"]) == (1, "AKI...6789")
    store.update_gateway_secret(secret.secret_id, secret_value={"api_key": "another"})
    ((encrypted, wrapped),) = execute(uri, sql.replace(", kek_version, masked_value", ""))
    assert _decrypt_secret(encrypted, wrapped, keys, secret.secret_id, secret.secret_name) == {"api_key": "another"}


def test_values_are_taken_literally(served, store, upstream, folder):
    """Whoever makes endpoints must not read this machine's variables and files."""
    (folder / "key").write_text(KEY)
    for key in ("$MLFLOW_CRYPTO_KEK_PASSPHRASE", str(folder / "key")):
        endpoint = make_endpoint(store, make_model(store, upstream, key=key))
        assert key_of(served, endpoint, upstream) == f"Bearer {key}"


@pytest.mark.parametrize(
    ("provider", "settings"),
    [
        ("mlflow-model-serving", {"model_server_url": "{url}"}),
        ("mlflow-model-serving", {"mlflow_model_server_url": "{url}"}),
        ("huggingface-text-generation-inference", {"hf_server_url": "{url}"}),
        ("databricks", {"host": "{url}"}),
        ("bedrock", {"aws_region_name": "x.example.com/"}),
        ("bedrock", {"aws_region_name": "us-east-1", "aws_web_identity_token_file": "/etc/passwd"}),
        ("bedrock", {"aws_region_name": "us-east-1", "aws_sts_endpoint": "{url}"}),
    ],
    ids=lambda it: str(it)[:60],
)
def test_only_api_base_names_a_server(served, store, upstream, provider, settings):
    settings = {key: value.format(url=upstream.url) for key, value in settings.items()}
    secret = store.create_gateway_secret(name("secret"), {"api_key": KEY}, provider=provider, auth_config=settings)
    model = store.create_gateway_model_definition(name("model"), secret.secret_id, provider, "m")
    asked = len(upstream.requests)
    assert ask(served, make_endpoint(store, model).name).status_code == 404
    assert len(upstream.requests) == asked


@pytest.mark.parametrize("provider", ["bedrock", "databricks"])
def test_this_machines_own_keys_go_nowhere_that_was_chosen_over_the_api(served, store, upstream, provider):
    settings = {"api_base": f"{upstream.url}/v1"} | ({"aws_region_name": "us-east-1"} if provider == "bedrock" else {})
    secret = store.create_gateway_secret(name("secret"), {"note": "no key"}, provider=provider, auth_config=settings)
    model = store.create_gateway_model_definition(name("model"), secret.secret_id, provider, "m")
    asked = len(upstream.requests)
    assert ask(served, make_endpoint(store, model).name).status_code >= 400
    assert not any(MACHINES in str(it) for it in upstream.requests[asked:])


@pytest.mark.parametrize("provider", ["anthropic", "mistral", "groq", "ollama", "databricks", "azure"])
def test_vendors_are_told_what_they_need(served, store, upstream, provider):
    settings = {"api_base": upstream.url} | ({"api_version": "2024-02-01"} if provider == "azure" else {})
    secret = store.create_gateway_secret(name("secret"), {"api_key": KEY}, provider=provider, auth_config=settings)
    model = store.create_gateway_model_definition(name("model"), secret.secret_id, provider, "mock-model")
    endpoint = make_endpoint(store, model)
    asked = len(upstream.requests)
    ask(served, endpoint.name)
    assert len(upstream.requests) > asked, served.log[-2000:]
    assert any(KEY in it for it in upstream.requests[asked][1].values())


def test_a_broken_model_disturbs_no_other(served, store, upstream):
    secret = store.create_gateway_secret(name("secret"), {"api_key": "x"})
    for provider in ("no-such-vendor", "local"):
        model = store.create_gateway_model_definition(name("model"), secret.secret_id, provider, "m")
        broken = make_endpoint(store, model)
        assert ask(served, broken.name).status_code == 404
    orphan = make_endpoint(store, (model := make_model(store, upstream)))
    store.delete_gateway_secret(model.secret_id)
    assert ask(served, orphan.name).status_code == 404
    assert "its secret was deleted" in served.log
    sound = make_endpoint(store, make_model(store, upstream))
    assert ask(served, sound.name).status_code == 200


def test_private_addresses_are_refused_at_each_connection(tmp_path, upstream, monkeypatch):
    """A row that MLflow wrote under other rules, or a name that has moved since."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with tidegate.serve(tmp_path, gateway_config=tidegate.FROM_DATABASE, database=uri) as server:
        theirs = SqlAlchemyStore(uri, str(tmp_path / "artifacts"))
        by_name = SimpleNamespace(url=upstream.url.replace("127.0.0.1", "localhost"))
        named = make_endpoint(theirs, make_model(theirs, by_name, model="private"))
        literal = make_endpoint(theirs, make_model(theirs, upstream, model="private"))
        tidegate.eventually(lambda: ask(server, named.name).status_code == 503)
        assert "not a public IP address" in ask(server, named.name).text
        assert ask(server, literal.name).status_code == 404
        assert "Gateway upstream connection blocked: '127.0.0.1'" in server.log
    assert not [it for it in upstream.requests if it[2].get("model") == "private"]


def test_the_file_wins(tmp_path, upstream):
    config = tmp_path / "gateway.yaml"
    endpoint = {"name": "same", "endpoint_type": "llm/v1/chat"}
    endpoint["model"] = {"provider": "openai", "name": "of-the-file", "config": {"api_key": KEY, "api_base": f"{upstream.url}/v1"}}
    config.write_text(json.dumps({"endpoints": [endpoint]}))
    with tidegate.serve(tmp_path, gateway_config=config, env=PRIVATE) as server:
        store = store_of(server)
        configs = [GatewayEndpointModelConfig(make_model(store, upstream, model="of-the-database").model_definition_id, PRIMARY)]
        store.create_gateway_endpoint("same", configs, usage_tracking=False)
        store.create_gateway_endpoint("other", configs, usage_tracking=False)
        assert ask(server, "same").json()["model"] == "of-the-file"
        assert ask(server, "other").json()["model"] == "of-the-database"
        assert "the database's is hidden" in server.log


def test_a_gateway_alone_serves_the_database(served, store, upstream, uri, folder):
    endpoint = make_endpoint(store, make_model(store, upstream))
    with tidegate.Server.start("gateway", "--db", uri, cwd=folder, env=PRIVATE) as alone:
        assert ask(alone, endpoint.name).status_code == 200
        store.delete_gateway_endpoint(endpoint.endpoint_id)
        tidegate.eventually(lambda: ask(alone, endpoint.name).status_code == 404)
