"""The flags and variables of `mlflow server`, from outside: what each of them changes, and what is refused."""

from __future__ import annotations

import re

import mlflow
import pytest
import requests
import tidegate
from mlflow import MlflowClient

MLFLOW = "/api/2.0/mlflow"


def start(folder, *args, env=None) -> tidegate.Server:
    return tidegate.Server.start("server", "--no-gateway", *args, cwd=folder, env=env)


def experiment(server, experiment_id="0") -> dict:
    answer = server.get(f"{MLFLOW}/experiments/get", params={"experiment_id": experiment_id})
    assert answer.status_code == 200, answer.text
    return answer.json()["experiment"]


# --- artifacts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "env", "root"),
    [
        ([], {}, "mlflow-artifacts:/0"),
        (["--no-serve-artifacts"], {}, "{cwd}/mlruns/0"),
        ([], {"MLFLOW_SERVE_ARTIFACTS": "false"}, "{cwd}/mlruns/0"),
        (["--serve-artifacts"], {"MLFLOW_SERVE_ARTIFACTS": "0"}, "mlflow-artifacts:/0"),
        (["--no-serve-artifacts", "--default-artifact-root", "s3://bucket/x"], {}, "s3://bucket/x/0"),
        ([], {"MLFLOW_DEFAULT_ARTIFACT_ROOT": "files"}, "{cwd}/files/0"),
    ],
)
def test_where_new_experiments_keep_their_artifacts(tmp_path, args, env, root):
    with start(tmp_path, *args, env=env) as server:
        assert experiment(server)["artifact_location"] == root.format(cwd=tmp_path)


def test_without_the_proxy_its_addresses_say_so(tmp_path):
    with start(tmp_path, "--no-serve-artifacts") as server:
        answer = server.get("/api/2.0/mlflow-artifacts/artifacts", params={"path": ""})
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "disabled due to the mlflow server running with `--no-serve-artifacts`" in answer.text
        assert requests.put(f"{server.url}/api/2.0/mlflow-artifacts/artifacts/a.txt", b"x").status_code == 503


def test_artifacts_only_serves_files_and_keeps_no_records(tmp_path):
    with start(tmp_path, "--artifacts-only") as server:
        address = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/a/b.txt"
        assert requests.put(address, b"words").status_code == 200
        assert requests.get(address).content == b"words"
        assert server.get("/health").text == "OK"
        for answer in [
            server.post(f"{MLFLOW}/runs/create", {}),
            server.get("/ajax-api/2.0/mlflow/experiments/get", params={"experiment_id": "0"}),
            server.get("/api/3.0/mlflow/traces/tr-1"),
            server.get("/get-artifact", params={"run_id": "x", "path": "y"}),
        ]:
            assert answer.status_code == 503, answer.url
            assert "disabled due to the mlflow server running in `--artifacts-only` mode" in answer.text
    assert sorted(it.name for it in tmp_path.iterdir()) == ["mlartifacts"], "a database was left behind"


def test_artifacts_only_has_no_database(tmp_path):
    said = tidegate.run("server", "--artifacts-only", "--backend-store-uri", "sqlite:///x.db", cwd=tmp_path)
    assert said.code == 2
    assert "cannot have a value set for `--backend-store-uri`" in said.stderr
    assert list(tmp_path.iterdir()) == []


# --- addresses -----------------------------------------------------------------------------------------------------


