"""Google's own client in front of the gateway, whatever provider is behind it."""

from __future__ import annotations

import json

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel
from scripted_upstream import KEY, ScriptedUpstream, chat_reply, chunk, start, tool_call

ASK = "When does the tide come in?"
ENDPOINTS = """
  - name: flash
    endpoint_type: llm/v1/chat
    model:
      provider: gemini
      name: gemini-1
      config: {{gemini_api_key: $SCRIPTED_KEY, gemini_api_base: "{url}/v1beta"}}
  - name: vectors
    endpoint_type: llm/v1/embeddings
    model:
      provider: openai
      name: vectors-1
      config: {{openai_api_key: $SCRIPTED_KEY, openai_api_base: "{url}/v1"}}
"""


def generated(parts: list[dict], finish: str | None = "STOP") -> dict:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 11, "candidatesTokenCount": 3, "totalTokenCount": 14}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-1", "responseId": "r1"}


@pytest.fixture(scope="module")
def upstream():
    upstream = ScriptedUpstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with start(upstream, tmp_path_factory.mktemp("gemini"), ENDPOINTS) as gateway:
        yield gateway


@pytest.fixture
def client(gateway):
    return genai.Client(api_key="callers-own", http_options={"base_url": gateway.url, "timeout": 60_000})


def test_google_is_asked_in_the_callers_words(client, upstream):
    upstream.will(generated([{"text": "Hm.", "thought": True}, {"text": "At noon.", "thoughtSignature": "c2ln"}]))
    config = types.GenerateContentConfig(system_instruction="S", top_k=3)
    reply = client.models.generate_content(model="flash", contents=ASK, config=config)
    assert (reply.text, reply.candidates[0].finish_reason.name) == ("At noon.", "STOP")
    assert reply.candidates[0].content.parts[1].thought_signature == b"sig"
    assert reply.usage_metadata.total_token_count == 14
    seen = upstream.seen[-1]
    assert (seen.path, seen.headers["x-goog-api-key"]) == ("/v1beta/models/gemini-1:generateContent", KEY)
    assert seen.body["contents"] == [{"role": "user", "parts": [{"text": ASK}]}]
    assert seen.body["generationConfig"] == {"topK": 3}


def test_googles_stream_comes_event_by_event(client, upstream):
    upstream.will_stream(generated([{"text": "At "}], None), generated([{"text": "noon."}]))
    replies = list(client.models.generate_content_stream(model="flash", contents=ASK))
    assert [it.text for it in replies] == ["At ", "noon."]
    assert upstream.seen[-1].path == "/v1beta/models/gemini-1:streamGenerateContent?alt=sse"


def test_a_tool_is_called_and_answered_at_another_vendors(client, upstream):
    """The client calls the function itself, and sends what it gave."""
    upstream.will(chat_reply(tool_call("tide", '{"port": "Brest"}'), "tool_calls"))
    upstream.will(chat_reply({"content": "At noon."}))
    asked = []

    def tide(port: str) -> str:
        """When the tide comes in"""
        asked.append(port)
        return "12:00"

    config = types.GenerateContentConfig(tools=[tide])
    reply = client.models.generate_content(model="gpt", contents=ASK, config=config)
    assert (asked, reply.text) == (["Brest"], "At noon.")
    assert reply.usage_metadata.prompt_token_count == 11
    seen = upstream.seen[-1].body
    function = seen["tools"][0]["function"]
    assert (function["name"], function["description"]) == ("tide", "When the tide comes in")
    assert function["parameters"]["properties"]["port"]["type"] == "string"
    call, result = seen["messages"][1:]
    assert json.loads(call["tool_calls"][0]["function"]["arguments"]) == {"port": "Brest"}
    assert (result["role"], result["tool_call_id"]) == ("tool", call["tool_calls"][0]["id"])
    assert "12:00" in result["content"]


