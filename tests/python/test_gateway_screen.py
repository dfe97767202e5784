"""Guardrails and the cache, as the official OpenAI client sees them."""

from __future__ import annotations

import openai
import pytest
import tidegate
from conftest import openai_of
from mock_upstream import ANSWER, KEY

CONFIG = """
endpoints:
  - name: masked
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: mock-1, config: {{openai_api_key: {key}, openai_api_base: {url}/v1}}}}
    guardrails:
      - {{name: private, type: pii, action: mask}}
      - {{name: words, type: regex, patterns: ['(?i)falcon'], action: block}}
      - {{name: tides, type: regex, patterns: ['tide\\s+comes in'], replacement: sea rises, action: mask, when: output}}
  - name: kept
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: mock-1, config: {{openai_api_key: {key}, openai_api_base: {url}/v1}}}}
    cache: {{ttl: 1h}}
  - name: stored
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: mock-1, config: {{openai_api_key: {key}, openai_api_base: {url}/v1}}}}
    cache: {{store: database, share: everyone}}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory, upstream):
    file = tmp_path_factory.mktemp("screen") / "gateway.yaml"
    file.write_text(CONFIG.format(key=KEY, url=upstream.url))
    return file


@pytest.fixture(scope="module")
def screened(tmp_path_factory, config):
    with tidegate.serve(tmp_path_factory.mktemp("screened"), gateway_config=config) as server:
        yield server


def ask(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def test_masks_work_both_ways(screened, upstream):
    client = openai_of(screened)
    reply = client.chat.completions.create(model="masked", messages=ask("I am ada@example.com, 4111 1111 1111 1111."))
    assert reply.choices[0].message.content == "The sea rises twice a day."
    assert upstream.requests[-1][2]["messages"] == ask("I am [EMAIL], [CREDIT_CARD].")


def test_masks_work_in_streams(screened):
    stream = openai_of(screened).chat.completions.create(model="masked", messages=ask("Tides?"), stream=True)
    chunks = list(stream)
    assert "".join(it.choices[0].delta.content or "" for it in chunks if it.choices) == "The sea rises twice a day."
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_block_is_a_bad_request_with_a_code(screened, upstream):
    before = len(upstream.requests)
    with pytest.raises(openai.BadRequestError) as caught:
        openai_of(screened).chat.completions.create(model="masked", messages=ask("What is FALCON?"))
    assert caught.value.code == "content_filter"
    assert "`words`" in caught.value.message
    assert len(upstream.requests) == before


@pytest.mark.parametrize("streams", [False, True])
def test_the_second_answer_comes_from_the_cache(screened, upstream, streams):
    client = openai_of(screened)
    texts = []
    for used in ["miss", "hit", "hit"]:
        before = len(upstream.requests)
        raw = client.chat.completions.with_raw_response.create(
            model="kept", messages=ask("When?"), stream=streams, user=used
        )
        assert raw.headers["x-tidegate-cache"] == used
        reply = raw.parse()
        if streams:
            texts.append("".join(it.choices[0].delta.content or "" for it in reply if it.choices))
        else:
            texts.append(reply.choices[0].message.content)
            assert reply.usage.total_tokens == 19
        assert len(upstream.requests) - before == (1 if used == "miss" else 0)
    assert texts == [ANSWER] * 3
    raw = client.chat.completions.with_raw_response.create(
        model="kept", messages=ask("When?"), extra_headers={"cache-control": "no-store"}
    )
    assert raw.headers["x-tidegate-cache"] == "bypass"


def test_what_the_database_keeps_outlives_the_server(tmp_path, config, database):
    def used(until: str) -> list[str]:
        """What the cache did, call by call, until it did this."""
        words = []
        with tidegate.serve(tmp_path, gateway_config=config, database=database) as server:
            client = openai_of(server)
            while until not in words and len(words) < 100:
                raw = client.chat.completions.with_raw_response.create(model="stored", messages=ask("Where?"))
                words.append(raw.headers["x-tidegate-cache"])
        return words

    first = used("hit")
    assert (first[0], first[-1]) == ("miss", "hit"), first
    assert used("hit") == ["hit"]
