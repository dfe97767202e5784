"""Every gateway call is a record: `mlflow.search_traces()` shows what was asked, answered, counted and waited for."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import mlflow
import openai
import pytest
from conftest import openai_of
from mlflow import MlflowClient
from mock_upstream import ANSWER, KEY, USAGE
from tidegate import eventually


@pytest.fixture
def traces_with(mocked):
    """Waits for the traces whose request holds a text, newest first."""
    mlflow.set_tracking_uri(mocked.url)
    client = MlflowClient(mocked.url)

    def search(text: str, count: int = 1) -> list:
        def found():
            locations = [it.experiment_id for it in client.search_experiments(filter_string="name LIKE 'gateway/%'")]
            if not locations:
                return None
            traces = mlflow.search_traces(locations=locations, return_type="list", max_results=200)
            traces = [it for it in traces if text in json.dumps(it.data.spans[0].inputs)]
            return traces if len(traces) >= count else None

        return eventually(found)

    return search


def test_a_chat_is_a_trace(mocked_openai, traces_with):
    ask = [{"role": "user", "content": "trace of a chat"}]
    mocked_openai.chat.completions.create(model="mock", messages=ask, temperature=0.5)
    [trace] = traces_with("trace of a chat")

    assert trace.info.state.value == "OK"
    assert trace.info.execution_duration >= 0
    assert trace.info.request_time > 1_600_000_000_000
    assert trace.info.token_usage == {"input_tokens": 11, "output_tokens": 8, "total_tokens": 19}

    root = trace.data.spans[0]
    assert root.inputs["messages"] == ask
    assert root.inputs["temperature"] == 0.5
    assert root.outputs["choices"][0]["message"]["content"] == ANSWER
    assert root.outputs["usage"]["total_tokens"] == USAGE["total_tokens"]
    assert root.end_time_ns >= root.start_time_ns
    said = json.dumps(trace.to_dict())
    assert "mock-1" in said, "the model that answered is named"
    assert KEY not in said

    one = mlflow.get_trace(trace.info.trace_id)
    assert one.data.spans[0].outputs == root.outputs


def test_a_stream_is_recorded_as_the_text_it_made(mocked_openai, traces_with):
    ask = [{"role": "user", "content": "trace of a stream"}]
    list(mocked_openai.chat.completions.create(model="mock", messages=ask, stream=True))
    [trace] = traces_with("trace of a stream")
    assert trace.data.spans[0].outputs["choices"][0]["message"]["content"] == ANSWER
    assert trace.info.token_usage["total_tokens"] == 19


def test_a_failure_is_a_trace_with_its_error(mocked_openai, traces_with):
    ask = [{"role": "user", "content": "trace of a failure"}]
    with pytest.raises(openai.RateLimitError):
        mocked_openai.chat.completions.create(model="upstream-limited", messages=ask)
    [trace] = traces_with("trace of a failure")
    assert trace.info.state.value == "ERROR"
    assert "Rate limit reached for mock" in json.dumps(trace.to_dict())


def test_a_call_that_was_hung_up_on_is_a_trace(mocked_openai, traces_with):
    ask = [{"role": "user", "content": "trace of a hang-up"}]
    stream = mocked_openai.chat.completions.create(model="endless", messages=ask, stream=True)
    for _, _ in zip(range(5), stream, strict=False):
        pass
    stream.close()
    [trace] = traces_with("trace of a hang-up")
    assert trace.info.state.value == "ERROR"


@pytest.fixture
def local_trace(server):
    """Waits for the one trace of the local model whose request holds a text."""
    mlflow.set_tracking_uri(server.url)

    def search(text: str):
        def found():
            calls = mlflow.get_experiment_by_name("gateway/smollm2")
            traces = mlflow.search_traces(locations=[calls.experiment_id], return_type="list") if calls else []
            return [it for it in traces if text in json.dumps(it.data.spans[0].inputs)]

        [trace] = eventually(found)
        return trace

    return search


def test_a_call_of_the_local_model_is_a_trace(openai_client, local_trace):
    reply = openai_client.chat.completions.create(
        model="smollm2", messages=[{"role": "user", "content": "local trace"}], temperature=0, max_tokens=6
    )
    trace = local_trace("local trace")
    assert trace.data.spans[0].outputs["choices"][0]["message"]["content"] == reply.choices[0].message.content
    assert trace.info.token_usage["output_tokens"] == reply.usage.completion_tokens
    assert trace.info.token_usage["input_tokens"] == reply.usage.prompt_tokens


def test_a_local_generation_stops_when_its_client_hangs_up(openai_client, local_trace):
    stream = openai_client.chat.completions.create(
        model="smollm2",
        messages=[{"role": "user", "content": "hung up locally: write a very long story about the sea."}],
        max_tokens=1500,
        stream=True,
    )
    for _, _ in zip(range(3), stream, strict=False):
        pass
    stream.close()
    trace = local_trace("hung up locally")
    assert trace.info.state.value == "ERROR"
    said = (trace.data.spans[0].outputs or {}).get("choices", [{}])[0].get("message", {}).get("content", "")
    assert len(said.split()) < 300, "it went on writing for nobody"


def test_no_call_is_lost_under_load(mocked, traces_with):
    def call(index: int) -> None:
        ask = [{"role": "user", "content": f"load-{index:03}-"}]
        openai_of(mocked).chat.completions.create(model="mock", messages=ask)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(100)))
    traces = traces_with("load-", count=100)
    asked = {trace.data.spans[0].inputs["messages"][0]["content"] for trace in traces}
    assert asked == {f"load-{index:03}-" for index in range(100)}


def test_traces_are_filtered_ordered_and_paged(mocked, mocked_openai, traces_with):
    for index in range(3):
        mocked_openai.chat.completions.create(model="other", messages=[{"role": "user", "content": f"paged-{index}"}])
    traces = traces_with("paged-", count=3)
    [location] = {trace.info.experiment_id for trace in traces}
    client = MlflowClient(mocked.url)

    pages, token = [], None
    while True:
        page = client.search_traces(
            locations=[location], order_by=["timestamp_ms DESC"], max_results=2, page_token=token
        )
        pages += [trace.info.trace_id for trace in page]
        token = page.token
        if not token:
            break
    assert len(pages) == len(set(pages))
    assert {trace.info.trace_id for trace in traces} <= set(pages)
    failed = client.search_traces(locations=[location], filter_string="attributes.status = 'ERROR'")
    assert all(trace.info.state.value == "ERROR" for trace in failed)
    one = traces[0].info.trace_id
    [found] = client.search_traces(locations=[location], filter_string=f"attributes.request_id = '{one}'")
    assert found.info.trace_id == one


def test_traces_carry_tags_and_can_be_deleted(mocked, mocked_openai, traces_with):
    mocked_openai.chat.completions.create(model="mock", messages=[{"role": "user", "content": "tagged trace"}])
    [trace] = traces_with("tagged trace")
    client = MlflowClient(mocked.url)
    client.set_trace_tag(trace.info.trace_id, "reviewed", "yes")
    assert client.get_trace(trace.info.trace_id).info.tags["reviewed"] == "yes"
    assert client.delete_traces(trace.info.experiment_id, trace_ids=[trace.info.trace_id]) == 1
    left = client.search_traces(locations=[trace.info.experiment_id], max_results=200)
    assert trace.info.trace_id not in {it.info.trace_id for it in left}
