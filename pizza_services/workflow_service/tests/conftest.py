"""Tests of pizza-workflow without Dapr: the whole service and its worker, beside a stand-in for its sidecar.

The stand-in speaks gRPC and HTTP. It has a workflow engine, a state store with ETags, a topic and jobs (kit/fakes). The
other four pizza services are behind its invoke API (other_services.py). The repository's tests on the Dapr runtime show
that the real ones behave alike.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
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
CUSTOMER = {"name": "Ada Lovelace", "address": "12 St James's Square", "phone": "+44 20 7946 0000"}
PIZZA: dict[str, Any] = {"order_id": "123", "pizza_type": "pepperoni", "size": "large"}
ORDER: dict[str, Any] = {**PIZZA, "customer": CUSTOMER}
# The workflows of that order.
WORKFLOW, COMPENSATION = "pizza-order-123", "pizza-undo-123"
JOB = "watch-123"


class Sidecar:
    """The stand-in sidecar with all that is behind it, and its faults."""

    def __init__(self, engine: Engine, dapr: fakes.Sidecar) -> None:
        self.engine, self.dapr, self.peers = engine, dapr, Peers(dapr)
        # While it is not set, publishing waits.
        self.publishes = threading.Event()
        self.reset()

    def reset(self) -> None:
        """Return to a sidecar that was asked nothing yet, with the four services behind it."""
        self.publishes.set()
        self.engine.reset()
        self.dapr.reset()
        self.peers.reset()
        self.engine.connect_other_app("pizza-kitchen", "quality_check", self.peers.quality_check)
        # The number of calls of a gRPC method that fail, and of writes whose answer is lost.
        self.failing: Counter[str] = Counter()
        self.lose_answers = 0
        # Runs before a call of this gRPC method.
        self.at: dict[str, Callable[[], object]] = {}
        self.dapr.connected_workers = self.engine.connected
        self.dapr.before, self.dapr.refuse, self.dapr.lose = self._before, self._refuse, self._lose

    @property
    def claim(self) -> dict[str, Any]:
        """The order's claim."""
        return self.dapr.value("start_123")

    @property
    def waiting(self) -> dict[str, Any]:
        """The record of the order's pizza that waits for a verdict."""
        return self.dapr.value("validation_123")

    def change_claim(self, **changes: Any) -> None:
        """Write the claim past the service."""
        self.dapr.put("start_123", self.claim | changes, STORE)

    def published(self) -> list[dict[str, Any]]:
        """Return the CloudEvents on the topic `orders`."""
        assert {(one.topic, one.pubsub) for one in self.dapr.published} <= {("orders", "pizzapubsub")}
        return [one.event for one in self.dapr.published]

    def events(self) -> list[dict[str, Any]]:
        """Return the data of the events, each once, in the order of their sequence."""
        once = {event["id"]: event["data"] for event in self.published()}
        return sorted(once.values(), key=lambda data: data["sequence"])

    def final_event(self) -> dict[str, Any]:
        """Return the data of the last event as soon as it is final."""
        return eventually(lambda: (last := self.events()[-1])["final"] and last)

    def let_pass(self, seconds: float, instance_id: str = WORKFLOW) -> None:
        """Move a workflow's last turn back by that time."""
        self.engine.instances[instance_id].created -= timedelta(seconds=seconds)

    def _before(self, method: str, _: str) -> None:
        if method == "PublishEvent":
            self.publishes.wait(5)
        self.at.get(method, lambda: None)()

    def _refuse(self, method: str, _: str) -> tuple[grpc.StatusCode, str] | None:
        if not self.failing[method]:
            return None
        self.failing[method] -= 1
        return grpc.StatusCode.INTERNAL, f"{method} failed"

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
        sidecar = Sidecar(engine, dapr)
        yield sidecar
        sidecar.peers.release()


@pytest.fixture
def sidecar(_sidecar_of_the_session: Sidecar, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sidecar]:
    """Return a healthy stand-in sidecar, for this test alone."""
    # Otherwise each read of a lost instance takes 2 s.
    monkeypatch.setattr("kit.engine.instances.LOST_AFTER_READS", 3)
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
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
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


class Customer:
    """Order pizzas, and follow them."""

    def __init__(self, client: TestClient, peers: Peers, order_id: str = "123") -> None:
        self.client, self.peers, self.order_id = client, peers, order_id

    def post(self, route: str, **more: Any) -> Any:
        """POST `{"order_id", …}`."""
        return self.client.post(route, json={"order_id": self.order_id, **more})

    def order(self) -> None:
        """Start the order."""
        answer = self.client.post("/start-order", json={**ORDER, "order_id": self.order_id})
        assert answer.status_code == 202, answer.text

    def order_and_wait(self) -> dict[str, Any]:
        """Start the order, and return its state as soon as its pizza waits for a verdict."""
        self.order()
        return self.until("pending_validation")

    def order_and_hold(self, method: str) -> None:
        """Start the order, and let it stay in this call of a service until `peers.release`."""
        self.peers.hold(method)
        if method == "deliver":
            self.order_and_wait()
            self.decide()
        else:
            self.order()
        eventually(lambda: method in self.peers.asked())

    def decide(self, approved: bool = True) -> None:
        """Approve or reject the pizza."""
        answer = self.post("/validate-pizza", approved=approved)
        assert answer.status_code == 202, answer.text

    def be_delivered(self) -> dict[str, Any]:
        """Start the order, approve its pizza, and return the order's state at its end."""
        self.order_and_wait()
        self.decide()
        return self.until_ended()

    def cancel(self, **more: Any) -> None:
        """Cancel the order."""
        answer = self.post("/cancel-order", **more)
        assert answer.status_code == 202, answer.text

    def pause(self) -> None:
        """Pause the order, and wait until it is paused."""
        assert self.post("/pause-order").status_code == 202
        eventually(lambda: self.state()["paused"])

    def be_checked(self) -> None:
        """Let the watchdog check the order, as Dapr does when its job is due."""
        answer = self.client.post(f"/job/watch-{self.order_id}", json=self.order_id)
        assert answer.status_code == 200, answer.text

    def state(self) -> dict[str, Any]:
        """GET /orders/{order_id}."""
        answer = self.client.get(f"/orders/{self.order_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, status: str, attempt: int = 1) -> dict[str, Any]:
        """Return the order's state as soon as it has this status for this pizza."""
        return eventually(lambda: (found := self.state())["status"] == status and found["attempt"] == attempt and found)

    def until_ended(self) -> dict[str, Any]:
        """Return the order's state as soon as it has ended. Its failed workflow may have a result before that."""
        return eventually(lambda: "final_status" in (found := self.state()).get("result", {}) and found)

    def statuses(self) -> list[str]:
        """Return the statuses that the order has had."""
        return [entry["status"] for entry in self.state()["timeline"]]


@pytest.fixture
def ada(client: TestClient, sidecar: Sidecar) -> Customer:
    """Return a customer."""
    return Customer(client, sidecar.peers)
