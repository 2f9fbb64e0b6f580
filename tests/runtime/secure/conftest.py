"""All labs in secure mode, and how a test knocks at their doors."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from labctl import runfile
from labctl.runfile import App
from labctl.stack import TEST_OFFSET, Stack
from labctl.up import lifecycle, processes, secure
from tests.runtime.conftest import ConsoleProcess

STACK = Stack("secure", TEST_OFFSET, secure=True)
FASTER = Path(__file__).parent / "fewer_retries"


@dataclass(frozen=True)
class Secure:
    """The running labs. Requests go to the ports of the plan, as docs/secure.md names them."""

    apps: list[App]
    http: httpx.Client

    def token(self, port: int, app_id: str) -> str:
        """Return the token of an app that a port wants: its sidecar's, or its own."""
        sidecars = {app.http_port - TEST_OFFSET for app in self.apps}
        return secure.tokens(STACK, app_id)["DAPR_API_TOKEN" if port in sidecars else "APP_API_TOKEN"]

    def ask(self, method: str, port: int, path: str, token_of: str = "", **more: Any) -> httpx.Response:
        """Return the answer to a request with this app's token, or without one."""
        headers = {"dapr-api-token": self.token(port, token_of)} if token_of else {}
        headers |= more.pop("headers", {})
        # The address of an app in a path, which a sidecar would call.
        path = re.sub(r"(?<=127\.0\.0\.1:)80\d\d", lambda found: str(int(found[0]) + TEST_OFFSET), path)
        return self.http.request(method, f"http://127.0.0.1:{port + TEST_OFFSET}{path}", headers=headers, **more)

    def raw(self, port: int, path: str, token_of: str) -> tuple[int, bytes]:
        """Return status and body of a GET whose path is sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", port + TEST_OFFSET, timeout=30)
        try:
            connection.request("GET", path, headers={"dapr-api-token": self.token(port, token_of)})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answer_to(self, method: str, port: int, path: str, token_of: str) -> str:
        """Return the answer to a request as docs/secure.md says it."""
        if method == "CONNECT":
            # Every address of 127/8 is this machine's, but only a port that is open on all interfaces answers there.
            return "open" if processes.answers(port + TEST_OFFSET, "127.0.0.2") else "closed"
        if method == "PING":
            with socket.create_connection(("127.0.0.1", port + TEST_OFFSET), timeout=5) as redis:
                redis.sendall(b"PING\r\n")
                return redis.recv(99).decode().split()[0].lstrip("-+")
        try:
            # The engine reads a body as protobuf: an empty one is an empty event.
            body = {} if method == "GET" or "/actors/" in path else {"json": {}}
            said = self.ask(method, port, path, token_of, **body)
        except httpx.TransportError:
            return "closed"
        return "denied" if "access denied by workflow access policy" in said.text else str(said.status_code)


@pytest.fixture(scope="module")
def labs(console_of_the_session: ConsoleProcess) -> Iterator[Secure]:
    """All labs in secure mode."""
    # No secure stack starts while a console without a token could show it. The next test with a console restarts it.
    console_of_the_session.stop()
    for name in ("test", "secure"):
        lifecycle.down(Stack(name, TEST_OFFSET))
    shutil.rmtree(STACK.state, ignore_errors=True)
    apps = runfile.read_apps(STACK)
    # A denied call is retried: three times 5 s with the policy of lab 1.
    lifecycle.up(STACK, apps, Console(stderr=True), resources=[FASTER])
    try:
        with httpx.Client(timeout=30, trust_env=False) as http:
            yield Secure(apps, http)
    finally:
        lifecycle.down(STACK)
    assert processes.find(STACK) == []
