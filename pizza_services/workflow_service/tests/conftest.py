"""Tests of pizza-workflow without Dapr: the whole service, its worker too, beside a stand-in for its sidecar.

The stand-in speaks gRPC and HTTP: a workflow engine (engine.py), a state store with ETags and a topic (dapr_api.py),
and the other four pizza services behind its invoke API (peers_stand_in.py). That the real ones behave alike is shown by
the repository's tests against the Dapr runtime.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from dapr.ext.workflow._durabletask.internal.orchestrator_service_pb2_grpc import (
    add_TaskHubSidecarServiceServicer_to_server,
)
from dapr.proto.runtime.v1.dapr_pb2_grpc import add_DaprServicer_to_server
from dapr_api import DaprApi
from engine import Engine
from fastapi.testclient import TestClient
from peers_stand_in import PeersStandIn

from main import create_app
from settings import Settings

SERVICE = Path(__file__).parent.parent
WITHIN = 10  # seconds; what is waited for takes some milliseconds


@pytest.fixture(autouse=True, scope="session")
def _only_the_settings_of_the_tests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in Settings.model_fields:
            environment.delenv(name.upper(), raising=False)
        yield


def eventually(find: Callable[[], Any]) -> Any:
    """What `find` returns, as soon as that is true."""
    deadline = time.monotonic() + WITHIN
    while not (found := find()):
        assert time.monotonic() < deadline, f"still {found!r}"
        time.sleep(0.005)
    return found


@dataclass
class Sidecar:
    """A stand-in for the sidecar and all that is behind it."""

    engine: Engine
    dapr: DaprApi
    peers: PeersStandIn
    grpc_port: int

    def reset(self) -> None:
        """A sidecar that nobody has asked for anything yet, with the four services behind it."""
        self.engine.reset()
        self.dapr.reset()
        self.peers.reset()
        self.engine.connect_other_app("pizza-kitchen", "quality_check", self.peers.quality_check)


@pytest.fixture(scope="session")
def _sidecar_of_the_session() -> Iterator[Sidecar]:
    engine, dapr = Engine(), DaprApi()
    rpc = grpc.server(ThreadPoolExecutor(64))
    add_TaskHubSidecarServiceServicer_to_server(engine, rpc)
    add_DaprServicer_to_server(dapr, rpc)
    port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    with PeersStandIn.running(engine) as peers:
        yield Sidecar(engine, dapr, peers, port)
    rpc.stop(None).wait()


@pytest.fixture
def sidecar(_sidecar_of_the_session: Sidecar) -> Iterator[Sidecar]:
    """A healthy stand-in sidecar, for this test alone."""
    _sidecar_of_the_session.reset()
    yield _sidecar_of_the_session
    assert _sidecar_of_the_session.peers.breaches == [], "what was asked of a service is not in its contract"
    _sidecar_of_the_session.reset()
    eventually(_sidecar_of_the_session.engine.is_idle)


@contextmanager
def serving(sidecar: Sidecar, **settings: object) -> Iterator[TestClient]:
    """A client of a service with these settings beside the stand-in, whose worker is connected."""
    ports = {"dapr_http_port": sidecar.peers.port, "dapr_grpc_port": sidecar.grpc_port}
    workers = sidecar.engine.connected()
    app = create_app(Settings(_env_file=None, **{**ports, **settings}))
    with TestClient(app, raise_server_exceptions=False) as client:
        if "dapr_grpc_port" not in settings:
            eventually(lambda: sidecar.engine.connected() > workers)
        yield client


@pytest.fixture
def serve(sidecar: Sidecar) -> Iterator[Callable[..., TestClient]]:
    """Makes a client of a service with these settings beside the stand-in; its worker gets all work from then on."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(serving(sidecar, **settings))


@pytest.fixture(scope="session")
def _client_of_the_session(_sidecar_of_the_session: Sidecar) -> Iterator[TestClient]:
    # To connect and disconnect a worker takes longer than most of the tests.
    _sidecar_of_the_session.reset()
    with serving(_sidecar_of_the_session) as client:
        yield client


@pytest.fixture
def client(sidecar: Sidecar, _client_of_the_session: TestClient) -> TestClient:
    """A service beside the stand-in sidecar, for this test alone but for its connections."""
    return _client_of_the_session


ORDER: dict[str, Any] = {
    "order_id": "123",
    "pizza_type": "pepperoni",
    "size": "large",
    "customer": {"name": "Ada Lovelace", "address": "12 St James's Square", "phone": "+44 20 7946 0000"},
}


@dataclass
class Customer:
    """Orders pizzas, and watches what becomes of them."""

    client: TestClient
    order_id: str = "123"

    def post(self, route: str, **more: Any) -> Any:
        """POSTs `{"order_id", …}`."""
        return self.client.post(route, json={"order_id": self.order_id, **more})

    def order(self) -> None:
        """Starts the order."""
        answer = self.client.post("/start-order", json={**ORDER, "order_id": self.order_id})
        assert answer.status_code == 202, answer.text

    def state(self) -> dict[str, Any]:
        """GET /orders/{order_id}."""
        answer = self.client.get(f"/orders/{self.order_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, status: str, attempt: int = 1) -> dict[str, Any]:
        """The order's state, as soon as it has this status for this pizza."""
        return eventually(lambda: (found := self.state())["status"] == status and found["attempt"] == attempt and found)

    def until_ended(self) -> dict[str, Any]:
        """The order's state, as soon as it has ended."""
        return eventually(lambda: "result" in (found := self.state()) and found)

    def statuses(self) -> list[str]:
        """The statuses that the order has had."""
        return [moment["status"] for moment in self.state()["timeline"]]


@pytest.fixture
def ada(client: TestClient) -> Customer:
    """A customer."""
    return Customer(client)
