"""Fixtures: the service in this process, beside a stand-in for its sidecar."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kit.fakes.engine import Engine
from kit.fakes.sidecar import Sidecar, running_sidecar

pytest_plugins = ["kit.fakes.service"]
SERVICE = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return the workflow engine of the stand-in sidecar."""
    return Engine()


@pytest.fixture(scope="session")
def sidecar_of_the_session(engine: Engine) -> Iterator[Sidecar]:
    """Run one stand-in sidecar with a workflow engine for all tests."""
    with running_sidecar(engine.add_to) as running:
        yield running


@pytest.fixture
def sidecar(sidecar_of_the_session: Sidecar) -> Iterator[Sidecar]:
    """Return a healthy stand-in sidecar that holds nothing, for this test alone."""
    sidecar_of_the_session.reset()
    yield sidecar_of_the_session
    sidecar_of_the_session.reset()


@pytest.fixture
def defaults(sidecar: Sidecar) -> dict[str, Any]:
    """Return the settings of a service beside the sidecar."""
    return sidecar.ports


@pytest.fixture
def task(client: TestClient) -> dict[str, Any]:
    """Create a task."""
    return client.post("/tasks", json={"title": "Buy milk"}).json()


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    """Return the body of an answer that must be a problem of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()
