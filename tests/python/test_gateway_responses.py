"""OpenAI's own client with its Responses in front of the gateway, whatever provider is behind it."""

from __future__ import annotations

import openai
import pydantic
import pytest
from scripted_upstream import KEY, ScriptedUpstream, chat_reply, chunk, start, tool_call

ASK = "When does the tide come in?"
TOOL = {
    "type": "function",
    "name": "tide",
    "description": "When the tide comes in",
    "parameters": {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]},
    "strict": False,
}


class Tide(pydantic.BaseModel):
    hour: int


@pytest.fixture(scope="module")
def upstream():
    upstream = ScriptedUpstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with start(upstream, tmp_path_factory.mktemp("responses")) as gateway:
        yield gateway


@pytest.fixture
def client(gateway):
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="callers-own", max_retries=0, timeout=60)


def native(**more) -> dict:
    part = {"type": "output_text", "text": "At noon.", "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "gpt-1",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    } | more


def test_openai_is_asked_in_the_callers_words(client, upstream):
    usage = {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}
    upstream.will(native(usage=usage))
    reply = client.responses.create(model="gpt", input=ASK, previous_response_id="resp_0", tools=[{"type": "web_search"}])
    assert (reply.output_text, reply.usage.total_tokens) == ("At noon.", 11)
    seen = upstream.seen[-1]
    assert (seen.path, seen.headers["authorization"]) == ("/v1/responses", f"Bearer {KEY}")
    assert (seen.body["model"], seen.body["previous_response_id"]) == ("gpt-1", "resp_0")


def test_openais_stream_comes_event_by_event(client, upstream):
    upstream.will_stream(
        {"type": "response.created", "response": native(output=[], status="in_progress"), "sequence_number": 0},
        {"type": "response.web_search_call.searching", "item_id": "ws", "output_index": 0, "sequence_number": 1},
        {"type": "response.completed", "response": native(), "sequence_number": 2},
        named=True,
    )
    events = list(client.responses.create(model="gpt", input=ASK, stream=True))
    assert [it.type.removeprefix("response.") for it in events] == ["created", "web_search_call.searching", "completed"]


def test_a_tool_is_called_and_answered_at_another_vendors(client, upstream):
    upstream.will(chat_reply({"content": "Let me look."} | tool_call("tide", '{"port": "Brest"}'), "tool_calls"))
    first = client.responses.create(model="llama", instructions="Be brief.", input=ASK, tools=[TOOL], max_output_tokens=64)
    assert [it.type for it in first.output] == ["message", "function_call"]
    assert (first.output[1].name, first.output[1].arguments) == ("tide", '{"port": "Brest"}')
    assert (first.status, first.instructions, first.usage.input_tokens_details.cached_tokens) == ("completed", "Be brief.", 4)

    upstream.will(chat_reply({"content": "At noon."}))
    answer = {"type": "function_call_output", "call_id": first.output[1].call_id, "output": "12:00"}
    turns = [{"role": "user", "content": ASK}, *[it.to_dict() for it in first.output], answer]
    reply = client.responses.create(model="llama", input=turns, tools=[TOOL])
    assert reply.output_text == "At noon."
    call = {"id": "call_0", "type": "function", "function": {"name": "tide", "arguments": '{"port": "Brest"}'}}
    assert upstream.seen[-1].body["messages"] == [
        {"role": "user", "content": ASK},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [call]},
        {"role": "tool", "content": "12:00", "tool_call_id": "call_0"},
    ]


def test_another_vendors_stream_is_a_responses(client, upstream):
    upstream.will_stream(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "Hm"}),
        chunk({"content": "Let me "}),
        chunk({"content": "look."}),
        chunk(tool_call("tide", '{"port": ')),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Brest"}'}}]}),
        chunk({}, "tool_calls"),
        chunk({}, usage={"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}) | {"choices": []},
        "[DONE]",
    )
    with client.responses.stream(model="llama", input=ASK, tools=[TOOL]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [it.sequence_number for it in events] == list(range(len(events)))
    assert [it.type for it in final.output] == ["reasoning", "message", "function_call"]
    assert (final.output_text, final.output[2].arguments) == ("Let me look.", '{"port": "Brest"}')
    assert (final.output[0].summary[0].text, final.usage.total_tokens) == ("Hm", 17)
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


def test_structured_output(client, upstream):
    upstream.will(chat_reply({"content": '{"hour": 12}'}))
    reply = client.responses.parse(model="llama", input=ASK, text_format=Tide)
    assert reply.output_parsed == Tide(hour=12)
    sent = upstream.seen[-1].body["response_format"]
    assert (sent["type"], sent["json_schema"]["strict"], sent["json_schema"]["name"]) == ("json_schema", True, "Tide")


def test_an_answer_that_is_cut_is_incomplete(client, upstream):
    upstream.will(chat_reply({"content": "At"}, "length"))
    reply = client.responses.create(model="llama", input=ASK)
    assert (reply.status, reply.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_errors_are_openais(client, upstream):
    upstream.will({"error": {"message": "slow", "type": "requests", "code": "rate_limit_exceeded"}}, 429, {"retry-after": "7"})
    with pytest.raises(openai.RateLimitError) as limited:
        client.responses.create(model="gpt", input=ASK)
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="nobody", input=ASK)
    with pytest.raises(openai.BadRequestError) as stored:
        client.responses.create(model="llama", input=ASK, previous_response_id="resp_1")
    assert stored.value.param == "previous_response_id"


def test_a_stream_that_is_cut_has_failed(client, upstream):
    upstream.will_stream(chunk({"role": "assistant", "content": "At"}))
    events = list(client.responses.create(model="llama", input=ASK, stream=True))
    assert [it.type for it in events[-2:]] == ["error", "response.failed"]
    assert "cut its stream short" in events[-1].response.error.message


def test_what_openai_keeps_is_found_again(client, upstream):
    """By ids of the gateway's own, which lead back to the endpoint and hide the provider's."""
    upstream.will(native(id="resp_kept"))
    made = client.responses.create(model="gpt", input=ASK)
    assert made.id.startswith("resp_tg1") and "resp_kept" not in made.id
    upstream.will(native(id="resp_kept"))
    assert client.responses.retrieve(made.id).output_text == "At noon."
    assert upstream.seen[-1].path == "/v1/responses/resp_kept"
    items = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    upstream.will(items)
    assert client.responses.input_items.list(made.id).data == []
    assert upstream.seen[-1].path == "/v1/responses/resp_kept/input_items"
    upstream.will(native(id="resp_next", previous_response_id="resp_kept"))
    following = client.responses.create(model="gpt", input="And out?", previous_response_id=made.id)
    assert upstream.seen[-1].body["previous_response_id"] == "resp_kept"
    assert following.previous_response_id == made.id
    upstream.will(native(id="resp_next", status="cancelled"))
    assert client.responses.cancel(following.id).status == "cancelled"
    assert upstream.seen[-1].path == "/v1/responses/resp_next/cancel"
    upstream.will({"id": "resp_kept", "object": "response.deleted", "deleted": True})
    client.responses.delete(made.id)
    assert upstream.seen[-1].path == "/v1/responses/resp_kept"
    asked = len(upstream.seen)
    forged = made.id[:-6] + "AAAAAA"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(forged)
    assert len(upstream.seen) == asked
