"""Whatever is wrong with what a user gives: a clear message with file, key and value, and nothing half-done."""

from __future__ import annotations

import gzip
import http.client
import socket
from pathlib import Path

import pytest
import requests
import tidegate
from mlflow import MlflowClient, MlflowException
from mlflow.entities import Metric, Param

LOCAL = "endpoints: [{name: a, endpoint_type: llm/v1/chat, model: {provider: local, name: NAME}}]"
REMOTE = "endpoints: [{name: a, endpoint_type: llm/v1/chat, model: {provider: openai, name: gpt, config: CONFIG}}]"
KEYED = REMOTE.replace("CONFIG", "{openai_api_key: literal-secret}")


def refused(code: int, said: tidegate.Finished, *named: str) -> None:
    assert said.code == code, said.output
    assert said.stdout == "", "errors go to stderr"
    for word in named:
        assert word in said.stderr, f"{word!r} is not named in: {said.stderr}"
    assert "panicked" not in said.output and "stack backtrace" not in said.output, said.output
    assert "literal-secret" not in said.output, "a key was shown"
    assert len(said.stderr.strip().splitlines()) <= 4, f"a sentence, not a page: {said.stderr}"


def serve(*args: str | Path, **kwargs) -> tidegate.Finished:
    return tidegate.run("server", "--port", "0", *args, timeout_s=60, **kwargs)


# --- the server's own configuration ------------------------------------------------------------------------------


def test_a_missing_configuration(tmp_path):
    refused(2, serve("--config", "nowhere.yaml", cwd=tmp_path), "nowhere.yaml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("host: [", ["tidegate.yaml:1"]),
        ("host: 127.0.0.1\nprot: 5000", ["tidegate.yaml:2", "prot", "port"]),
        ("port: many", ["tidegate.yaml:1", "many"]),
        ("port: 70000", ["tidegate.yaml:1", "70000"]),
        ("- a\n- b", ["tidegate.yaml"]),
        ("backend_store_uri: oracle://host/db", ["oracle", "sqlite:///"]),
        ("gateway: absent.yaml", ["absent.yaml"]),
        ("artifacts_destination: dbfs:/bucket/x", ["dbfs:/bucket/x"]),
    ],
)
def test_a_faulty_configuration(tmp_path, text, named):
    (tmp_path / "tidegate.yaml").write_text(text)
    refused(2, serve("--config", "tidegate.yaml", cwd=tmp_path), *named)


@pytest.mark.parametrize("destination", ["dbfs:/bucket/x", "", "taken.txt"])
def test_a_wrong_artifact_folder_leaves_no_database_behind(tmp_path, destination):
    (tmp_path / "taken.txt").write_text("a file")
    refused(2, serve("--no-gateway", "--artifacts-destination", destination, cwd=tmp_path), destination)
    assert [it.name for it in tmp_path.iterdir()] == ["taken.txt"]


@pytest.mark.parametrize(
    ("code", "command"),
    [
        (2, ["server", "--port", "0", "--config", "/dev/zero"]),
        (2, ["gateway", "--port", "0", "--config", "/dev/zero"]),
        (3, ["eval", "run", "/dev/zero"]),
    ],
)
def test_a_configuration_without_end(tmp_path, code, command):
    refused(code, tidegate.run(*command, cwd=tmp_path, timeout_s=60), "/dev/zero", "bytes")


def test_an_unknown_flag_and_a_bad_value(tmp_path):
    refused_by_clap = serve("--prot", "1", cwd=tmp_path)
    assert refused_by_clap.code == 2 and "--prot" in refused_by_clap.stderr and "--port" in refused_by_clap.stderr
    bad_value = tidegate.run("server", "--port", "http", cwd=tmp_path)
    assert bad_value.code == 2 and "http" in bad_value.stderr


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = tidegate.run("server", "--port", port, "--no-gateway", cwd=tmp_path, timeout_s=60)
    refused(2, said, port, "--port")


def test_a_database_that_is_none(tmp_path):
    (tmp_path / "text.db").write_text("this is a letter, not a database, and it is quite long enough to be one" * 20)
    refused(2, serve("--backend-store-uri", f"sqlite:///{tmp_path}/text.db", cwd=tmp_path), "text.db")
    assert (tmp_path / "text.db").read_text().startswith("this is a letter"), "it is left as it was"


