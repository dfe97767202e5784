"""Answers that servers keep together in a real Redis: who gets them, as what, for how long, and what happens without."""

from __future__ import annotations

import json

import openai
import pytest
import tidegate
from redis_server import Redis

ASKED = [{"role": "user", "content": "What is kept?"}]


def config(folder, upstream, redis: Redis, **cache):
    """Two endpoints of one model, of which only the first keeps its answers."""
    model = {"provider": "vllm", "name": "mock", "config": {"api_base": upstream.url + "/v1"}}
    kept = {"name": "kept", "endpoint_type": "llm/v1/chat", "model": model, "cache": {"store": "redis"} | cache}
    file = folder / "gateway.yaml"
    file.write_text(json.dumps({"endpoints": [kept], "redis": {"url": redis.url}}))
    return file


def start(file) -> tidegate.Server:
    return tidegate.Server.start("gateway", "--config", file)


def ask(server, **options):
    client = openai.OpenAI(api_key="none", base_url=server.url + "/v1", max_retries=0)
    return client.chat.completions.with_raw_response.create(model="kept", messages=ASKED, **options)


def used(server, **options) -> str:
    return ask(server, **options).headers["x-tidegate-cache"]


def test_two_servers_share_their_answers_streams_as_streams(redis, tmp_path, upstream):
    file = config(tmp_path, upstream, redis, ttl="1h")
    with start(file) as one, start(file) as two:
        first = ask(one)
        assert first.headers["x-tidegate-cache"] == "miss"
        # Nobody waits for what is kept, so it may come a little later.
        tidegate.eventually(lambda: used(two) == "hit")
        hit = ask(two)
        assert (hit.text, hit.headers["x-tidegate-cost-usd"]) == (first.text, "0")
        assert int(hit.headers["age"]) >= 0

        streamed = [it.model_dump() for it in ask(one, stream=True).parse()]
        tidegate.eventually(lambda: used(two, stream=True) == "hit")
        again = ask(two, stream=True)
        assert again.headers["content-type"].startswith("text/event-stream")
        assert [it.model_dump() for it in again.parse()] == streamed and len(streamed) > 2
        # Another's key gets nothing that this one paid for.
        other = openai.OpenAI(api_key="other", base_url=two.url + "/v1", max_retries=0)
        raw = other.chat.completions.with_raw_response.create(model="kept", messages=ASKED)
        assert raw.headers["x-tidegate-cache"] == "miss"
    # What is kept outlives those who kept it.
    with start(file) as three:
        assert used(three) == "hit"
    with redis.client() as known:
        names = known.keys("*")
        assert len(names) == 3 and all(it.startswith(b"tidegate:cache:kept:") for it in names), names
        assert all(3000_000 < known.pttl(it) <= 3600_000 for it in names)


def test_too_large_answers_and_rubbish_are_no_answers(redis, tmp_path, upstream):
    file = config(tmp_path, upstream, redis, max_entry_bytes="1MiB")
    with start(file) as server, redis.client() as known:
        assert used(server) == "miss"
        (name,) = tidegate.eventually(lambda: known.keys("*"))
        for rubbish in (b"\xff not text", b"{}", known.get(name)[:-1], b" " * (1 << 20) + known.get(name)):
            known.set(name, rubbish)
            assert used(server, extra_headers={"cache-control": "max-age=60"}) == "miss", rubbish[:20]
            tidegate.eventually(lambda: known.get(name) != rubbish)
    small = tmp_path / "small"
    small.mkdir()
    with redis.client() as known:
        known.flushall()
        with start(config(small, upstream, redis, max_entry_bytes=64)) as server:
            assert [used(server) for _ in range(3)] == ["miss"] * 3
        assert known.keys("*") == []


@pytest.mark.parametrize("comes_back", [True, False])
def test_without_redis_every_question_is_new(redis, tmp_path, upstream, comes_back):
    with start(config(tmp_path, upstream, redis)) as server:
        assert used(server) == "miss"
        tidegate.eventually(lambda: used(server) == "hit")
        redis.stop()
        assert [used(server) for _ in range(20)] == ["miss"] * 20
        # It is told once for each pause, not for each call, and without the address.
        assert 1 <= server.log.count("Redis was asked for a kept answer, and failed") < 20
        assert redis.url not in server.log
        if comes_back:
            redis.start()
            tidegate.eventually(lambda: used(server) == "hit")


def test_the_configuration_is_held_to_what_redis_can_do(redis, tmp_path, upstream):
    bounded = config(tmp_path, upstream, redis, max_bytes="1GiB")
    refused = tidegate.run("gateway", "--config", bounded)
    assert refused.code != 0 and "maxmemory" in refused.output
    alone = json.loads(bounded.read_text())
    del alone["redis"], alone["endpoints"][0]["cache"]["max_bytes"]
    bounded.write_text(json.dumps(alone))
    refused = tidegate.run("gateway", "--config", bounded)
    assert refused.code != 0 and "needs the address of a Redis" in refused.output
