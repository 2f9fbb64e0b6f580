"""Tests without Dapr: the service in this process or in one of its own, beside a stand-in for its sidecar."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from engine_stand_in import Engine
from fastapi.testclient import TestClient
from sidecar_stand_in import Sidecar, running_sidecar

from main import create_app
from settings import Settings

SERVICE = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _only_the_settings_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def engine() -> Engine:
    """The stand-in sidecar's workflow engine."""
    return Engine()


@pytest.fixture
def sidecar(engine: Engine) -> Iterator[Sidecar]:
    """A healthy stand-in sidecar with an empty state store."""
    with running_sidecar(engine.add_to) as running:
        running.connected_workers = lambda: engine.connected
        yield running


@pytest.fixture
def serve(sidecar: Sidecar) -> Iterator[Callable[..., TestClient]]:
    """Makes a client of a service beside the stand-in sidecar; each call is another replica."""
    with ExitStack() as running:

        def start(**settings: object) -> TestClient:
            ports = {"dapr_http_port": sidecar.http_port, "dapr_grpc_port": sidecar.grpc_port}
            app = create_app(Settings(_env_file=None, **{**ports, "step_seconds": 0, **settings}))
            return running.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    """A service with its fault switches on, whose steps take no time."""
    return serve(faults_enabled=True)


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