# --- the gateway's configuration ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("endpoints: [", ["gateway.yaml:1"]),
        ("", ["gateway.yaml", "endpoints"]),
        ("endpoints: 3", ["gateway.yaml:1", "endpoints", "3"]),
        (KEYED + "\nroute: []", ["gateway.yaml:2", "route", "routes"]),
        (KEYED.replace("endpoint_type", "endpoint_typ"), ["gateway.yaml:1", "endpoint_typ", "endpoint_type"]),
        (KEYED.replace("llm/v1/chat", "llm/v1/chats"), ["llm/v1/chats", "llm/v1/chat"]),
        (KEYED.replace("name: a", "name: 'a b'"), ["endpoints[0].name", "a b"]),
        (KEYED.replace("provider: openai", "provider: opanai"), ["opanai", "openai"]),
        (REMOTE.replace("CONFIG", "{}"), ["openai_api_key"]),
        (REMOTE.replace("CONFIG", "{openai_api_key: $NOT_SET_ANYWHERE}"), ["gateway.yaml:1", "NOT_SET_ANYWHERE"]),
        (KEYED.replace("literal-secret}", "k, openai_api_bas: x}"), ["openai_api_bas", "openai_api_base"]),
        (KEYED.replace("literal-secret}", "k, openai_api_base: 'not a url'}"), ["openai_api_base", "not a url"]),
        (KEYED.replace("model:", "limit: {calls: 0, renewal_period: minute}, model:"), ["limit.calls", "0"]),
        (KEYED.replace("model:", "limit: {calls: 5, renewal_period: fortnight}, model:"), ["fortnight", "minute"]),
        (KEYED.replace("}]", "}, {name: a, endpoint_type: llm/v1/chat, model: {provider: local, name: x}}]"), ["`a`"]),
        (
            KEYED + "\nroutes: [{name: r, task_type: llm/v1/chat, destinations: [{name: b, traffic_percentage: 100}]}]",
            ["gateway.yaml:2", "`b`"],
        ),
        (
            KEYED + "\nroutes: [{name: r, task_type: llm/v1/chat, destinations: [{name: a, traffic_percentage: 90}]}]",
            ["gateway.yaml:2", "90", "100"],
        ),
        (LOCAL.replace("NAME", "absent.gguf"), ["gateway.yaml:1", "absent.gguf"]),
        (LOCAL.replace("NAME", "broken.gguf"), ["broken.gguf"]),
        (LOCAL.replace("NAME", "cut.gguf"), ["cut.gguf"]),
        (LOCAL.replace("NAME", "../../../../etc/passwd"), ["passwd"]),
    ],
)
def test_a_faulty_gateway_configuration(tmp_path, text, named):
    (tmp_path / "gateway.yaml").write_text(text)
    (tmp_path / "broken.gguf").write_bytes(b"no model at all" * 100)
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\xff")
    before = sorted(path.name for path in tmp_path.iterdir())
    for command in (["server", "--gateway-config"], ["gateway", "--config"]):
        # Whoever debugs has this set; it must not turn our sentences into stack traces.
        env = {"RUST_BACKTRACE": "1"}
        said = tidegate.run(*command, "gateway.yaml", "--port", "0", cwd=tmp_path, timeout_s=60, env=env)
        refused(2, said, *named)
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "a refused start leaves nothing behind"


def test_a_missing_gateway_configuration(tmp_path):
    refused(2, tidegate.run("gateway", "--config", "nowhere.yaml", cwd=tmp_path), "nowhere.yaml")


