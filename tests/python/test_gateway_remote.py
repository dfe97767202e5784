"""Endpoints in front of a remote API, played by a scripted upstream: what passes, and what every failure says."""

from __future__ import annotations

import openai
import pytest
import tidegate
from conftest import mocked_config, openai_of
from mock_upstream import ANSWER, KEY, USAGE

ASK = [{"role": "user", "content": "When does the tide come in?"}]


def test_an_answer_passes_through_whole(mocked_openai, upstream):
    reply = mocked_openai.chat.completions.create(
        model="mock", messages=ASK, temperature=0.25, extra_body={"x_unknown": {"kept": [1, None]}}
    )
    assert reply.choices[0].message.content == ANSWER
    assert reply.usage.model_dump(exclude_none=True) == USAGE
    assert reply.model_extra["x_vendor"] == {"kept": True}

    path, headers, body = upstream.requests[-1]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body["model"] == "mock-1", "the endpoint's name is replaced by its model's"
    assert body["messages"] == ASK
    assert (body["temperature"], body["x_unknown"]) == (0.25, {"kept": [1, None]})


def test_a_stream_passes_through(mocked_openai):
    stream = mocked_openai.chat.completions.create(
        model="mock", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(it.choices[0].delta.content or "" for it in chunks if it.choices) == ANSWER
    assert chunks[-1].usage.total_tokens == USAGE["total_tokens"]


def test_a_stream_ends_with_done_and_hides_usage_that_nobody_asked_for(mocked):
    body = {"model": "mock", "messages": ASK, "stream": True}
    with mocked.post("/v1/chat/completions", body, stream=True) as reply:
        events = [line for line in reply.iter_lines(decode_unicode=True) if line]
    assert events[-1] == "data: [DONE]"
    assert not any('"usage": {' in event or '"usage":{' in event for event in events)


def test_completions_and_embeddings(mocked_openai):
    assert mocked_openai.completions.create(model="mock-completions", prompt="Tides").choices[0].text == ANSWER
    embeddings = mocked_openai.embeddings.create(model="mock-embeddings", input=["a", "b"])
    assert [it.embedding for it in embeddings.data] == [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]]


def test_anthropic_answers_in_openais_shape(mocked_openai, upstream):
    reply = mocked_openai.chat.completions.create(
        model="claude", messages=[{"role": "system", "content": "Be brief."}, *ASK], max_tokens=64
    )
    assert reply.choices[0].message.content == ANSWER
    assert reply.choices[0].finish_reason == "stop"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (11, 8, 19)
    path, headers, body = upstream.requests[-1]
    assert (path, headers["x-api-key"], body["model"]) == ("/v1/messages", KEY, "claude-mock")
    assert "anthropic-version" in headers
    assert body["max_tokens"] == 64
    assert "Be brief." in str(body["system"])
    assert [message["role"] for message in body["messages"]] == ["user"]


def test_a_route_splits_traffic(mocked_openai, upstream):
    upstream.requests.clear()
    for _ in range(40):
        mocked_openai.chat.completions.create(model="split", messages=ASK)
    models = [body["model"] for _, _, body in upstream.requests]
    assert set(models) == {"mock-1", "mock-2"}, "40 calls at 50:50 all went one way"


def test_a_limit_answers_429_with_retry_after(tmp_path, upstream):
    with tidegate.Server.start(
        "gateway", "--config", mocked_config(tmp_path, upstream), env={"MOCK_KEY": KEY}
    ) as gateway:
        client = openai_of(gateway)
        for _ in range(2):
            client.chat.completions.create(model="two-a-day", messages=ASK)
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(model="two-a-day", messages=ASK)
        assert 0 < int(limited.value.response.headers["retry-after"]) <= 24 * 3600
        assert "two-a-day" in limited.value.body["message"]

        over_mlflow = gateway.post("/endpoints/two-a-day/invocations", {"messages": ASK})
        assert over_mlflow.status_code == 429, "both protocols share one limit"
        assert int(over_mlflow.headers["retry-after"]) > 0

        client.chat.completions.create(model="mock", messages=ASK)


