"""The real demo model through the gateway, asked by the `openai` and `mlflow` clients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import mlflow.deployments
import openai
import pytest
import requests

QUESTION = [{"role": "user", "content": "Name one colour of the sea."}]
GREEDY = {"temperature": 0, "max_tokens": 24}


def test_a_chat_is_answered(openai_client):
    reply = openai_client.chat.completions.create(model="smollm2", messages=QUESTION, **GREEDY)
    [choice] = reply.choices
    assert reply.object == "chat.completion"
    assert choice.message.role == "assistant"
    assert len(choice.message.content.split()) > 1
    assert choice.finish_reason in ("stop", "length")
    # SmolLM2's template adds a system turn of its own, so the prompt is longer than the question.
    assert reply.usage.prompt_tokens > 20
    assert 0 < reply.usage.completion_tokens <= 24
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_a_stream_says_the_same_as_a_unary_answer(openai_client):
    unary = openai_client.chat.completions.create(model="smollm2", messages=QUESTION, **GREEDY)
    stream = openai_client.chat.completions.create(
        model="smollm2", messages=QUESTION, stream=True, stream_options={"include_usage": True}, **GREEDY
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(delta for delta in deltas if delta) == unary.choices[0].message.content
    assert len([delta for delta in deltas if delta]) > 1, "a stream that comes in one piece is no stream"
    assert [it.choices[0].finish_reason for it in chunks if it.choices][-1] == unary.choices[0].finish_reason
    assert chunks[-1].usage == unary.usage


def test_max_tokens_is_kept(openai_client):
    reply = openai_client.chat.completions.create(
        model="smollm2", messages=[{"role": "user", "content": "Count from one to fifty."}], temperature=0, max_tokens=5
    )
    assert reply.usage.completion_tokens == 5
    assert reply.choices[0].finish_reason == "length"


def test_a_stop_sequence_ends_the_answer_before_it(openai_client):
    prompt = "1, 2, 3, 4, 5, 6,"
    free = openai_client.completions.create(model="smollm2-completions", prompt=prompt, temperature=0, max_tokens=12)
    assert " 8" in free.choices[0].text, "the model goes on counting"
    stopped = openai_client.completions.create(
        model="smollm2-completions", prompt=prompt, temperature=0, max_tokens=12, stop=[" 8"]
    )
    assert stopped.choices[0].text == free.choices[0].text.split(" 8")[0]
    assert stopped.choices[0].finish_reason == "stop"


def test_a_seed_makes_sampling_repeatable(openai_client):
    def sample(seed: int) -> str:
        reply = openai_client.chat.completions.create(
            model="smollm2", messages=QUESTION, temperature=1.5, max_tokens=24, seed=seed
        )
        return reply.choices[0].message.content

    assert sample(7) == sample(7)
    assert len({sample(seed) for seed in range(1, 5)}) > 1


def test_completions_stream_too(openai_client):
    ask = {"model": "smollm2-completions", "prompt": "1, 2, 3,", "temperature": 0, "max_tokens": 8}
    unary = openai_client.completions.create(**ask)
    pieces = [chunk.choices[0].text for chunk in openai_client.completions.create(stream=True, **ask) if chunk.choices]
    assert unary.object == "text_completion"
    assert "".join(pieces) == unary.choices[0].text


def test_the_models_are_listed(openai_client):
    assert {model.id for model in openai_client.models.list()} >= {"smollm2", "smollm2-completions"}


def test_mlflow_deployments(server):
    deployments = mlflow.deployments.get_deploy_client(server.url)
    endpoints = {endpoint.name: endpoint for endpoint in deployments.list_endpoints()}
    assert set(endpoints) == {"smollm2", "smollm2-completions"}
    assert endpoints["smollm2"].endpoint_type == "llm/v1/chat"
    assert endpoints["smollm2"].model.provider == "local"
    one = deployments.get_endpoint("smollm2-completions")
    assert (one.name, one.endpoint_type) == ("smollm2-completions", "llm/v1/completions")
    assert one.model.name == "SmolLM2-135M-Instruct.Q4_1.gguf"

    chat = deployments.predict(endpoint="smollm2", inputs={"messages": QUESTION, **GREEDY})
    assert chat["choices"][0]["message"]["content"].strip()
    assert chat["usage"]["completion_tokens"] > 0
    completion = deployments.predict(
        endpoint="smollm2-completions", inputs={"prompt": "1, 2, 3,", "temperature": 0, "max_tokens": 4}
    )
    assert "4" in completion["choices"][0]["text"]


def test_an_endpoint_streams_over_mlflows_route(server):
    body = {"messages": QUESTION, "stream": True, **GREEDY}
    with server.post("/endpoints/smollm2/invocations", body, stream=True) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        events = [line for line in reply.iter_lines(decode_unicode=True) if line.startswith("data: ")]
    assert len(events) > 3


def test_a_prompt_longer_than_the_context_is_refused(openai_client):
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.chat.completions.create(
            model="smollm2", messages=[{"role": "user", "content": "tide " * 20_000}], max_tokens=4
        )
    assert refused.value.code == "context_length_exceeded"
    assert "context" in refused.value.body["message"]


def test_two_callers_at_once_both_get_their_own_answer(server):
    def complete(prompt: str) -> str:
        body = {"model": "smollm2-completions", "prompt": prompt, "temperature": 0, "max_tokens": 8}
        reply = requests.post(f"{server.url}/v1/completions", json=body, timeout=120)
        assert reply.status_code == 200, reply.text
        return reply.json()["choices"][0]["text"]

    prompts = ["1, 2, 3,", "Monday, Tuesday,", "The sea is"]
    alone = [complete(prompt) for prompt in prompts]
    with ThreadPoolExecutor(len(prompts)) as pool:
        assert list(pool.map(complete, prompts)) == alone
