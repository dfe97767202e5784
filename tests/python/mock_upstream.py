"""A stand-in for a paid model API over a real socket: it speaks OpenAI's and Anthropic's protocols and does as told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What a test asks for by the model's name; any other name gets ANSWER.
LIMITED = "always-limited"  # 429 with Retry-After
ENDLESS = "endless"  # a stream that never ends by itself
SLOW = "slow"  # a stream that halts after its first word until `go_on` is set
BROKEN = "broken-json"  # 200 with a body that is no JSON

ANSWER = "The tide comes in twice a day."
WORDS = ["The", " tide", " comes", " in", " twice", " a", " day", "."]
USAGE = {"prompt_tokens": 11, "completion_tokens": 8, "total_tokens": 19}
KEY = "sk-test-0123456789-do-not-log"


class MockUpstream:
    """Serves on a free port until closed. `requests` holds what came in; `hung_up` is set when a client left."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict, dict]] = []
        self.hung_up = threading.Event()
        self.go_on = threading.Event()
        self.served = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"upstream": self}))
        self.served.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.served.server_port}"
        threading.Thread(target=self.served.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.served.shutdown()
        self.served.server_close()


class Handler(BaseHTTPRequestHandler):
    upstream: MockUpstream
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.upstream.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
        model = body.get("model")
        if model == LIMITED:
            error = {"message": "Rate limit reached for mock", "type": "requests", "code": "rate_limit_exceeded"}
            return self.reply({"error": error | {"param": None}}, 429, {"retry-after": "7"})
        if model == BROKEN:
            return self.reply_bytes(b"<html>gateway timeout</html>", 200, {"content-type": "application/json"})
        if self.path.endswith("/chat/completions"):
            return self.stream(body) if body.get("stream") else self.reply(chat_reply(model))
        if self.path.endswith("/completions"):
            return self.reply(completion_reply(model))
        if self.path.endswith("/embeddings"):
            return self.reply(embedding_reply(body))
        if self.path.endswith("/messages"):
            return self.reply(anthropic_reply(model))
        return self.reply({"error": {"message": f"no route {self.path}", "type": "invalid_request_error"}}, 404)

    def stream(self, body: dict) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            self.event(chunk(body["model"], {"role": "assistant", "content": ""}))
            while True:
                for word in WORDS:
                    self.event(chunk(body["model"], {"content": word}))
                    if body["model"] == SLOW:
                        self.upstream.go_on.wait(60)
                if body["model"] != ENDLESS:
                    break
                if self.left():
                    self.upstream.hung_up.set()
                    return
            self.event(chunk(body["model"], {}, "stop"))
            if (body.get("stream_options") or {}).get("include_usage"):
                self.event(chunk(body["model"], None) | {"choices": [], "usage": USAGE})
            self.chunk_of(b"data: [DONE]\n\n")
            self.chunk_of(b"")
        except OSError:
            self.upstream.hung_up.set()
            self.close_connection = True

    def left(self) -> bool:
        """Waits a moment for the client to close, so that the endless stream neither spins nor floods."""
        self.connection.settimeout(0.02)
        try:
            return self.connection.recv(1) == b""
        except TimeoutError:
            return False
        finally:
            self.connection.settimeout(None)

    def event(self, data: dict) -> None:
        self.chunk_of(f"data: {json.dumps(data)}\n\n".encode())

    def chunk_of(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def reply(self, body: dict, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.reply_bytes(json.dumps(body).encode(), status, {"content-type": "application/json"} | (headers or {}))

    def reply_bytes(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"content-length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


def chat_reply(model: str) -> dict:
    message = {"role": "assistant", "content": ANSWER}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]} | {
        "usage": USAGE,
        "x_vendor": {"kept": True},
    }


def completion_reply(model: str) -> dict:
    choice = {"index": 0, "text": ANSWER, "finish_reason": "stop", "logprobs": None}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": model, "choices": [choice]} | {
        "usage": USAGE
    }


def embedding_reply(body: dict) -> dict:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [{"object": "embedding", "index": index, "embedding": [0.5, -0.25, index]} for index in range(len(texts))]
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    return {"object": "list", "model": body["model"], "data": data, "usage": usage}


def anthropic_reply(model: str) -> dict:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 8},
    }


def chunk(model: str, delta: dict | None, finish: str | None = None) -> dict:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}
