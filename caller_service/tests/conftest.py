"""Tests of caller without Dapr: the service in this process, and a stand-in for its sidecar that notes what arrives.

The stand-in treats paths as the real one does. That the real one accepts these calls is shown by the repository's tests
against the Dapr runtime.
"""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from posixpath import normpath
from typing import Any
from urllib.parse import unquote

import grpc
import pytest
from fastapi.testclient import TestClient

from protos.greeter_pb2 import GreetReply
from protos.greeter_pb2_grpc import GreeterServicer, add_GreeterServicer_to_server

pytest_plugins = ["kit.fakes.service"]
SERVICE = Path(__file__).parent.parent


@dataclass
class Sidecar:
    """A stand-in for the sidecar with callee behind it; its answers can be changed, and what arrived can be read."""

    http_port: int = 0
    grpc_port: int = 0
    ready: bool = True
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=lambda: {"X-Attempt": "1"})
    delay: threading.Event | None = None
    arrived: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    grpc_error: tuple[grpc.StatusCode, str] | None = None
    grpc_trailers: tuple[tuple[str, str], ...] = (("x-attempt", "1"),)

    def reset(self) -> None:
        """Back to the answers of a healthy sidecar, with nothing arrived yet."""
        if self.delay:
            self.delay.set()
        vars(self).update(vars(Sidecar(self.http_port, self.grpc_port)))

    @property
    def ports(self) -> dict[str, int]:
        """The settings of a service beside it."""
        return {"dapr_http_port": self.http_port, "dapr_grpc_port": self.grpc_port}

    @property
    def calls(self) -> list[tuple[str, dict[str, str]]]:
        """The paths and headers of the invocations, without the questions for the sidecar's health."""
        return [(path, headers) for path, headers in self.arrived if "healthz/outbound" not in path]


def greeted_name(path: str, headers: dict[str, str]) -> str:
    """Return the name that callee gets when this request arrives at Dapr."""
    once_decoded = unquote(path)
    if "dapr-app-id" not in headers:
        assert once_decoded.startswith("/v1.0/invoke/callee-app/method/")
        once_decoded = once_decoded.removeprefix("/v1.0/invoke/callee-app/method")
    assert not set(once_decoded) & set("?#")
    assert once_decoded.isprintable()
    method = normpath(once_decoded)
    assert method.count("/") == 2, f"not a path of callee's greet route: {method}"
    return unquote(method.removeprefix("/greet/"), errors="strict")


def _http_handler(sidecar: Sidecar) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            sidecar.arrived.append((self.path, headers))
            if self.path == "/v1.0/healthz/outbound":
                self._answer(204 if sidecar.ready else 500, b"", {})
                return
            if sidecar.delay:
                sidecar.delay.wait(5)
            body = sidecar.body
            if body is None:
                body = json.dumps({"message": f"Hello, {greeted_name(self.path, headers)} from callee-app!"}).encode()
            self._answer(sidecar.status, body, sidecar.headers)

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # the caller may have given up, as a test of time limits has it
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Greeter(GreeterServicer):
    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    def Greet(self, request: Any, context: Any) -> Any:
        self._sidecar.arrived.append((request.name, dict(context.invocation_metadata())))
        context.set_trailing_metadata(self._sidecar.grpc_trailers)
        if self._sidecar.delay:
            self._sidecar.delay.wait(5)
        if self._sidecar.grpc_error:
            context.abort(*self._sidecar.grpc_error)
        return GreetReply(message=f"Hello, {request.name} from callee-grpc-app!")


@contextmanager
def running_sidecar() -> Iterator[Sidecar]:
    """Run a stand-in sidecar that listens on free ports."""
    sidecar = Sidecar()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _http_handler(sidecar))
    http.daemon_threads = True
    sidecar.http_port = http.server_port
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    rpc = grpc.server(ThreadPoolExecutor(4))
    add_GreeterServicer_to_server(_Greeter(sidecar), rpc)
    sidecar.grpc_port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    yield sidecar
    sidecar.reset()
    rpc.stop(None).wait()
    http.shutdown()
    http.server_close()


@pytest.fixture(scope="session")
def _sidecar_of_the_session() -> Iterator[Sidecar]:
    with running_sidecar() as running:
        yield running


@pytest.fixture
def sidecar(_sidecar_of_the_session: Sidecar) -> Iterator[Sidecar]:
    """A healthy stand-in sidecar, for this test alone."""
    _sidecar_of_the_session.reset()
    yield _sidecar_of_the_session
    _sidecar_of_the_session.reset()


@pytest.fixture
def client(serve: Callable[..., TestClient], sidecar: Sidecar) -> TestClient:
    """Return the client of a service beside the stand-in sidecar."""
    return serve(**sidecar.ports)