def test_the_upstreams_own_limit_is_passed_on(mocked_openai):
    with pytest.raises(openai.RateLimitError) as limited:
        mocked_openai.chat.completions.create(model="upstream-limited", messages=ASK)
    assert limited.value.response.headers["retry-after"] == "7"
    assert "Rate limit reached for mock" in limited.value.body["message"]


def test_an_upstream_that_answers_nonsense_is_a_502(mocked_openai):
    with pytest.raises(openai.InternalServerError) as broken:
        mocked_openai.chat.completions.create(model="upstream-broken", messages=ASK)
    assert broken.value.status_code == 502
    assert broken.value.body["message"]


def test_a_client_that_hangs_up_stops_the_upstream(mocked_openai, upstream):
    upstream.hung_up.clear()
    stream = mocked_openai.chat.completions.create(model="endless", messages=ASK, stream=True)
    for _, _ in zip(range(5), stream, strict=False):
        pass
    assert not upstream.hung_up.is_set()
    stream.close()
    assert upstream.hung_up.wait(30), "the gateway went on reading for a client that had left"


def test_an_unknown_model_is_a_404(mocked_openai, mocked):
    with pytest.raises(openai.NotFoundError) as unknown:
        mocked_openai.chat.completions.create(model="mook", messages=ASK)
    assert unknown.value.code == "model_not_found"
    assert "mook" in unknown.value.body["message"]
    over_mlflow = mocked.post("/endpoints/mook/invocations", {"messages": ASK})
    assert over_mlflow.status_code == 404
    assert "mook" in str(over_mlflow.json()["detail"])
    assert mocked.get("/api/2.0/endpoints/mook").status_code == 404


def test_the_wrong_kind_of_endpoint_is_a_400(mocked_openai):
    with pytest.raises(openai.BadRequestError) as wrong:
        mocked_openai.chat.completions.create(model="mock-embeddings", messages=ASK)
    assert "mock-embeddings" in wrong.value.body["message"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{not json", "JSON"),
        (b"[]", None),
        (b'{"messages": [{"role": "user", "content": "x"}]}', "model"),
        (b'{"model": "mock"}', "messages"),
        (b'{"model": "mock", "messages": "hello"}', "messages"),
        (b'{"model": "mock", "messages": []}', "messages"),
        (b'{"model": "mock", "messages": [{"role": "user", "content": "x"}], "temperature": "hot"}', "temperature"),
        (b'{"model": "mock", "messages": [{"role": "user", "content": "x"}], "max_tokens": -1}', "max_tokens"),
    ],
)
def test_a_malformed_chat_is_a_400_in_openais_shape(mocked, body, named):
    reply = mocked.post("/v1/chat/completions", data=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert named is None or named.lower() in error["message"].lower()


def test_the_key_appears_in_no_log_and_no_error(tmp_path, upstream):
    with tidegate.Server.start(
        "gateway",
        "--config",
        mocked_config(tmp_path, upstream),
        env={"MOCK_KEY": KEY, "TIDEGATE_LOG": "trace"},
    ) as gateway:
        client = openai_of(gateway)
        client.chat.completions.create(model="mock", messages=ASK)
        for model in ("upstream-limited", "upstream-broken"):
            with pytest.raises(openai.APIStatusError) as failed:
                client.chat.completions.create(model=model, messages=ASK)
            assert KEY not in failed.value.response.text
        assert KEY not in gateway.get("/api/2.0/endpoints/").text
    assert len(gateway.log) > 100, "TIDEGATE_LOG=trace says something"
    assert KEY not in gateway.log


def test_the_gateway_alone_serves_no_tracking(tmp_path, upstream):
    with tidegate.Server.start(
        "gateway", "--config", mocked_config(tmp_path, upstream), cwd=tmp_path, env={"MOCK_KEY": KEY}
    ) as gateway:
        assert gateway.get("/health").status_code == 200
        assert gateway.post("/api/2.0/mlflow/experiments/search", {"max_results": 1}).status_code == 404
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.yaml"], "it wrote nothing"
