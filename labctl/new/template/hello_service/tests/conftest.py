"""Tests of hello without Dapr: the service in this process, beside the kit's stand-in of the sidecar."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.fakes.engine import Engine
from kit.fakes.sidecar import Sidecar, running_sidecar

pytest_plugins = ["kit.fakes.service"]
SERVICE = Path(__file__).parent.parent


@pytest.fixture
def engine() -> Engine:
    """Return the workflow engine of the sidecar. Only `engine.pass_time` moves its clock."""
    return Engine()


@pytest.fixture
def sidecar(engine: Engine) -> Iterator[Sidecar]:
    """Run a healthy stand-in sidecar with a callee-app behind it, for this test alone."""
    with running_sidecar(engine.add_to) as running:
        running.connected_workers = engine.connected
        running.apps["callee-app"] = lambda call: (200, {"message": f"Hello, {call.path.rpartition('/')[2]}!"})
        yield running


@pytest.fixture
def defaults(sidecar: Sidecar) -> dict[str, Any]:
    """Return the settings of each service: beside the stand-in."""
    return sidecar.ports
