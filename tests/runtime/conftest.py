"""The real runtime for tests: one site for all labs, 10000 above the ports that a user runs on.

A lab's apps come up when its first test asks for them, and stay. Beside them run those of `<lab>/beside.yaml`; the
files in every `<lab>/resources/` stand in for the components of the same name.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from labctl import infrastructure, lifecycle, processes, runfile
from labctl.processes import wait_until
from labctl.runfile import App
from labctl.site import TEST_OFFSET, Site
from tests.runtime.resp import Redis

HERE = Path(__file__).parent
SITE = Site("test", TEST_OFFSET)
CONSOLE = Console(stderr=True)
# After a kill -9 of the scheduler, workflows and jobs wait some 22 s for its old leadership lease.
WELL_AGAIN_WITHIN = 45


@dataclass(frozen=True)
class Running:
    """A lab that runs, and how a test talks to what is in it."""

    site: Site
    apps: list[App]
    http: httpx.Client

    def app(self, app_id: str) -> App:
        return runfile.find(self.apps, app_id)

    def pid(self, app_id: str, kind: str = "app") -> int:
        return next(one.pid for one in processes.find(self.site) if one.name == app_id and one.kind == kind)

    def url(self, app_id: str, path: str) -> str:
        return f"http://127.0.0.1:{self.app(app_id).app_port}{path}"

    def sidecar(self, app_id: str, path: str) -> str:
        return f"http://127.0.0.1:{self.app(app_id).http_port}{path}"

    @property
    def redis(self) -> Redis:
        """The Redis below Dapr."""
        return Redis(self.site.ports["redis"])

    def with_settings(self, app_id: str, **environment: str) -> App:
        """The app as dapr.yaml starts it, with other settings."""
        app = self.app(app_id)
        return replace(app, entry=app.entry | {"env": app.entry["env"] | environment})

    @contextmanager
    def otherwise(self, *others: App, resources: Sequence[Path] | None = None) -> Iterator[None]:
        """These apps, each in place of the one of its id, and beside other components; afterwards as they were."""
        try:
            for other in others:
                lifecycle.restart(self.site, other.app_id, app=other, resources=resources)
            yield
        finally:
            for other in others:
                lifecycle.restart(self.site, other.app_id, app=self.app(other.app_id))


def apps_of(lab: str) -> list[App]:
    """The lab's apps, and those that only its tests need."""
    beside = HERE / lab / "beside.yaml"
    more = runfile.read_apps(SITE, beside) if beside.exists() else []
    return [*runfile.select(runfile.read_apps(SITE), [lab]), *more]


@pytest.fixture(scope="session")
def site_of_the_session() -> Iterator[httpx.Client]:
    # What an earlier run left, perhaps of another version of the components, is no part of this one.
    lifecycle.down(SITE)
    shutil.rmtree(SITE.state, ignore_errors=True)
    with httpx.Client(timeout=60) as http:
        yield http
    lifecycle.down(SITE)
    assert processes.find(SITE) == []
    apps = [app for lab in runfile.labs(runfile.read_apps(SITE)) for app in apps_of(lab)]
    assert [port for app in apps for port in app.ports.values() if processes.answers(port)] == []


@pytest.fixture
def lab(request: pytest.FixtureRequest, site_of_the_session: httpx.Client) -> Iterator[Running]:
    """The lab of the test's mark with all of it alive and no fault set, before and after the test."""
    mark = request.node.get_closest_marker("lab")
    assert mark, "the test says which lab it belongs to"
    running = Running(SITE, apps_of(mark.args[0]), site_of_the_session)
    heal(running, mark.args[0])
    yield running
    heal(running, mark.args[0])


def heal(running: Running, name: str) -> None:
    living = {(one.kind, one.name, one.port) for one in processes.find(SITE)}
    below = [one for one in infrastructure.names(SITE) if ("infrastructure", one, None) not in living]
    if len(below) == len(infrastructure.names(SITE)):
        # First use, or a test that needed the ports for a site of its own took this one down.
        lifecycle.down(SITE)
        resources = sorted(HERE.glob("*/resources"))
        lifecycle.up(SITE, running.apps, CONSOLE, resources=resources)
        return
    for missing in below:
        lifecycle.restart(SITE, missing)
    if all(processes_of(app).isdisjoint(living) for app in running.apps):
        lifecycle.add(SITE, running.apps, name)
    else:
        for app in running.apps:
            if not processes_of(app) <= living:
                lifecycle.restart(SITE, app.app_id, app=app)
    for app in running.apps:
        if app.entry["env"].get("FAULTS_ENABLED") == "true" and app.protocol == "http":
            running.http.delete(f"http://127.0.0.1:{app.app_port}/faults").raise_for_status()
    assert wait_until(lambda: all(lifecycle.is_ready(app) for app in running.apps), WELL_AGAIN_WITHIN)


def processes_of(app: App) -> set[tuple[str, str, int | None]]:
    """Kind, name and port of what runs when the app does."""
    sidecar = ("sidecar", app.app_id, app.http_port)
    return {sidecar, ("app", app.app_id, app.app_port)} if app.app_port else {sidecar}


@pytest.fixture
def no_other_site() -> None:
    """For tests that bring up a site of their own on the same ports: the shared one is down meanwhile."""
    lifecycle.down(SITE)
