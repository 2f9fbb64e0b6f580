"""A real HTTP server that speaks the OpenAI chat-completions protocol, with answers that a test lays down."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class ModelServer:
    """Its answers (status, body, headers) in order, the last one repeatedly, and the requests that it got."""

    base_url: str = ""
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list[Any])
    asked: list[dict[str, Any]] = field(default_factory=list[Any])
    headers: list[dict[str, str]] = field(default_factory=list[Any])
    hang: threading.Event | None = None
    # Runs before each answer.
    before: Callable[[], object] = lambda: None

    def will_say(self, text: str) -> None:
        """Answer the next request with a text."""
        self._completion({"role": "assistant", "content": text}, "stop")

    def will_call(self, name: str, arguments: str = "{}") -> None:
        """Answer the next request with the call of a tool."""
        function = {"name": name, "arguments": arguments}
        call = {"id": f"call-{len(self.answers)}", "type": "function", "function": function}
        self._completion({"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")

    def will_fail(self, status: int, body: Any = None, **headers: str) -> None:
        """Answer the next request with an error, or with a body that breaks the protocol."""
        dashed = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, {"error": {"message": "no"}} if body is None else body, dashed))

    def _completion(self, message: dict[str, Any], reason: str) -> None:
        body = {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "test-model",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        self.answers.append((200, body, {}))


@contextmanager
def running_model(port: int = 0) -> Generator[ModelServer]:
    """Run a model server, on a free port unless one is given."""
    model = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions", self.path
            model.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            model.headers.append({name.lower(): value for name, value in self.headers.items()})
            model.before()
            if model.hang:
                model.hang.wait(60)
            status, body, headers = model.answers.pop(0) if len(model.answers) > 1 else model.answers[0]
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            with suppress(ConnectionError):  # the caller may have given up
                self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        model.base_url = f"http://127.0.0.1:{server.server_port}/v1"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield model
        finally:
            if model.hang:
                model.hang.set()
            server.shutdown()
