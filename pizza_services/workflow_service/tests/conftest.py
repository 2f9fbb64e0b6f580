"""Tests of pizza-workflow without Dapr: the whole service and its worker, beside a stand-in for its sidecar.

The stand-in speaks gRPC and HTTP. It has a workflow engine, a state store with ETags, a topic and jobs (kit/fakes). The
other four pizza services are behind its invoke API (other_services.py). The repository's tests on the Dapr runtime show
that the real ones behave alike.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from fastapi.testclient import TestClient
from other_services import Peers

from kit.fakes import sidecar as fakes
from kit.fakes.engine import Engine
from kit.fakes.waiting import eventually
from main import create_app
from settings import Settings

pytest_plugins = ["kit.fakes.service"]
SERVICE = Path(__file__).parent.parent
STORE = "pizzastatestore"
LOST = grpc.StatusCode.INTERNAL, "the connection to Redis was lost"


@dataclass
class Sidecar:
    """The stand-in sidecar with all that is behind it, and its faults."""

    engine: Engine
    dapr: fakes.Sidecar
    peers: Peers
    fail_publishing: int = 0
    fail_jobs: bool = False
    lose_answers: int = 0
    # Runs before a call of this gRPC method.
    at: dict[str, Callable[[], None]] = field(default_factory=dict)
    # While it is not set, publishing waits.
    publishes: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Return to a sidecar that was asked nothing yet, with the four services behind it."""
        self.publishes.set()
        self.engine.reset()
        self.peers.reset()
        self.engine.connect_other_app("pizza-kitchen", "quality_check", self.peers.quality_check)
        dapr = self.dapr
        dapr.values, dapr.published, dapr.jobs, dapr.calls, dapr.invoked = {}, [], {}, [], []
        dapr.tokens, dapr.looks, dapr.shutdowns, dapr.at_shutdown = set(), 0, 0, lambda: None
        dapr.ready, dapr.is_placed, dapr.is_down = True, True, False
        dapr.connected_workers, dapr.before, dapr.refuse, dapr.lose = (
            self.engine.connected, self._before, self._refuse, self._lose,
        )  # fmt: skip
        self.fail_publishing, self.fail_jobs, self.lose_answers, self.at = 0, False, 0, {}

    def document(self, key: str) -> dict[str, Any]:
        """Return the JSON document under a key."""
        return json.loads(self.dapr.values[STORE, key].data)

    def write(self, key: str, document: dict[str, Any]) -> None:
        """Replace the document under a key."""
        version = self.dapr.values[STORE, key].version if (STORE, key) in self.dapr.values else 1
        self.dapr.values[STORE, key] = fakes.Value(json.dumps(document).encode(), version, None, True)

    def published(self) -> list[dict[str, Any]]:
        """Return the CloudEvents on the topic `orders`."""
        assert {(one.topic, one.pubsub) for one in self.dapr.published} <= {("orders", "pizzapubsub")}
        return [one.event for one in self.dapr.published]

    def events(self) -> list[dict[str, Any]]:
        """Return the data of the events, each once, in the order of their sequence."""
        once = {event["id"]: event["data"] for event in self.published()}
        return sorted(once.values(), key=lambda data: data["sequence"])

    def headers(self, name: str) -> set[str]:
        """Return the values of a header of the invocations."""
        return {call.headers[name] for call in self.dapr.invoked if name in call.headers}

    def _before(self, method: str, _: str) -> None:
        if method == "PublishEvent":
            self.publishes.wait(5)
        self.at.get(method, lambda: None)()

    def _refuse(self, method: str, _: str) -> tuple[grpc.StatusCode, str] | None:
        if method == "PublishEvent" and self.fail_publishing:
            self.fail_publishing -= 1
            return grpc.StatusCode.INTERNAL, "error when publishing"
        if method.endswith("Job") and self.fail_jobs:
            return grpc.StatusCode.INTERNAL, "failed to reach the scheduler"
        return None

    def _lose(self, method: str, key: str) -> tuple[grpc.StatusCode, str] | None:
        # What is left when Redis dies before it answers, and the sidecar retries: its own write is in the way.
        if method != "SaveState" or not self.lose_answers:
            return None
        self.lose_answers -= 1
        first = self.dapr.values[STORE, key].version == 1
        return (grpc.StatusCode.INTERNAL if first else grpc.StatusCode.ABORTED), "failed saving state"


@pytest.fixture(scope="session")
def _sidecar_of_the_session() -> Iterator[Sidecar]:
    engine = Engine()
    with fakes.running_sidecar(engine.add_to) as dapr:
        sidecar = Sidecar(engine, dapr, Peers(dapr))
        sidecar.reset()
        yield sidecar
        sidecar.peers.release()


@pytest.fixture
def sidecar(_sidecar_of_the_session: Sidecar) -> Iterator[Sidecar]:
    """Return a healthy stand-in sidecar, for this test alone."""
    _sidecar_of_the_session.reset()
    yield _sidecar_of_the_session
    assert _sidecar_of_the_session.peers.breaches == [], "a call of a service breaks its contract"
    _sidecar_of_the_session.reset()
    eventually(_sidecar_of_the_session.engine.is_idle)


@contextmanager
def serving(sidecar: Sidecar, **settings: object) -> Iterator[TestClient]:
    """Serve the app with these settings beside the stand-in, with a connected worker."""
    workers = sidecar.engine.connected()
    app = create_app(Settings(_env_file=None, **(sidecar.dapr.ports | settings)))
    with TestClient(app, raise_server_exceptions=False) as client:
        if "dapr_grpc_port" not in settings:
            eventually(lambda: sidecar.engine.connected() > workers)
        yield client


@pytest.fixture
def serve(sidecar: Sidecar) -> Iterator[Callable[..., TestClient]]:
    """Return a function that serves the app with these settings. Its worker gets all work items from then on."""
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
    """Return the client of a service beside the stand-in sidecar."""
    return _client_of_the_session


CUSTOMER = {"name": "Ada Lovelace", "address": "12 St James's Square", "phone": "+44 20 7946 0000"}
PIZZA: dict[str, Any] = {"order_id": "123", "pizza_type": "pepperoni", "size": "large"}
ORDER: dict[str, Any] = {**PIZZA, "customer": CUSTOMER}


@dataclass
class Customer:
    """Order pizzas, and follow them."""

    client: TestClient
    order_id: str = "123"

    def post(self, route: str, **more: Any) -> Any:
        """POST `{"order_id", …}`."""
        return self.client.post(route, json={"order_id": self.order_id, **more})

    def order(self) -> None:
        """Start the order."""
        answer = self.client.post("/start-order", json={**ORDER, "order_id": self.order_id})
        assert answer.status_code == 202, answer.text

    def state(self) -> dict[str, Any]:
        """GET /orders/{order_id}."""
        answer = self.client.get(f"/orders/{self.order_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, status: str, attempt: int = 1) -> dict[str, Any]:
        """Return the order's state as soon as it has this status for this pizza."""
        return eventually(lambda: (found := self.state())["status"] == status and found["attempt"] == attempt and found)

    def until_ended(self) -> dict[str, Any]:
        """Return the order's state as soon as it has ended."""
        return eventually(lambda: "result" in (found := self.state()) and found)

    def statuses(self) -> list[str]:
        """Return the statuses that the order has had."""
        return [entry["status"] for entry in self.state()["timeline"]]


@pytest.fixture
def ada(client: TestClient) -> Customer:
    """Return a customer."""
    return Customer(client)
