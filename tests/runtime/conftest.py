"""The real runtime for tests: one site, brought up once a session, 10000 above the ports that a user runs on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from rich.console import Console

from labctl import infrastructure, lifecycle, processes, runfile
from labctl.runfile import App
from labctl.site import TEST_OFFSET, Site

HERE = Path(__file__).parent
SITE = Site("test", TEST_OFFSET)


@dataclass(frozen=True)
class Running:
    """A site that runs, and how a test talks to what is in it."""

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

    def call(self, path: str, **params: str) -> httpx.Response:
        """A request to caller-app, with a request id of its own."""
        return self.http.get(self.url("caller-app", path), params=params, headers={"x-request-id": str(uuid4())})

    def invoke(self, through: str, path: str, request_id: str | None = None) -> httpx.Response:
        """A request to callee-app through the sidecar of `through`."""
        headers = {"x-request-id": request_id or str(uuid4())}
        return self.http.get(self.sidecar(through, f"/v1.0/invoke/callee-app/method{path}"), headers=headers)

    def faults(self, **switches: int) -> None:
        """Sets callee's fault switches."""
        self.http.put(self.url("callee-app", "/faults"), json=switches).raise_for_status()

    def attempts(self, request_id: str) -> int:
        """How many times callee itself saw that request."""
        answer = self.http.get(self.url("callee-app", f"/faults/attempts/{request_id}"))
        return 0 if answer.status_code == 404 else answer.json()["attempts"]


def callers(site: Site) -> list[App]:
    return runfile.read_apps(site, HERE / "invocation" / "callers.yaml")


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    apps = [*runfile.select(runfile.read_apps(SITE), ["invocation"]), *callers(SITE)]
    with httpx.Client(timeout=60) as http:
        yield Running(SITE, apps, http)
    lifecycle.down(SITE)
    assert processes.find(SITE) == []
    held = [port for app in apps for port in app.ports.values() if processes.answers(port)]
    assert held == []


@pytest.fixture
def lab(running: Running) -> Iterator[Running]:
    """The running site with all of it alive and no fault set, before and after each test."""
    heal(running)
    yield running
    heal(running)


def heal(running: Running) -> None:
    living = {(one.kind, one.name) for one in processes.find(running.site)}
    below = {("infrastructure", name) for name in infrastructure.names(running.site)}
    callers = {("sidecar", app.app_id) for app in running.apps if not app.app_port}
    if not below | callers <= living:
        # First use, or a test that needed the ports for a site of its own took this one down.
        lifecycle.down(SITE)
        resources = [HERE / "invocation" / "resources"]
        lifecycle.up(SITE, running.apps, Console(stderr=True), resources=resources)
        return
    for app in running.apps:
        if app.app_port and not {("app", app.app_id), ("sidecar", app.app_id)} <= living:
            lifecycle.restart(running.site, app.app_id)
    running.http.delete(running.url("callee-app", "/faults")).raise_for_status()


@pytest.fixture
def no_other_site() -> None:
    """For tests that bring up a site of their own on the same ports: the shared one is down meanwhile."""
    lifecycle.down(SITE)
