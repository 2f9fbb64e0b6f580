"""Fixtures: the service in this process, beside a stand-in for its sidecar."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kit.fakes.sidecar import Sidecar
from kit.fakes.waiting import process

pytest_plugins = ["kit.fakes.service", "kit.fakes.beside"]
SERVICE = Path(__file__).parent.parent


@pytest.fixture
def defaults(sidecar: Sidecar) -> dict[str, Any]:
    """Return the settings of a service beside the sidecar."""
    return sidecar.ports


@pytest.fixture
def replicas(sidecar: Sidecar) -> Iterator[list[httpx2.Client]]:
    """Return the clients of two processes of the service, each with its own event loop and gRPC poller."""
    ports = {name.upper(): port for name, port in sidecar.ports.items()}
    with (
        process(SERVICE, **ports) as (_, one),
        process(SERVICE, **ports) as (_, other),
        httpx2.Client(base_url=f"http://127.0.0.1:{one}") as first,
        httpx2.Client(base_url=f"http://127.0.0.1:{other}") as second,
    ):
        yield [first, second]
