"""Virtual keys as users meet them: made on the command line, sent by the official client, refused in its words; and
limits that replicas hold together through a real Redis."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
import tidegate
from mock_upstream import SLOW, MockUpstream

ASKED = [{"role": "user", "content": "hi"}]
LIMIT = 40
CALLS = 128


def make_key(*args: str) -> dict:
    done = tidegate.run("gateway", "keys", "create", *args, "--json")
    assert done.code == 0, done.output
    return json.loads(done.stdout)


def config(folder, upstream, **sections):
    """A gateway's configuration; JSON is YAML, too."""
    model = {"provider": "vllm", "name": "mock", "config": {"api_base": upstream.url + "/v1"}}
    endpoints = [{"name": it, "endpoint_type": "llm/v1/chat", "model": model} for it in ("chat", "other")]
    file = folder / "gateway.yaml"
    file.write_text(json.dumps({"endpoints": endpoints} | sections))
    return file


def client(gateway, key: str) -> openai.OpenAI:
    return openai.OpenAI(api_key=key, base_url=gateway.url + "/v1", max_retries=0)


@pytest.fixture(scope="module")
def made():
    return make_key("ci", "--team", "red", "--endpoint", "chat")


@pytest.fixture(scope="module")
def gateway(made, tmp_path_factory, upstream):
    limits = [{"per": "key", "requests": 2, "window": "month"}]
    file = config(tmp_path_factory.mktemp("keys"), upstream, keys=[made["entry"]], limits=limits)
    with tidegate.Server.start("gateway", "--config", file) as server:
        yield server


def test_a_key_is_good_for_its_endpoint_and_its_limit(gateway, made):
    ours = client(gateway, made["key"])
    with pytest.raises(openai.PermissionDeniedError):
        ours.chat.completions.create(model="other", messages=ASKED)
    for remaining in ("1", "0"):
        answered = ours.chat.completions.with_raw_response.create(model="chat", messages=ASKED)
        assert answered.headers["x-ratelimit-limit-requests"] == "2"
        assert answered.headers["x-ratelimit-remaining-requests"] == remaining
        assert answered.parse().choices[0].message.content
    with pytest.raises(openai.RateLimitError) as refused:
        ours.chat.completions.create(model="chat", messages=ASKED)
    assert int(refused.value.response.headers["retry-after"]) > 0


def test_a_made_up_key_is_refused_and_told_to_nobody(gateway):
    with pytest.raises(openai.AuthenticationError) as refused:
        client(gateway, "tg-made-up-by-nobody").chat.completions.create(model="chat", messages=ASKED)
    assert "tg-made-up-by-nobody" not in refused.value.response.text + gateway.log


def statuses(replicas, key: str) -> list[int]:
    """What calls get that are made of all replicas at once."""

    def ask(index: int) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        body = {"model": "chat", "messages": ASKED}
        return replicas[index % len(replicas)].post("/v1/chat/completions", json=body, headers=headers).status_code

    with ThreadPoolExecutor(32) as threads:
        return list(threads.map(ask, range(CALLS)))


def test_replicas_hold_one_limit_exactly(redis, made, tmp_path, upstream):
    limits = [{"per": "key", "requests": LIMIT, "window": "month"}]
    file = config(tmp_path, upstream, keys=[made["entry"]], limits=limits, redis={"url": redis.url})
    start = lambda: tidegate.Server.start("gateway", "--config", file)  # noqa: E731
    with start() as one, start() as two:
        seen = statuses([one, two], made["key"])
        assert (seen.count(200), seen.count(429)) == (LIMIT, CALLS - LIMIT)
    # What was counted outlives the gateways.
    with start() as three:
        assert set(statuses([three], made["key"])) == {429}


@pytest.mark.parametrize(("on_failure", "expected"), [("local", {200, 429}), ("reject", {503}), ("allow", {200})])
def test_without_redis_the_configuration_says_what_happens(redis, made, tmp_path, upstream, on_failure, expected):
    limits = [{"per": "key", "requests": LIMIT, "window": "month"}]
    shared = {"url": redis.url, "on_failure": on_failure}
    file = config(tmp_path, upstream, keys=[made["entry"]], limits=limits, redis=shared)
    with tidegate.Server.start("gateway", "--config", file) as server:
        assert client(server, made["key"]).chat.completions.create(model="chat", messages=ASKED)
        redis.stop()
        seen = statuses([server], made["key"])
        assert set(seen) == expected
        if on_failure == "local":
            assert seen.count(200) == LIMIT


@pytest.fixture
def slow():
    """An upstream whose streams halt after their first word until they are told to go on."""
    upstream = MockUpstream()
    yield upstream
    upstream.go_on.set()
    upstream.close()


def until(what, seconds: float = 20):
    """Tries until it succeeds: what replicas tell each other takes a moment."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_replicas_count_calls_at_once_together(redis, made, tmp_path, slow):
    limits = [{"per": "key", "concurrent": 2}]
    file = config(tmp_path, slow, keys=[made["entry"]], limits=limits, redis={"url": redis.url})
    file.write_text(file.read_text().replace('"mock"', f'"{SLOW}"'))
    start = lambda: tidegate.Server.start("gateway", "--config", file)  # noqa: E731
    with start() as one, start() as two:
        clients = [client(it, made["key"]) for it in (one, two)]
        streams = [it.chat.completions.create(model="chat", messages=ASKED, stream=True) for it in clients]
        for stream in streams:
            next(iter(stream))
        for it in clients:
            with pytest.raises(openai.RateLimitError, match="2 calls at once for key `ci`") as refused:
                it.chat.completions.create(model="chat", messages=ASKED)
            assert refused.value.response.headers["retry-after"] == "1"
        streams[0].close()  # who leaves gives the place back
        until(lambda: statuses_of(two, made["key"]) == 200)
        slow.go_on.set()
        assert list(streams[1])
        until(lambda: statuses_of(one, made["key"]) == 200)


def test_replicas_settle_what_they_reserved(redis, made, tmp_path, upstream):
    """A call reserves more than half of the limit and uses a fiftieth: the next one fits once that is told."""
    limits = [{"per": "key", "tokens": 1000, "window": "month"}]
    file = config(tmp_path, upstream, keys=[made["entry"]], limits=limits, redis={"url": redis.url})
    start = lambda: tidegate.Server.start("gateway", "--config", file)  # noqa: E731
    with start() as one, start() as two:
        for server in (one, two, one):
            until(lambda server=server: statuses_of(server, made["key"], max_tokens=600) == 200)
        refused = two.post("/v1/chat/completions", json={"model": "chat", "messages": ASKED, "max_tokens": 1000}, headers=sent(made["key"]))
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 31 * 86_400 * 13 // 12


def sent(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def statuses_of(server, key: str, **fields) -> int:
    return server.post("/v1/chat/completions", json={"model": "chat", "messages": ASKED} | fields, headers=sent(key)).status_code