def test_below_a_prefix_everything_works_and_beside_it_only_artifacts(tmp_path):
    with start(tmp_path, "--static-prefix", "/team/ml") as server:
        assert server.url.endswith("/team/ml")
        mlflow.set_tracking_uri(server.url)
        client = MlflowClient(server.url)
        run = client.create_run("0")
        client.log_metric(run.info.run_id, "m", 1.5)
        assert client.get_run(run.info.run_id).data.metrics == {"m": 1.5}
        (tmp_path / "note.txt").write_text("below")
        client.log_artifact(run.info.run_id, str(tmp_path / "note.txt"))
        assert [it.path for it in client.list_artifacts(run.info.run_id)] == ["note.txt"]

        bare = server.url.removesuffix("/team/ml")
        file = f"/api/2.0/mlflow-artifacts/artifacts/0/{run.info.run_id}/artifacts/note.txt"
        assert requests.get(bare + file).text == requests.get(server.url + file).text == "below"
        assert requests.get(f"{server.url}/health").text == "OK"
        for path in ["/health", "/", f"{MLFLOW}/experiments/get?experiment_id=0"]:
            answer = requests.get(bare + path)
            assert answer.status_code == 404, path
            assert "--static-prefix /team/ml" in answer.json()["message"]


def test_the_pages_below_a_prefix_ask_for_everything_below_it(tmp_path):
    with start(tmp_path, env={"MLFLOW_STATIC_PREFIX": "/x"}) as server:
        for page in ["", "/", "/experiments/1"]:
            answer = requests.get(server.url + page)
            assert answer.status_code == 200, f"build the web app first: {answer.text[:200]}"
            assert '<meta name="tidegate-prefix" content="/x"' in answer.text
            named = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
            assert named and all(it.startswith("/x/") for it in named), named
        origin = server.url.removesuffix("/x")
        for path in named:
            assert requests.get(origin + path).status_code == 200, path


@pytest.mark.parametrize("prefix", ["mlflow", "/mlflow/", "/{x}", "/a b"])
def test_a_prefix_is_a_plain_path(tmp_path, prefix):
    said = tidegate.run("server", "--static-prefix", prefix, cwd=tmp_path)
    assert (said.code, list(tmp_path.iterdir())) == (2, [])
    assert "--static-prefix" in said.stderr and prefix in said.stderr


def test_the_short_flags_are_those_of_mlflow(tmp_path):
    with start(tmp_path, "-h", "127.0.0.1", "-w", "4") as server:
        assert server.get("/version").text == mlflow.__version__
        assert "--workers" in server.log and "no effect" in server.log


# --- who may ask ---------------------------------------------------------------------------------------------------


def asked_as(server, host, method="GET", origin=None, path=f"{MLFLOW}/experiments/get?experiment_id=0"):
    headers = {"Host": host} | ({"Origin": origin} if origin else {})
    json = {"experiment_id": "0", "key": "k", "value": "v"} if method == "POST" else None
    path = f"{MLFLOW}/experiments/set-experiment-tag" if method == "POST" else path
    return requests.request(method, server.url + path, headers=headers, json=json)


def test_named_hosts_take_the_place_of_the_usual_ones(tmp_path):
    with start(tmp_path, "--allowed-hosts", "ml.example.com,*.internal") as server:
        assert asked_as(server, "ml.example.com").status_code == 200
        assert asked_as(server, "a.internal").status_code == 200
        for host in ["localhost:5000", "10.0.0.1", "example.com"]:
            answer = asked_as(server, host)
            assert answer.status_code == 403, host
            assert answer.text.startswith("Invalid Host header - possible DNS rebinding attack detected")
            assert asked_as(server, host, path="/health").status_code == 200
    with start(tmp_path, env={"MLFLOW_SERVER_ALLOWED_HOSTS": "*"}) as server:
        assert asked_as(server, "anything.example.com").status_code == 200


def test_foreign_pages_change_nothing_unless_they_are_named(tmp_path):
    with start(tmp_path, "--cors-allowed-origins", "https://app.example.com") as server:
        host = "localhost"
        for origin, status in [
            ("https://app.example.com", 200),
            ("http://localhost:3000", 200),
            ("https://evil.example.com", 403),
        ]:
            assert asked_as(server, host, "POST", origin).status_code == status, origin
        answer = asked_as(server, host, "POST", "https://app.example.com")
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
        assert answer.headers["access-control-allow-credentials"] == "true"
        answer = asked_as(server, host, "POST", "https://evil.example.com")
        assert answer.text.startswith("Cross-origin request blocked")


