"""A gateway that takes another configuration, and one that is told to stop, under load."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import openai
import pytest
import requests
import tidegate
from mock_upstream import KEY, SLOW, MockUpstream

ASK = [{"role": "user", "content": "When does the tide come in?"}]
STATE = "/api/3.0/tidegate/gateway/config"
LOADERS = 8


def config(upstream: MockUpstream, model: str) -> str:
    return f"""
endpoints:
  - name: mock
    endpoint_type: llm/v1/chat
    model:
      provider: openai
      name: {model}
      config: {{openai_api_key: $MOCK_KEY, openai_api_base: "{upstream.url}/v1"}}
"""


@pytest.fixture
def file(tmp_path, upstream) -> Path:
    file = tmp_path / "gateway.yaml"
    file.write_text(config(upstream, "mock-1"))
    return file


@pytest.fixture
def gateway(file):
    with tidegate.Server.start("gateway", "--config", file, env={"MOCK_KEY": KEY}) as server:
        yield server


def client_of(server: tidegate.Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def generation(server: tidegate.Server) -> int:
    return server.get(STATE).json()["generation"]


def test_a_changed_file_takes_over_without_a_failed_request(gateway, file, upstream):
    stop = threading.Event()
    failures: list[Exception] = []
    models: set[str] = set()
    answers = [0] * LOADERS

    def load(index: int) -> None:
        client = client_of(gateway)
        while not stop.is_set():
            try:
                if index % 2:
                    models.add(client.chat.completions.create(model="mock", messages=ASK).model)
                else:
                    chunks = list(client.chat.completions.create(model="mock", messages=ASK, stream=True))
                    models.add(chunks[0].model)
                    assert chunks[-1].choices[0].finish_reason == "stop"
                answers[index] += 1
            except Exception as error:  # noqa: BLE001, every failure counts
                failures.append(error)

    loaders = [threading.Thread(target=load, args=(index,)) for index in range(LOADERS)]
    for loader in loaders:
        loader.start()
    try:
        for round in range(2, 5):
            # As editors do it: another file in its place.
            other = file.with_suffix(".new")
            other.write_text(config(upstream, f"mock-{round}"))
            other.rename(file)
            tidegate.eventually(lambda round=round: generation(gateway) == round)
            before = list(answers)
            tidegate.eventually(lambda before=before: all(a > b for a, b in zip(answers, before, strict=True)))
    finally:
        stop.set()
        for loader in loaders:
            loader.join()
    assert failures == []
    assert {"mock-1", "mock-4"} <= models


def test_a_bad_file_leaves_the_old_one_serving_and_says_why(gateway, file, upstream):
    file.write_text(config(upstream, "mock-2").replace("openai\n", "opnai\n"))
    gateway.process.send_signal(signal.SIGHUP)
    tidegate.eventually(lambda: gateway.get(STATE).json()["refused"] > 0)
    state = gateway.get(STATE).json()
    assert state["generation"] == 1
    assert "unknown provider `opnai` (did you mean `openai`?)" in state["last_error"]
    assert "the one before goes on" in gateway.log
    assert client_of(gateway).chat.completions.create(model="mock", messages=ASK).model == "mock-1"

    refused = gateway.post("/api/3.0/tidegate/gateway/reload")
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")

    file.write_text(config(upstream, "mock-3"))
    state = gateway.post("/api/3.0/tidegate/gateway/reload").json()
    assert state["generation"] >= 2
    assert state["last_error"] is None
    assert client_of(gateway).chat.completions.create(model="mock", messages=ASK).model == "mock-3"


def test_a_server_that_is_told_to_stop_finishes_its_streams(file, slow_upstream):
    file.write_text(config(slow_upstream, SLOW))
    gateway = tidegate.Server.start("gateway", "--config", file, "--drain-delay", "5", env={"MOCK_KEY": KEY})
    stream = client_of(gateway).chat.completions.create(model="mock", messages=ASK, stream=True)
    text = "".join(next(stream).choices[0].delta.content or "" for _ in range(2))
    assert gateway.get("/ready").status_code == 200
    gateway.process.send_signal(signal.SIGTERM)
    # First it is no longer ready, while it still answers.
    tidegate.eventually(lambda: gateway.get("/ready").status_code == 503)
    assert client_of(gateway).chat.completions.create(model="mock", messages=ASK).choices
    # Then it takes no new connections, and the stream still runs.
    tidegate.eventually(lambda: not accepts(gateway))
    assert gateway.process.poll() is None
    slow_upstream.go_on.set()
    chunks = list(stream)
    text += "".join(it.choices[0].delta.content or "" for it in chunks if it.choices)
    assert text == "The tide comes in twice a day."
    assert gateway.process.wait(30) == 0


def test_a_stream_that_does_not_end_is_left_after_the_timeout(file, slow_upstream):
    file.write_text(config(slow_upstream, SLOW))
    gateway = tidegate.Server.start("gateway", "--config", file, "--finish-timeout", "1", env={"MOCK_KEY": KEY})
    stream = client_of(gateway).chat.completions.create(model="mock", messages=ASK, stream=True)
    next(stream)
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(30) == 0
    assert "stopping without waiting any longer" in gateway.log


def accepts(server: tidegate.Server) -> bool:
    try:
        server.get("/ready")
    except requests.ConnectionError:
        return False
    return True


@pytest.fixture
def slow_upstream():
    """Streams halt after their first words until the test lets them go on."""
    upstream = MockUpstream()
    yield upstream
    upstream.go_on.set()
    upstream.close()
