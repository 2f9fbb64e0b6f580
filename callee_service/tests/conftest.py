"""Fixtures of callee's tests, which need no Dapr: the service in this process, or as a process."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(script: str, **environment: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `script` as a process, wait until it listens, and yield it with its port."""
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
