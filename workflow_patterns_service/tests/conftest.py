"""Tests of workflow-patterns without Dapr: the service and its worker, beside the kit's stand-ins.

The workflows run in the SDK's own worker, so steps, retries, timers and events are the real ones. The repository's
tests show the same on the real runtime.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kit.fakes.engine import Engine
from kit.fakes.sidecar import Sidecar, running_sidecar
from kit.fakes.waiting import eventually

pytest_plugins = ["kit.fakes.service"]
SERVICE = Path(__file__).parent.parent
Runs = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return the workflow engine of the sidecar. Only `pass_time` moves its clock."""
    return Engine()


@pytest.fixture(scope="session")
def sidecar_of_the_session(engine: Engine) -> Iterator[Sidecar]:
    """Run one stand-in sidecar for all tests."""
    with running_sidecar(engine.add_to) as running:
        running.connected_workers = engine.connected
        yield running


@pytest.fixture
def sidecar(sidecar_of_the_session: Sidecar, engine: Engine) -> Sidecar:
    """Return a healthy sidecar that holds nothing, with task-api behind it."""
    sidecar_of_the_session.reset()
    sidecar_of_the_session.connected_workers = engine.connected
    engine.reset()
    engine.other_apps["task-api", "quote_car"] = lambda car: {"car": car["city"], "price": 49 * car["days"]}
    engine.other_apps["task-api", "book_car"] = lambda car: {"booking": f"car-{car['city']}", "price": 49}
    return sidecar_of_the_session


@pytest.fixture
def defaults(sidecar: Sidecar) -> dict[str, Any]:
    """Return the settings of each service: beside the sidecar."""
    return dict(sidecar.ports)


@pytest.fixture
def start(client: TestClient) -> Callable[..., str]:
    """Return a function that starts a run whose steps take no time, and returns its id."""

    def start(pattern: str, **fields: Any) -> str:
        answer = client.post(f"/patterns/{pattern}", json={"seconds": 0, **fields})
        assert answer.status_code == 202, answer.text
        return answer.json()["instance_id"]

    return start


@pytest.fixture
def show(client: TestClient) -> Runs:
    """Return a function that shows a run."""
    return lambda run: client.get(f"/patterns/{run}").json()


@pytest.fixture
def end_of(show: Runs) -> Runs:
    """Return a function that waits for a run's end, and returns it."""
    return lambda run: eventually(lambda: (shown := show(run))["status"] in ("completed", "failed") and shown)


@pytest.fixture
def waiting(show: Runs) -> Runs:
    """Return a function that waits until a run has this note, and returns it."""
    return lambda run, note: eventually(lambda: (shown := show(run))["note"] == note and shown)
