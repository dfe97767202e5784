"""A provider over a real socket that answers each call with what a test has laid down for it, in order."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import tidegate

KEY = "sk-scripted-0123456789"
CONFIG = """
endpoints:
  - name: claude
    endpoint_type: llm/v1/chat
    model:
      provider: anthropic
      name: claude-1
      config: {{anthropic_api_key: $SCRIPTED_KEY, anthropic_api_base: "{url}/v1"}}
  - name: gpt
    endpoint_type: llm/v1/chat
    model:
      provider: openai
      name: gpt-1
      config: {{openai_api_key: $SCRIPTED_KEY, openai_api_base: "{url}/v1"}}
  - name: llama
    endpoint_type: llm/v1/chat
    model: {{provider: vllm, name: llama-1, config: {{api_base: "{url}/v1"}}}}
"""


@dataclass
class Seen:
    path: str
    headers: dict[str, str]
    body: dict


class ScriptedUpstream:
    """Serves on a free port until closed; `seen` holds what came in."""

    def __init__(self) -> None:
        self.replies: deque[tuple[int, dict[str, str], bytes]] = deque()
        self.seen: list[Seen] = []
        self.served = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"upstream": self}))
        self.served.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.served.server_port}"
        threading.Thread(target=self.served.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.served.shutdown()
        self.served.server_close()

    def will(self, body: dict, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.replies.append((status, {"content-type": "application/json"} | (headers or {}), json.dumps(body).encode()))

    def will_stream(self, *events: dict | str, named: bool = False) -> None:
        """Events, as OpenAI's chats write them or named by their type; the stream is over when they are."""
        lines = []
        for event in events:
            if named:
                lines.append(f"event: {event['type']}\n")
            lines.append(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
        self.replies.append((200, {"content-type": "text/event-stream"}, "".join(lines).encode()))


class Handler(BaseHTTPRequestHandler):
    upstream: ScriptedUpstream
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.upstream.seen.append(Seen(self.path, headers, body))
        status, headers, content = self.upstream.replies.popleft()
        self.send_response(status)
        for name, value in (headers | {"content-length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_DELETE = do_POST

    def log_message(self, *_) -> None:
        pass


def start(upstream: ScriptedUpstream, folder: Path, more: str = "") -> tidegate.Server:
    """A gateway whose endpoints, those of `more` among them, lead to the upstream."""
    path = folder / "gateway.yaml"
    path.write_text((CONFIG.rstrip() + more).format(url=upstream.url))
    return tidegate.Server.start("gateway", "--config", path, env={"SCRIPTED_KEY": KEY})


def chunk(delta: dict, finish: str | None = None, **more) -> dict:
    """A chunk of a chat of OpenAI's."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [choice]} | more


def chat_reply(message: dict, finish: str = "stop") -> dict:
    choice = {"index": 0, "message": {"role": "assistant", "content": None} | message, "finish_reason": finish}
    usage = {"prompt_tokens": 11, "completion_tokens": 8, "total_tokens": 19, "prompt_tokens_details": {"cached_tokens": 4}}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-1", "choices": [choice], "usage": usage}


def tool_call(name: str, arguments: str, index: int = 0) -> dict:
    call = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"tool_calls": [call]}