# --- requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "code", "named"),
    [
        ("runs/create", b"{not json", "INVALID_PARAMETER_VALUE", "JSON"),
        ("runs/create", b'{"experiment_id": 7.5}', "INVALID_PARAMETER_VALUE", "experiment_id"),
        ("runs/create", b'{"experiment_id": "987654"}', "RESOURCE_DOES_NOT_EXIST", "987654"),
        ("runs/create", b'{"experiment_id": "abc"}', "INVALID_PARAMETER_VALUE", "abc"),
        ("runs/log-metric", b'{"run_id": "R", "key": "m", "timestamp": 1}', "INVALID_PARAMETER_VALUE", "value"),
        (
            "runs/log-metric",
            b'{"run_id": "R", "key": "m", "value": "high", "timestamp": 1}',
            "INVALID_PARAMETER_VALUE",
            "value",
        ),
        (
            "runs/log-metric",
            b'{"run_id": "R", "key": "../m", "value": 1, "timestamp": 1}',
            "INVALID_PARAMETER_VALUE",
            "../m",
        ),
        ("runs/log-parameter", b'{"run_id": "nope", "key": "k", "value": "v"}', "RESOURCE_DOES_NOT_EXIST", "nope"),
        ("runs/search", b'{"experiment_ids": ["0"], "filter": "metrics.loss >"}', "INVALID_PARAMETER_VALUE", "loss"),
        ("runs/search", b'{"experiment_ids": ["0"], "filter": "loss > 1"}', "INVALID_PARAMETER_VALUE", "loss"),
        ("runs/search", b'{"experiment_ids": ["0"], "filter": "a = 1 or b = 2"}', "INVALID_PARAMETER_VALUE", "or"),
        ("runs/search", b'{"experiment_ids": ["0"], "filter": "metrics.m > \'x\'"}', "INVALID_PARAMETER_VALUE", "x"),
        ("runs/search", b'{"experiment_ids": ["0"], "order_by": ["metrics"]}', "INVALID_PARAMETER_VALUE", "metrics"),
        ("runs/search", b'{"experiment_ids": ["0"], "page_token": "zzz"}', "INVALID_PARAMETER_VALUE", "token"),
        ("runs/search", b'{"experiment_ids": ["0"], "max_results": 50001}', "INVALID_PARAMETER_VALUE", "50001"),
        ("experiments/create", b'{"name": ""}', "INVALID_PARAMETER_VALUE", "name"),
        ("experiments/create", b'{"name": "Default"}', "RESOURCE_ALREADY_EXISTS", "Default"),
    ],
)
def test_a_bad_tracking_request_is_a_4xx_in_mlflows_shape(mocked, path, body, code, named):
    reply = mocked.post(f"/api/2.0/mlflow/{path}", data=body, headers={"content-type": "application/json"})
    assert 400 <= reply.status_code < 500, reply.text
    assert reply.json()["error_code"] == code, reply.text
    assert named in reply.json()["message"]


def test_the_mlflow_client_raises_its_own_errors(client):
    with pytest.raises(MlflowException, match="987654") as missing:
        client.get_experiment("987654")
    assert missing.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(MlflowException) as unparsed:
        client.search_runs(["0"], "metrics.loss >< 3")
    assert unparsed.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_batch_with_one_bad_entry_writes_nothing(mocked):
    client = MlflowClient(mocked.url)
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "fixed", "1")

    body = {
        "run_id": run_id,
        "metrics": [{"key": "fine", "value": 1, "timestamp": 1}, {"key": "../bad", "value": 2, "timestamp": 1}],
        "params": [{"key": "also_fine", "value": "x"}],
        "tags": [{"key": "also_fine", "value": "x"}],
    }
    reply = mocked.post("/api/2.0/mlflow/runs/log-batch", body)
    assert reply.status_code == 400
    with pytest.raises(MlflowException, match="fixed"):
        client.log_batch(run_id, [Metric("fine", 1.0, 1, 0)], [Param("other", "x"), Param("fixed", "2")])

    data = client.get_run(run_id).data
    assert data.metrics == {}
    assert data.params == {"fixed": "1"}
    assert "also_fine" not in data.tags


def test_artifact_paths_stay_inside_their_folder(mocked, tmp_path):
    client = MlflowClient(mocked.url)
    run = client.create_run("0")
    client.log_text(run.info.run_id, "safe", "a.txt")
    for path in ("../../../mlflow.db", "..%2F..%2F..%2Fmlflow.db", "%2e%2e/%2e%2e/%2e%2e/mlflow.db", "/etc/passwd"):
        reply = mocked.get("/get-artifact", params={"run_id": run.info.run_id, "path": path})
        assert 400 <= reply.status_code < 500, f"{path}: {reply.status_code}"
        assert b"SQLite format" not in reply.content and b"root:" not in reply.content
    for path in ("..%2F..%2Fescape.txt", "%2e%2e/%2e%2e/escape.txt", "0/%2e%2e/%2e%2e/%2e%2e/escape.txt"):
        url = f"{mocked.url}/api/2.0/mlflow-artifacts/artifacts/{path}"
        prepared = requests.Request("PUT", url, data=b"x").prepare()
        prepared.url = url  # as written: requests would resolve the dots
        reply = requests.Session().send(prepared, timeout=30)
        assert 400 <= reply.status_code < 500, f"{path}: {reply.status_code}"


def test_an_unknown_route_is_a_404(mocked):
    assert mocked.get("/api/2.0/mlflow/nothing/here").status_code == 404
    assert mocked.post("/v1/nothing", {}).status_code == 404


def test_a_huge_body_is_refused_before_it_is_read(mocked):
    for path in ("/v1/chat/completions", "/api/2.0/mlflow/runs/log-batch"):
        connection = http.client.HTTPConnection(mocked.url.removeprefix("http://"), timeout=30)
        connection.putrequest("POST", path)
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(500 << 20))
        connection.endheaders()
        reply = connection.getresponse()
        assert reply.status == 413, f"{path}: {reply.status} {reply.read()!r}"
        connection.close()


