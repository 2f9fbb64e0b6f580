"""The cluster for tests: started once, and stopped with all that is in it. Measured figures are printed at the end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from labctl.make.cluster import EVERY
from labctl.up import processes
from tests.kubernetes import objects
from tests.kubernetes.cluster import STACK, Cluster

Overlay = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    missing = [programs.folder.name for programs in EVERY if not programs.are_made()]
    assert missing == [], "./lab test kubernetes builds them first"
    made = Cluster()
    try:
        made.start()
        yield made
    finally:
        processes.stop(STACK)


@pytest.fixture(scope="session")
def applied(cluster: Cluster) -> Overlay:
    """Return a context manager that applies an overlay, and deletes all of it at the end."""

    @contextmanager
    def apply(name: str) -> Generator[None]:
        folder = f"kubernetes/overlays/{name}"
        cluster.apply(objects.ATTACHMENTS)
        done = cluster.kubectl("apply", "--server-side", "-k", folder)
        assert (done.returncode, done.stderr) == (0, "")
        try:
            yield
        finally:
            done = cluster.kubectl("delete", "-k", folder, "--timeout=240s")
            assert done.returncode == 0, done.stderr
            cluster.kubectl("delete", "persistentvolume", "attachments")

    return apply


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the first test wait for the start of the cluster, with the 5 minutes that Helm waits for Dapr."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
