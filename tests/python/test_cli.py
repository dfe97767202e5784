"""The command line: what wins, where it listens, how it ends."""

from __future__ import annotations

import signal

import pytest
import requests
import tidegate
from conftest import mocked_config
from mock_upstream import KEY


def test_version_and_help_name_every_command():
    assert tidegate.run("--version").stdout.startswith("tidegate ")
    said = tidegate.run("--help").stdout
    for command in ("server", "gateway", "eval"):
        assert command in said


def test_a_flag_beats_the_environment_beats_the_file(tmp_path):
    (tmp_path / "tidegate.yaml").write_text(
        "host: 127.0.0.1\nbackend_store_uri: sqlite:///from-file.db\nartifacts_destination: from-file\n"
    )

    def started_with(*flags: str, env: dict[str, str] | None = None) -> set[str]:
        with tidegate.Server.start("server", "--config", "tidegate.yaml", *flags, cwd=tmp_path, env=env) as server:
            assert server.get("/health").status_code == 200
        found = {path.name for path in tmp_path.glob("from-*.db")}
        for path in tmp_path.glob("from-*.db*"):
            path.unlink()
        return found

    env = {"MLFLOW_BACKEND_STORE_URI": "sqlite:///from-env.db"}
    assert started_with() == {"from-file.db"}
    assert started_with(env=env) == {"from-env.db"}
    assert started_with("--backend-store-uri", "sqlite:///from-flag.db", env=env) == {"from-flag.db"}


def test_the_quickstart_configuration_serves_as_it_is(tmp_path):
    with tidegate.Server.start("server", "--config", tidegate.CONFIGS / "quickstart.yaml", cwd=tmp_path) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.get("/health").status_code == 200
        names = [it["id"] for it in server.get("/v1/models").json()["data"]]
        assert sorted(names) == ["smollm2", "smollm2-completions"]
        page = server.get("/")
        assert page.status_code == 200 and "<html" in page.text.lower()
        assert server.get("/experiments/0").headers["content-type"].startswith("text/html"), "deep links reach the UI"
    assert (tmp_path / "tidegate-data/mlflow.db").is_file()


def test_ctrl_c_ends_it_cleanly(tmp_path):
    server = tidegate.serve(tmp_path, gateway_config=None)
    assert server.stop() == 0


def test_a_second_ctrl_c_does_not_wait_for_a_stream_in_flight(tmp_path, upstream):
    config = mocked_config(tmp_path, upstream)
    server = tidegate.serve(tmp_path, gateway_config=config, env={"MOCK_KEY": KEY})
    body = {"model": "endless", "messages": [{"role": "user", "content": "on and on"}], "stream": True}
    with requests.post(f"{server.url}/v1/chat/completions", json=body, stream=True, timeout=60) as reply:
        pieces = reply.iter_content(16)
        assert next(pieces)
        server.process.send_signal(signal.SIGINT)
        tidegate.eventually(lambda: refuses_connections(server.url))
        assert next(pieces), "the stream in flight goes on"
        assert server.stop() == 0


def refuses_connections(url: str) -> bool:
    try:
        requests.get(f"{url}/health", timeout=5)
    except requests.ConnectionError:
        return True
    return False


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    server = tidegate.serve(tmp_path, gateway_config=None)
    created = server.post("/api/2.0/mlflow/runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    body = {"run_id": created, "metrics": [{"key": "m", "value": 4.5, "timestamp": 1, "step": 0}]}
    assert server.post("/api/2.0/mlflow/runs/log-batch", body).status_code == 200
    server.process.kill()
    server.process.wait()

    with tidegate.serve(tmp_path, gateway_config=None) as again:
        data = again.get("/api/2.0/mlflow/runs/get", params={"run_id": created}).json()["run"]["data"]
    assert [(it["key"], it["value"]) for it in data["metrics"]] == [("m", 4.5)]


@pytest.mark.parametrize("command", [["server"], ["gateway"], ["eval"], ["eval", "run"]])
def test_every_command_explains_itself(command):
    said = tidegate.run(*command, "--help")
    assert said.code == 0
    assert "Usage: tidegate" in said.stdout