def test_a_post_to_a_wrong_address_is_no_page(server):
    for path in ("/chat/completions", "/invocations", "/experiments/0"):
        reply = server.post(path, json={"model": "smollm2"})
        assert (reply.status_code, reply.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_a_prompt_of_many_megabytes(server):
    chat = {"model": "smollm2", "messages": [{"role": "user", "content": "x" * (20 << 20)}]}
    reply = server.post("/v1/chat/completions", json=chat)
    assert reply.status_code == 400 and "4096 tokens" in reply.json()["error"]["message"], reply.text


def test_a_packed_body_and_a_name_that_is_no_text(server):
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    reply = server.post("/v1/chat/completions", data=gzip.compress(b"{}"), headers=headers)
    assert reply.status_code == 415 and "gzip" in reply.json()["error"]["message"], reply.text
    reply = server.post("/endpoints/%FF/invocations", json={"messages": []})
    assert reply.status_code == 404 and "%FF" in reply.json()["detail"], reply.text


# --- eval suites: exit code 3 ------------------------------------------------------------------------------------

SUITE = "data: rows.csv\ntargets: col:pred\nmetrics: [default]\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("data: [", ["suite.yaml"]),
        (SUITE.replace("metrics", "metricks"), ["suite.yaml", "metricks", "metrics"]),
        (SUITE + "run: {concurency: 3}\n", ["suite.yaml", "concurency", "concurrency"]),
        (SUITE.replace("rows.csv", "absent.csv"), ["absent.csv"]),
        (SUITE.replace("col:pred", "col:prad"), ["prad", "pred"]),
        (
            "data: {source: rows.csv, roles: {expected: trooth}}\ntargets: col:pred\nmetrics: [default]\n",
            ["trooth", "truth"],
        ),
        (SUITE.replace("[default]", "[root_mean_sqared_error]"), ["root_mean_sqared_error", "root_mean_squared_error"]),
        (SUITE + "gates: ['root_mean_squared_error =< 1']\n", ["=<"]),
        (SUITE + "gates: ['never_measured <= 1']\n", ["never_measured"]),
        (SUITE.replace("col:pred", "endpoint:nobody"), ["nobody"]),
        (SUITE.replace("col:pred", '{url: "http://x/v1", model: m, key: "${NOT_SET_ANYWHERE}"}'), ["NOT_SET_ANYWHERE"]),
        ("targets: col:pred\nmetrics: [default]\n", ["data"]),
    ],
)
def test_a_faulty_suite(tmp_path, mocked, text, named):
    (tmp_path / "rows.csv").write_text("truth,pred\n1,1.5\n2,2.5\n3,2\n")
    text = text.replace("data: rows.csv", "data: {source: rows.csv, roles: {expected: truth}}")
    text = text.replace("data: absent.csv", "data: {source: absent.csv, roles: {expected: truth}}")
    (tmp_path / "suite.yaml").write_text(text)
    client = MlflowClient(mocked.url)
    before = {it.experiment_id for it in client.search_experiments()}
    said = tidegate.run(
        "eval", "run", "suite.yaml", "--tracking", mocked.url, "--gateway", mocked.url, cwd=tmp_path, timeout_s=60
    )
    refused(3, said, *named)
    assert {it.experiment_id for it in client.search_experiments()} == before, "a refused suite records nothing"


def test_a_suite_with_a_missing_column_leaves_no_database_behind(tmp_path):
    (tmp_path / "rows.csv").write_text("truth,pred\n1,1.5\n")
    (tmp_path / "suite.yaml").write_text(SUITE.replace("col:pred", "col:prad"))
    refused(3, tidegate.run("eval", "run", "suite.yaml", cwd=tmp_path), "prad", "pred")
    assert sorted(it.name for it in tmp_path.iterdir()) == ["rows.csv", "suite.yaml"]


def test_a_missing_suite(tmp_path):
    refused(3, tidegate.run("eval", "run", "nowhere.yaml", cwd=tmp_path), "nowhere.yaml")


def test_a_tracking_server_that_is_not_there(tmp_path):
    (tmp_path / "rows.csv").write_text("truth,pred\n1,1.5\n2,2.5\n")
    (tmp_path / "suite.yaml").write_text(
        "data: {source: rows.csv, roles: {expected: truth}}\ntargets: col:pred\nmetrics: [default]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    refused(3, tidegate.run("eval", "run", "suite.yaml", "--tracking", url, cwd=tmp_path, timeout_s=120), url)


def test_the_server_lives_through_all_of_it(mocked, server):
    for running in (mocked, server):
        assert running.get("/health").status_code == 200
        assert "panicked" not in running.log
