"""Fixtures: the service in this process, beside a stand-in for its sidecar."""

from collections.abc import Iterator

import pytest

from kit.fakes.engine import Engine
from kit.fakes.sidecar import Sidecar, running_sidecar

pytest_plugins = ["kit.fakes.service", "kit.fakes.pizza"]


@pytest.fixture
def engine() -> Engine:
    """Return the workflow engine of the stand-in sidecar."""
    return Engine()


@pytest.fixture
def sidecar(engine: Engine) -> Iterator[Sidecar]:
    """Run a stand-in sidecar with an empty store and a workflow engine."""
    with running_sidecar(engine.add_to) as running:
        running.connected_workers = lambda: engine.connected()
        yield running
