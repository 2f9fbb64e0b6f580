"""Fixtures: the service in this process, beside a stand-in for its sidecar."""

from typing import Any

import pytest

from kit.fakes.sidecar import Sidecar

pytest_plugins = ["kit.fakes.service", "kit.fakes.beside"]


@pytest.fixture
def defaults(sidecar: Sidecar) -> dict[str, Any]:
    """Return the settings of a service beside the sidecar."""
    return sidecar.ports
