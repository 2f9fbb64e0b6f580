"""Fixtures for tests beside a stand-in sidecar. A service's conftest.py names this module in `pytest_plugins`."""

from collections.abc import Iterator

import pytest

from kit.fakes.sidecar import Sidecar, running_sidecar


@pytest.fixture(scope="session")
def sidecar_of_the_session() -> Iterator[Sidecar]:
    """Run one stand-in sidecar for all tests."""
    with running_sidecar() as running:
        yield running


@pytest.fixture
def sidecar(sidecar_of_the_session: Sidecar) -> Iterator[Sidecar]:
    """Return a healthy stand-in sidecar that holds nothing, for this test alone."""
    sidecar_of_the_session.reset()
    yield sidecar_of_the_session
    sidecar_of_the_session.reset()
