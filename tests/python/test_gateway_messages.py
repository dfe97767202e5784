"""Anthropic's own client in front of the gateway, whatever provider is behind it."""

from __future__ import annotations

import anthropic
import pytest
from scripted_upstream import KEY, ScriptedUpstream, chat_reply, chunk, start, tool_call

ASK = [{"role": "user", "content": "When does the tide come in?"}]
TOOL = {
    "name": "tide",
    "description": "When the tide comes in",
    "input_schema": {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-1",
    "content": [{"type": "text", "text": "At noon."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 11, "output_tokens": 3, "cache_read_input_tokens": 5},
}


@pytest.fixture(scope="module")
def upstream():
    upstream = ScriptedUpstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with start(upstream, tmp_path_factory.mktemp("messages")) as gateway:
        yield gateway


@pytest.fixture
def client(gateway):
    return anthropic.Anthropic(base_url=gateway.url, api_key="callers-own", max_retries=0, timeout=60)


def ask(client, model, **more):
    return client.messages.create(model=model, max_tokens=64, messages=ASK, **more)


def test_anthropic_is_asked_in_the_callers_words(client, upstream):
    upstream.will(MESSAGE)
    reply = ask(client, "claude", system=[{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}])
    assert (reply.content[0].text, reply.stop_reason, reply.usage.cache_read_input_tokens) == ("At noon.", "end_turn", 5)
    seen = upstream.seen[-1]
    assert (seen.path, seen.headers["x-api-key"], seen.body["model"]) == ("/v1/messages", KEY, "claude-1")
    assert seen.body["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_anthropics_stream_comes_event_by_event(client, upstream):
    upstream.will_stream(
        {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "ping"},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "At noon."}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
        named=True,
    )
    with client.messages.stream(model="claude", max_tokens=64, messages=ASK) as stream:
        message = stream.get_final_message()
    assert [(it.type, getattr(it, "signature", None)) for it in message.content] == [("thinking", "sig"), ("text", None)]
    assert message.usage.output_tokens == 7


def test_a_tool_is_called_and_answered_at_another_vendors(client, upstream):
    upstream.will(chat_reply({"content": "Let me look."} | tool_call("tide", '{"port": "Brest"}'), "tool_calls"))
    first = ask(client, "gpt", tools=[TOOL], tool_choice={"type": "any", "disable_parallel_tool_use": True})
    assert [it.type for it in first.content] == ["text", "tool_use"]
    assert (first.content[1].name, first.content[1].input, first.stop_reason) == ("tide", {"port": "Brest"}, "tool_use")
    assert (first.usage.input_tokens, first.usage.cache_read_input_tokens, first.usage.output_tokens) == (7, 4, 8)
    seen = upstream.seen[-1].body
    assert (seen["tool_choice"], seen["parallel_tool_calls"]) == ("required", False)
    assert seen["tools"][0]["function"]["parameters"] == TOOL["input_schema"]

    upstream.will(chat_reply({"content": "At noon."}))
    result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": [{"type": "text", "text": "12:00"}]}
    turns = [*ASK, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    reply = client.messages.create(model="gpt", max_tokens=64, messages=turns, tools=[TOOL])
    assert (reply.content[0].text, reply.stop_reason) == ("At noon.", "end_turn")
    call = {"id": "call_0", "type": "function", "function": {"name": "tide", "arguments": '{"port":"Brest"}'}}
    assert upstream.seen[-1].body["messages"][1:] == [
        {"role": "assistant", "content": "Let me look.", "tool_calls": [call]},
        {"role": "tool", "content": "12:00", "tool_call_id": "call_0"},
    ]


def test_another_vendors_stream_is_anthropics(client, upstream):
    upstream.will_stream(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "Hm"}),
        chunk({"content": "Let me "}),
        chunk({"content": "look."}),
        chunk(tool_call("tide", "")),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"port": '}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Brest"}'}}]}),
        chunk(tool_call("tide", '{"port": "Cork"}', index=1)),
        chunk({}, "tool_calls"),
        chunk({}, usage={"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}) | {"choices": []},
        "[DONE]",
    )
    with client.messages.stream(model="llama", max_tokens=64, messages=ASK, tools=[TOOL]) as stream:
        kinds = [it.type for it in stream if not it.type.startswith(("text", "thinking", "input_json", "signature"))]
        message = stream.get_final_message()
    assert [it.type for it in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert [it.input for it in message.content[2:]] == [{"port": "Brest"}, {"port": "Cork"}]
    assert (message.content[0].thinking, message.content[1].text) == ("Hm", "Let me look.")
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("tool_use", 9, 8)
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])


def test_structured_output_and_images(client, upstream):
    upstream.will(chat_reply({"content": '{"hour": 12}'}))
    schema = {"type": "object", "$defs": {"h": {"type": "integer"}}, "properties": {"hour": {"$ref": "#/$defs/h"}}}
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    client.messages.create(
        model="gpt",
        max_tokens=64,
        messages=[{"role": "user", "content": [picture, {"type": "text", "text": "When?"}]}],
        extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}},
    )
    seen = upstream.seen[-1].body
    assert seen["response_format"]["json_schema"]["schema"] == schema
    assert seen["messages"][0]["content"][0] == {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,AAAA"},
    }


def test_what_is_lost_is_named(client, upstream):
    upstream.will(chat_reply({"content": "At noon."}))
    raw = client.messages.with_raw_response.create(model="gpt", max_tokens=64, messages=ASK, extra_body={"top_k": 5})
    assert raw.headers["x-tidegate-warnings"].startswith("top_k is left out")


def test_errors_are_anthropics(client, upstream):
    upstream.will({"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}, 429, {"retry-after": "7"})
    with pytest.raises(anthropic.RateLimitError) as limited:
        ask(client, "claude")
    assert limited.value.response.headers["retry-after"] == "7"
    assert limited.value.body["error"]["type"] == "rate_limit_error"
    upstream.will({"error": {"message": "bad", "type": "invalid_request_error", "param": "x", "code": None}}, 400)
    with pytest.raises(anthropic.BadRequestError) as bad:
        ask(client, "gpt")
    assert "bad" in bad.value.body["error"]["message"]
    with pytest.raises(anthropic.NotFoundError) as unknown:
        ask(client, "nobody")
    assert unknown.value.body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.BadRequestError) as wrong:
        client.messages.create(model="gpt", max_tokens=64, messages=[{"role": "critic", "content": "x"}])
    assert "messages[0].role" in wrong.value.body["error"]["message"]


@pytest.mark.parametrize("model", ["claude", "gpt"])
def test_a_stream_that_is_cut_raises(client, upstream, model):
    if model == "claude":
        upstream.will_stream({"type": "message_start", "message": MESSAGE | {"content": []}}, named=True)
    else:
        upstream.will_stream(chunk({"role": "assistant", "content": "At"}))
    with (
        pytest.raises(anthropic.APIError) as cut,
        client.messages.stream(model=model, max_tokens=64, messages=ASK) as stream,
    ):
        stream.get_final_message()
    assert "cut its stream short" in str(cut.value)