@pytest.mark.parametrize("model", ["gpt", "llama"])
def test_another_vendors_stream_is_googles(client, upstream, model):
    upstream.will_stream(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Let me "}),
        chunk({"content": "look."}),
        chunk(tool_call("tide", "")),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"port": '}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Brest"}'}}]}),
        chunk({}, "tool_calls"),
        chunk({}, usage={"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}) | {"choices": []},
        "[DONE]",
    )
    replies = list(client.models.generate_content_stream(model=model, contents=ASK))
    parts = [part for it in replies for part in (it.candidates[0].content.parts or [])]
    assert "".join(it.text or "" for it in parts) == "Let me look."
    calls = [it.function_call for it in parts if it.function_call]
    assert [(it.name, it.args) for it in calls] == [("tide", {"port": "Brest"})]
    assert replies[-1].candidates[0].finish_reason.name == "STOP"
    assert replies[-1].usage_metadata.total_token_count == 17


class Tide(BaseModel):
    port: str
    hour: int | None = None


def test_structured_output_and_settings(client, upstream):
    upstream.will(chat_reply({"content": '{"port": "Brest", "hour": 12}'}))
    config = types.GenerateContentConfig(
        response_mime_type="application/json",
        response_schema=Tide,
        system_instruction="S",
        max_output_tokens=50,
        temperature=0.5,
    )
    reply = client.models.generate_content(model="gpt", contents=ASK, config=config)
    assert reply.parsed == Tide(port="Brest", hour=12)
    seen = upstream.seen[-1].body
    assert [it["role"] for it in seen["messages"]] == ["system", "user"]
    assert (seen["max_completion_tokens"], seen["temperature"]) == (50, 0.5)
    schema = seen["response_format"]["json_schema"]["schema"]
    assert (schema["type"], schema["properties"]["port"]["type"]) == ("object", "string")


def test_a_conversation_keeps_its_turns(client, upstream):
    chat = client.chats.create(model="llama")
    upstream.will(chat_reply({"content": "At noon."}))
    assert chat.send_message(ASK).text == "At noon."
    upstream.will(chat_reply({"content": "At midnight."}))
    assert chat.send_message("And then?").text == "At midnight."
    turns = [(it["role"], it["content"]) for it in upstream.seen[-1].body["messages"]]
    assert turns == [("user", ASK), ("assistant", "At noon."), ("user", "And then?")]


def test_embeddings_come_in_the_order_of_their_texts(client, upstream):
    data = [{"object": "embedding", "index": at, "embedding": [0.5, at]} for at in (1, 0)]
    upstream.will({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}})
    reply = client.models.embed_content(model="vectors", contents=["a", "b"])
    assert [it.values for it in reply.embeddings] == [[0.5, 0], [0.5, 1]]
    assert upstream.seen[-1].body["input"] == ["a", "b"]


def test_what_there_is_is_listed(client):
    listed = {it.name: it.supported_actions for it in client.models.list()}
    assert set(listed) == {f"models/{it}" for it in ("claude", "gpt", "llama", "flash", "vectors")}
    assert client.models.get(model="gpt").display_name == "gpt"


def test_what_is_lost_is_named(client, upstream):
    upstream.will(chat_reply({"content": "At noon."}))
    reply = client.models.generate_content(model="gpt", contents=ASK, config=types.GenerateContentConfig(top_k=5))
    headers = {name.lower(): value for name, value in reply.sdk_http_response.headers.items()}
    assert headers["x-tidegate-warnings"].startswith("top_k is left out")


def test_errors_are_googles(client, upstream):
    def refused(model: str) -> errors.ClientError:
        with pytest.raises(errors.ClientError) as caught:
            client.models.generate_content(model=model, contents=ASK)
        return caught.value

    upstream.will({"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}, 400)
    error = refused("flash")
    assert (error.code, error.status) == (400, "INVALID_ARGUMENT")
    assert "bad" in error.message
    upstream.will({"error": {"message": "bad", "type": "invalid_request_error", "param": "x", "code": None}}, 400)
    error = refused("gpt")
    assert (error.code, error.status) == (400, "INVALID_ARGUMENT")
    upstream.will({"error": {"message": "slow", "type": "rate_limit_error"}}, 429, {"retry-after": "7"})
    error = refused("gpt")
    assert (error.code, error.status) == (429, "RESOURCE_EXHAUSTED")
    error = refused("nobody")
    assert (error.code, error.status) == (404, "NOT_FOUND")
    assert "nobody" in error.message


def test_a_stream_that_is_cut_raises(client, upstream):
    upstream.will_stream(chunk({"role": "assistant", "content": "At"}))
    with pytest.raises(errors.APIError) as cut:
        list(client.models.generate_content_stream(model="llama", contents=ASK))
    assert "cut its stream short" in str(cut.value)


def test_tokens_are_counted(client, upstream):
    upstream.will({"totalTokens": 9})
    counted = client.models.count_tokens(model="flash", contents=ASK)
    assert counted.total_tokens == 9
    assert upstream.seen[-1].path.endswith("/models/gemini-1:countTokens")
    # Nobody counts for this one: 27 letters, and the turn itself.
    assert client.models.count_tokens(model="llama", contents=ASK).total_tokens == 11
