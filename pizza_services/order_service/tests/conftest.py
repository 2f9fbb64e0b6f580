"""Fixtures: the service in this process, beside a stand-in for its sidecar."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kit.fakes.sidecar import Sidecar, running_sidecar
from main import create_app
from settings import Settings

SERVICE = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _only_the_settings_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def sidecar() -> Iterator[Sidecar]:
    """Run a stand-in sidecar with an empty store."""
    with running_sidecar() as running:
        yield running


@pytest.fixture
def serve(sidecar: Sidecar) -> Iterator[Callable[..., TestClient]]:
    """Return a function that starts the service with these settings; each call is another replica."""
    with ExitStack() as running:

        def start(**settings: object) -> TestClient:
            ports = {"dapr_http_port": sidecar.http_port, "dapr_grpc_port": sidecar.grpc_port}
            app = create_app(Settings(_env_file=None, **{**ports, **settings}))
            return running.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    """Return the client of a service."""
    return serve()
