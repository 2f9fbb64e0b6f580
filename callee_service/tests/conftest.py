"""Tests of callee without Dapr: the service in this process, and stand-ins for its sidecar."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from main import create_app
from settings import Settings

SERVICE = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _only_the_settings_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def serve() -> Iterator[Callable[..., TestClient]]:
    """Makes a client of a service with these settings."""
    with ExitStack() as running:

        def start(**settings: object) -> TestClient:
            app = create_app(Settings(_env_file=None, **settings))
            return running.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    """A service with its fault switches on."""
    return serve(faults_enabled=True)


@contextmanager
def stand_in_sidecar(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server that answers every GET with `status`; yields its port and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server.server_port, asked
        server.shutdown()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(script: str, **environment: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Runs `script` as a process of its own, waits until it listens, and yields it with its port."""
    port = free_port()
    variables = {**os.environ, "APP_PORT": str(port), **{name: str(value) for name, value in environment.items()}}
    command = [sys.executable, script]
    running = subprocess.Popen(
        command, cwd=SERVICE, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        deadline = time.monotonic() + 20
        while not _listens(port):
            assert running.poll() is None, running.stdout.read()
            assert time.monotonic() < deadline, f"{script} does not listen"
            time.sleep(0.02)
        yield running, port
    finally:
        running.kill()
        running.communicate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
