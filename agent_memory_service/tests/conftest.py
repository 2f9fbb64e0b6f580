"""Fixtures of agent-memory's tests, which need no Dapr: the service in this process, beside a stand-in sidecar."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kit.fakes.sidecar import Sidecar
from kit.sidecar.secrets import user_hash
from main import create_app
from settings import Settings

pytest_plugins = ["kit.fakes.service", "kit.fakes.beside"]
SERVICE = Path(__file__).parent.parent
KEY = "test-key"
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


# The tests' client would log each request, at the level that the service logs at.
logging.getLogger("httpx2").setLevel("WARNING")


@pytest.fixture
def sidecar(sidecar: Sidecar) -> Sidecar:
    """Return a healthy stand-in sidecar that holds nothing but the key for user hashes."""
    sidecar.secrets["secretstore"]["USER_HASH_KEY"] = KEY
    return sidecar


class Service(TestClient):
    """A running service, and the words of its stories."""

    sidecar: Sidecar

    def deliver(self, *events: dict[str, Any]) -> Any:
        """Deliver events as Dapr does, and return the last answer."""
        for event in events:
            answer = self.post("/events/conversations", json=cloud_event(event))
        return answer

    def fire(self, prefix: str) -> None:
        """Call the jobs with this prefix, as Dapr does when they are due."""
        for name in [name for name in self.sidecar.jobs if name.startswith(prefix)]:
            del self.sidecar.jobs[name]
            assert self.post(f"/job/{name}", json=None).json() == {"status": "done"}

    def forget(self, user_id: str) -> None:
        """Forget a user to the end."""
        assert self.delete(f"/memories/{user_id}").status_code == 202
        self.fire("forget-")

    def just_before(self, method: str, key: str, act: Callable[[], object]) -> None:
        """Let something happen once, before the sidecar carries out such a call."""

        def once(called: str, about: str) -> None:
            if called == method and about.startswith(key):
                self.sidecar.before = lambda *_: None
                act()

        self.sidecar.before = once

    def is_summarized(self, user_id: str = "ada") -> bool:
        """Check whether the user's summary has every turn."""
        return not self.sidecar.value(f"memory:{hash_of(user_id)}")["due"]


@pytest.fixture
def serve(sidecar: Sidecar) -> Iterator[Callable[..., Service]]:
    """Return a function that starts a service with these settings beside the sidecar, without waits."""
    quick = {"summary_delay_seconds": 0.0, "sidecar_timeout_seconds": 20.0}
    with ExitStack() as open_ones:

        def start(**settings: Any) -> Service:
            app = create_app(Settings(_env_file=None, **(sidecar.ports | quick | settings)))
            client = Service(app, "http://localhost", raise_server_exceptions=False)
            client.sidecar = sidecar
            return open_ones.enter_context(client)

        yield start


def turn(number: int, user_id: str = "ada", session_id: str = "s-1", **fields: Any) -> dict[str, Any]:
    """Return the data of the event of turn `number`, a second after the one before."""
    return {
        "user_id": user_id,
        "session_id": session_id,
        "event_type": "ConversationUpdated",
        "user_message": f"question {number}",
        "assistant_reply": f"answer {number}",
        "message_id": f"m-{number}",
        "timestamp": (START + timedelta(seconds=number)).isoformat(),
    } | fields


def cloud_event(data: Any, **fields: Any) -> dict[str, Any]:
    """Return an event as Dapr delivers it."""
    event_id = data.get("message_id", "e-1") if isinstance(data, dict) else "e-1"
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "chat-service",
        "type": "ConversationUpdated",
        "datacontenttype": "application/json",
        "pubsubname": "pubsub",
        "topic": "conversations",
        "data": data,
    } | fields


def hash_of(user_id: str) -> str:
    """Return the hash that stands for a user in the tests' keys."""
    return user_hash(KEY, user_id)
