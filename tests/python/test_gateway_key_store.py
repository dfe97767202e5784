"""Virtual keys in the database: made on the command line, sent by the official client, on the three kinds of database;
and administration behind its sign-in, as MLflow's client meets it."""

from __future__ import annotations

import json
import subprocess
import sys

import openai
import pytest
import tidegate
from databases import execute
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.rest_store import RestStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.rest_utils import MlflowHostCreds

ADMIN = "the-tide-gate-keeper"
PEPPER = "a-pepper-of-this-test"
ENV = {"TIDEGATE_ADMIN_KEY": ADMIN, "TIDEGATE_KEY_PEPPER": PEPPER}
ASKED = [{"role": "user", "content": "hi"}]


@pytest.fixture
def config(tmp_path, upstream):
    """A gateway's configuration; JSON is YAML, too."""
    model = {"provider": "vllm", "name": "mock", "config": {"api_base": upstream.url + "/v1"}}
    endpoints = [{"name": it, "endpoint_type": "llm/v1/chat", "model": model} for it in ("chat", "other")]
    file = tmp_path / "gateway.yaml"
    file.write_text(json.dumps({"endpoints": endpoints, "auth": "required"}))
    return file


def keys(server, *args: str, env: dict[str, str] = ENV, code: int = 0):
    """`tidegate gateway keys … --json` against the server."""
    done = tidegate.run("gateway", "keys", *args, "--json", env=env | {"TIDEGATE_SERVER": server.url})
    assert done.code == code, done.output
    return json.loads(done.stdout) if code == 0 else done.output


def call(server, key: str, model: str = "chat"):
    client = openai.OpenAI(api_key=key, base_url=server.url + "/v1", max_retries=0)
    return client.chat.completions.create(model=model, messages=ASKED)


def test_a_key_lives_in_the_database(database, config, tmp_path):
    with tidegate.serve(tmp_path, gateway_config=config, database=database, env=ENV) as server:
        with pytest.raises(openai.AuthenticationError):
            call(server, "tg-made-up-by-nobody")
        assert keys(server, "list") == []
        made = keys(server, "create", "ann", "--team", "tide", "--endpoint", "chat", "--requests", "3/month")
        value = made["value"]
        assert call(server, value).choices[0].message.content
        with pytest.raises(openai.PermissionDeniedError):
            call(server, value, "other")
        [listed] = keys(server, "list")
        assert (listed["name"], listed["team"], listed["limits"]) == ("ann", "tide", [{"requests": 3, "window": "month"}])
        [(kept,)] = execute(database, "SELECT key_hash FROM tidegate_keys")
        assert kept.startswith("hmac-sha256:")
        assert value not in server.log

        rotated = keys(server, "rotate", "ann", "--overlap", "3600")
        assert call(server, value).choices and call(server, rotated["value"]).choices
        with pytest.raises(openai.RateLimitError):
            call(server, rotated["value"])
        assert "no key of the database is named `bob`" in keys(server, "revoke", "bob", code=1)
        assert keys(server, "show", "ann")["hint"] == "tg-…" + rotated["value"][-4:]
    # It outlives the server, and MLflow takes no notice of the table.
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", database]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 and "Running upgrade" not in done.stderr, done.stderr
    assert SqlAlchemyStore(database, str(tmp_path)).search_experiments()
    with tidegate.serve(tmp_path, gateway_config=config, database=database, env=ENV) as server:
        assert call(server, rotated["value"]).choices
        assert keys(server, "revoke", "ann")["revoked_ms"]
        for gone in (value, rotated["value"]):
            with pytest.raises(openai.AuthenticationError):
                call(server, gone)


def test_a_budget_outlives_the_server(database, config, tmp_path):
    """A call of the mock's 8 tokens costs 0.8 USD, and the second would exceed one."""
    described = json.loads(config.read_text())
    described |= {"auth": "with_keys", "budgets": [{"per": "all", "usd": 1, "window": "120 months"}]}
    described["prices"] = [{"provider": "vllm", "model": "mock", "input": 0, "output": 100000}]
    config.write_text(json.dumps(described))
    asked = lambda server: server.post("/v1/chat/completions", json={"model": "chat", "messages": ASKED, "max_tokens": 4})  # noqa: E731
    with tidegate.serve(tmp_path, gateway_config=config, database=database) as server:
        assert asked(server).status_code == 200
    [(spent,)] = execute(database, "SELECT used FROM tidegate_budgets")
    assert spent == 800_000_000
    with tidegate.serve(tmp_path, gateway_config=config, database=database) as server:
        refused = asked(server)
        assert refused.status_code == 429 and "of which 0.8 USD are used" in refused.text, refused.text


def test_tables_for_people(config, tmp_path):
    with tidegate.serve(tmp_path, gateway_config=config, database=f"sqlite:///{tmp_path}/mlflow.db", env=ENV) as server:
        env = ENV | {"TIDEGATE_SERVER": server.url}
        made = tidegate.run("gateway", "keys", "create", "ann", "--user", "ann@sea", env=env)
        assert made.code == 0 and "This is the only time that the key is shown." in made.stdout, made.output
        listed = tidegate.run("gateway", "keys", "list", env=env).stdout
        assert "ann@sea" in listed and "open" in listed and made.stdout.split()[0] not in listed
        assert "opens nothing any more" in tidegate.run("gateway", "keys", "revoke", "ann", env=env).stdout
        assert "revoked" in tidegate.run("gateway", "keys", "show", "ann", env=env).stdout
        wrong = tidegate.run("gateway", "keys", "list", env=env | {"TIDEGATE_ADMIN_KEY": "nobody-has-this-key"})
        assert wrong.code == 1 and "is not the admin key" in wrong.output, wrong.output
        unset = tidegate.run("gateway", "keys", "list", env={"TIDEGATE_SERVER": server.url})
        assert unset.code == 2 and "set TIDEGATE_ADMIN_KEY" in unset.output, unset.output


def test_mlflows_client_signs_in(config, tmp_path):
    with tidegate.serve(tmp_path, gateway_config=config, database=f"sqlite:///{tmp_path}/mlflow.db", env=ENV) as server:
        list_secrets = lambda **creds: RestStore(lambda: MlflowHostCreds(server.url, **creds)).list_secret_infos()  # noqa: E731
        assert list_secrets(token=ADMIN) == []
        assert list_secrets(username="anybody", password=ADMIN) == []
        for creds in ({}, {"token": "wrong-wrong-wrong"}):
            with pytest.raises(MlflowException, match="admin key") as refused:
                list_secrets(**creds)
            assert refused.value.get_http_status_code() == 401
        # What is tracked is not behind this key.
        assert server.post("/api/2.0/mlflow/experiments/search", json={"max_results": 1}).status_code == 200
