"""Tests of caller without Dapr: the service in this process, and a stand-in for its sidecar with callee behind it.

The stand-in treats paths as the real one does. That the real one accepts these calls is shown by the repository's tests
against the Dapr runtime.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import normpath
from typing import Any
from urllib.parse import unquote

import grpc
import pytest

from kit.fakes.sidecar import Invocation, Sidecar, running_sidecar
from protos.greeter_pb2 import GreetReply
from protos.greeter_pb2_grpc import GreeterServicer, add_GreeterServicer_to_server

pytest_plugins = ["kit.fakes.service", "kit.fakes.beside"]
SERVICE = Path(__file__).parent.parent


@dataclass
class Callee(GreeterServicer):
    """callee and the Greeter; their answers can be changed, and the calls (path or name, headers) can be read."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=lambda: {"X-Attempt": "1"})
    grpc_error: tuple[grpc.StatusCode, str] | None = None
    grpc_trailers: tuple[tuple[str, str], ...] = (("x-attempt", "1"),)
    delay: threading.Event | None = None
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def answer(self, call: Invocation) -> tuple[int, bytes, dict[str, str]]:
        """Answer over HTTP."""
        self._arrived(call.path, call.headers)
        greeting = {"message": f"Hello, {greeted_name(call.path)} from callee-app!"} if self.body is None else {}
        return self.status, json.dumps(greeting).encode() if self.body is None else self.body, self.headers

    def Greet(self, request: Any, context: Any) -> Any:
        self._arrived(request.name, dict(context.invocation_metadata()))
        context.set_trailing_metadata(self.grpc_trailers)
        if self.grpc_error:
            context.abort(*self.grpc_error)
        return GreetReply(message=f"Hello, {request.name} from callee-grpc-app!")

    def _arrived(self, path: str, headers: dict[str, str]) -> None:
        self.calls.append((path, headers))
        if self.delay:
            self.delay.wait(5)


def greeted_name(path: str) -> str:
    """Return the name that callee gets when a request for this path of callee arrives at Dapr."""
    once_decoded = unquote(path)
    assert not set(once_decoded) & set("?#")
    assert once_decoded.isprintable()
    method = normpath(once_decoded)
    assert method.count("/") == 2, f"not a path of callee's greet route: {method}"
    return unquote(method.removeprefix("/greet/"), errors="strict")


CALLEE = Callee()


@pytest.fixture(scope="session")
def sidecar_of_the_session() -> Iterator[Sidecar]:
    """Run one stand-in sidecar with the Greeter behind it for all tests."""
    with running_sidecar(lambda server: add_GreeterServicer_to_server(CALLEE, server)) as running:
        yield running


@pytest.fixture
def callee(sidecar: Sidecar) -> Iterator[Callee]:
    """A healthy callee, for this test alone."""
    vars(CALLEE).update(vars(Callee()))
    sidecar.apps = dict.fromkeys(("callee-app", "other-app"), CALLEE.answer)
    yield CALLEE
    if CALLEE.delay:
        CALLEE.delay.set()


@pytest.fixture
def defaults(sidecar: Sidecar, callee: Callee) -> dict[str, Any]:
    """Return the settings of a service beside the stand-in sidecar."""
    return sidecar.ports
