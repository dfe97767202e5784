"""Bedrock, played by a server that believes only botocore: signatures, bodies, and the binary event stream."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.session
import openai
import pytest
import tidegate
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.validate import ParamValidator

ID, SECRET, TOKEN, REGION = "AKIDTIDEGATE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token+==", "eu-west-1"
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
RECORDINGS = tidegate.ROOT / "gateway/tests/fixtures/recordings.jsonl.gz"
STREAM = "test_bedrock/test_bedrock_model_iter_stream.yaml#0"

CONFIG = f"""
endpoints:
  - name: claude
    endpoint_type: llm/v1/chat
    model:
      provider: bedrock
      name: {MODEL}
      config:
        aws_config: {{aws_region: {REGION}, aws_access_key_id: {ID}, aws_secret_access_key: $SECRET, aws_session_token: $TOKEN}}
        api_base: BASE
"""

ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "At six."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 5, "outputTokens": 3, "totalTokens": 8},
    "metrics": {"latencyMs": 1},
}


class Bedrock:
    """Checks each request as AWS would, and keeps what is wrong with it."""

    def __init__(self):
        self.wrong: list[str] = []
        self.bodies: list[dict] = []
        with gzip.open(RECORDINGS, "rt") as lines:
            self.recording = next(it for it in map(json.loads, lines) if it["id"].endswith(STREAM))
        bedrock = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802 (the name that http.server calls)
                body = self.rfile.read(int(self.headers["content-length"]))
                bedrock.check(f"{bedrock.base}{self.path}", dict(self.headers), body)
                streams = self.path.endswith("/converse-stream")
                answer = base64.b64decode(bedrock.recording["response_b64"]) if streams else json.dumps(ANSWER).encode()
                kind = "application/vnd.amazon.eventstream" if streams else "application/json"
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def check(self, url: str, headers: dict[str, str], body: bytes):
        headers = {name.lower(): value for name, value in headers.items()}
        signed = re.search(r"SignedHeaders=([^,]+), Signature=(\w+)", headers["authorization"])
        names = signed[1].split(";")
        for needed in ("host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "content-type"):
            if needed not in names:
                self.wrong.append(f"{needed} is not signed")
        if headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            self.wrong.append("the body is not the one that was signed")
        request = AWSRequest("POST", url, data=body, headers={name: headers[name] for name in names})
        request.context["timestamp"] = headers["x-amz-date"]
        auth = SigV4Auth(Credentials(ID, SECRET, TOKEN), "bedrock", REGION)
        expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        if expected != signed[2]:
            self.wrong.append(f"the signature is not botocore's for {url}")
        self.bodies.append(json.loads(body))
        model = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")
        report = ParamValidator().validate({"modelId": MODEL, **self.bodies[-1]}, model.input_shape)
        if report.has_errors():
            self.wrong.append(report.generate_report())


@pytest.fixture(scope="module")
def bedrock():
    bedrock = Bedrock()
    yield bedrock
    bedrock.server.shutdown()


@pytest.fixture(scope="module")
def client(bedrock, tmp_path_factory):
    file = tmp_path_factory.mktemp("bedrock") / "gateway.yaml"
    file.write_text(CONFIG.replace("BASE", bedrock.base))
    with tidegate.Server.start("gateway", "--config", file, env={"SECRET": SECRET, "TOKEN": TOKEN}) as gateway:
        yield openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", max_retries=0)


def test_a_call_passes_botocores_eyes(bedrock, client):
    png = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    reply = client.chat.completions.create(
        model="claude",
        max_tokens=50,
        temperature=0.2,
        stop=["END"],
        reasoning_effort="low",
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": png}},
                                         {"type": "file", "file": {"filename": "tide_table.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}}]},
            {"role": "assistant", "content": "Let me look.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a tide table"},
        ],
        tools=[{"type": "function", "function": {"name": "look", "description": "Looks.", "strict": True,
                "parameters": {"type": "object", "properties": {"at": {"type": "integer"}}, "required": ["at"]}}}],
        tool_choice="auto",
        response_format={"type": "json_schema", "json_schema": {"name": "tides", "schema": {
            "type": "object", "properties": {"hour": {"type": "integer"}}, "additionalProperties": False}}},
    )
    assert bedrock.wrong == []
    assert reply.choices[0].message.content == "At six."
    assert reply.usage.total_tokens == 8
    sent = bedrock.bodies[-1]
    assert sent["system"] == [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}]
    assert sent["messages"][1]["content"][1]["toolUse"]["input"] == {"at": 1}


def test_the_event_stream_is_read_as_botocore_reads_it(bedrock, client):
    stream = client.chat.completions.create(
        model="claude", messages=[{"role": "user", "content": "hi"}], stream=True, stream_options={"include_usage": True}
    )
    text, calls, usage, finish = "", {}, None, None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                known = calls.setdefault(call.index, ["", ""])
                known[0] += call.function.name or ""
                known[1] += call.function.arguments or ""
    facts = bedrock.recording["facts"]
    assert bedrock.wrong == []
    assert text == facts["text"]
    assert [(name, json.loads(arguments)) for name, arguments in calls.values()] == [
        (it["name"], it["args_json"]) for it in facts["tools"]
    ]
    assert finish == "tool_calls"
    assert (usage.prompt_tokens, usage.completion_tokens) == (facts["usage"]["inputTokens"], facts["usage"]["outputTokens"])