def test_the_guard_can_be_switched_off(tmp_path):
    with start(tmp_path, "--disable-security-middleware") as server:
        answer = asked_as(server, "evil.example.com", "POST", "https://evil.example.com")
        assert answer.status_code == 200
        assert "x-frame-options" not in answer.headers


@pytest.mark.parametrize(
    ("args", "header", "policy"),
    [([], "SAMEORIGIN", "'self'"), (["--x-frame-options", "deny"], "DENY", "'none'"), (["--x-frame-options", "NONE"], None, "*")],
)
def test_who_may_show_the_pages(tmp_path, args, header, policy):
    with start(tmp_path, *args) as server:
        answer = server.get("/")
        assert answer.headers.get("x-frame-options") == header
        assert answer.headers["content-security-policy"].endswith(f"frame-ancestors {policy}")


# --- what is not offered -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "env", "named"),
    [
        (["--app-name", "basic-auth"], {}, "--app-name basic-auth"),
        (["--enable-workspaces"], {}, "--enable-workspaces"),
        ([], {"MLFLOW_ENABLE_WORKSPACES": "true"}, "MLFLOW_ENABLE_WORKSPACES"),
        (["--expose-prometheus", "x"], {}, "--expose-prometheus"),
        (["--registry-store-uri", "postgresql://me:secret@host/db"], {}, "--registry-store-uri"),
        (["--read-replica-backend-store-uri", "postgresql://me:secret@host/db"], {}, "--read-replica-backend-store-uri"),
        (["--trace-archival-config", "x.yaml"], {}, "--trace-archival-config"),
        (["--workers", "many"], {}, "--workers"),
        ([], {"MLFLOW_TRUNCATE_LONG_VALUES": "maybe"}, "MLFLOW_TRUNCATE_LONG_VALUES"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(tmp_path, args, env, named):
    said = tidegate.run("server", *args, cwd=tmp_path, env=env)
    assert (said.code, list(tmp_path.iterdir())) == (2, []), said.output
    assert named in said.stderr
    assert "secret" not in said.output


def test_what_python_servers_are_told_is_accepted(tmp_path):
    flags = ["--gunicorn-opts", "--timeout 60", "--dev", "--secrets-cache-ttl", "30", "--disable-workspaces"]
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with start(tmp_path, *flags, "--backend-store-uri", uri, "--registry-store-uri", uri) as server:
        assert server.get("/health").text == "OK"
        assert "--gunicorn-opts" in server.log


# --- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("truncate", "status"), [("true", 200), ("false", 400)])
def test_long_values_are_cut_or_refused(tmp_path, truncate, status):
    with start(tmp_path, env={"MLFLOW_TRUNCATE_LONG_VALUES": truncate}) as server:
        run = server.post(f"{MLFLOW}/runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
        param = server.post(f"{MLFLOW}/runs/log-parameter", {"run_id": run, "key": "p", "value": "x" * 6001})
        tag = server.post(f"{MLFLOW}/runs/set-tag", {"run_id": run, "key": "t", "value": "x" * 8001})
        tags = [{"key": "t", "value": "x" * 8001}]
        batch = server.post(f"{MLFLOW}/runs/log-batch", {"run_id": run, "tags": tags})
        assert [it.status_code for it in (param, tag, batch)] == [status] * 3
        data = server.get(f"{MLFLOW}/runs/get", params={"run_id": run}).json()["run"]["data"]
        if status == 200:
            assert len(data["params"][0]["value"]) == 6000
            assert {len(it["value"]) for it in data["tags"] if it["key"] == "t"} == {8000}
        else:
            assert "'Param value' exceeds the maximum length of 6000 characters" in param.json()["message"]
            assert "params" not in data


def test_the_length_of_an_artifact_location_is_a_setting(tmp_path):
    with start(tmp_path, env={"MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH": "20"}) as server:
        new = {"name": "a", "artifact_location": "s3://bucket/too/long/for/it"}
        answer = server.post(f"{MLFLOW}/experiments/create", new)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert "20 characters" in answer.json()["message"]
