"""Realtime sessions of OpenAI's own client, through a whole server, to a WebSocket that speaks as OpenAI's does."""

from __future__ import annotations

import json
import threading

import openai
import pytest
import tidegate
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

KEY = "sk-realtime-0123456789"
USAGE = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10}


class RealtimeUpstream:
    """Greets each session, answers `response.create`, and drops the session when it is sent `input_audio_buffer.clear`."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.events: list[dict] = []
        self.ended = threading.Semaphore(0)
        self.server = serve(self.session, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.socket.getsockname()[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def session(self, connection) -> None:
        self.seen.append((connection.request.path, dict(connection.request.headers.raw_items())))
        connection.send(json.dumps({"type": "session.created", "event_id": "event_1", "session": {"model": "gpt-realtime"}}))
        try:
            for text in connection:
                event = json.loads(text)
                self.events.append(event)
                if event["type"] == "response.create":
                    connection.send(json.dumps({"type": "response.output_text.delta", "event_id": "event_2", "delta": "Ebb"}))
                    done = {"id": "resp_1", "object": "realtime.response", "status": "completed", "usage": USAGE}
                    connection.send(json.dumps({"type": "response.done", "event_id": "event_3", "response": done}))
                elif event["type"] == "input_audio_buffer.clear":
                    connection.socket.shutdown(2)
        except ConnectionClosed:
            pass
        finally:
            self.ended.release()


@pytest.fixture(scope="module")
def upstream():
    upstream = RealtimeUpstream()
    yield upstream
    upstream.server.shutdown()


@pytest.fixture(scope="module")
def server(upstream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("realtime")
    config = folder / "gateway.yaml"
    config.write_text(f"""
endpoints:
  - name: voice
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-realtime, config: {{openai_api_key: $REALTIME_KEY, openai_api_base: "{upstream.url}/v1"}}}}
""")
    with tidegate.serve(folder, gateway_config=config, env={"REALTIME_KEY": KEY}) as server:
        yield server


def client(server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="callers-own")


def test_a_session_is_counted_and_ends_on_both_sides(server, upstream):
    with client(server).realtime.connect(model="voice") as session:
        assert session.recv().type == "session.created"
        session.response.create()
        delta, done = session.recv(), session.recv()
        assert (delta.type, delta.delta) == ("response.output_text.delta", "Ebb")
        assert (done.type, done.response.usage.total_tokens) == ("response.done", 30)
    assert upstream.ended.acquire(timeout=30), "the caller left, and the provider's side stayed"
    path, headers = upstream.seen[-1]
    assert path == "/v1/realtime?model=gpt-realtime"
    assert {key.lower(): it for key, it in headers.items()}["authorization"] == f"Bearer {KEY}"
    assert [it["type"] for it in upstream.events] == ["response.create"]

    def tokens() -> float:
        lines = server.get("/metrics").text.splitlines()
        sums = [it for it in lines if it.startswith("gen_ai_client_token_usage_sum") and 'gen_ai_request_model="gpt-realtime"' in it]
        return sum(float(it.rsplit(" ", 1)[1]) for it in sums)

    tidegate.eventually(lambda: tokens() == 30)


def test_a_provider_that_drops_is_told(server, upstream):
    with client(server).realtime.connect(model="voice") as session:
        assert session.recv().type == "session.created"
        session.input_audio_buffer.clear()
        error = session.recv()
        assert error.type == "error"
        with pytest.raises(ConnectionClosed) as closed:
            session.recv()
        assert closed.value.rcvd.code == 1011
    assert upstream.ended.acquire(timeout=30)


def test_an_unknown_endpoint_is_refused_before_the_session(server):
    with pytest.raises(Exception, match="404"), client(server).realtime.connect(model="nobody"):
        pass
