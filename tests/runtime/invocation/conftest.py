"""Lab 1 as its tests talk to it: calls by caller, calls through a sidecar, and what callee itself counted."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from labctl.up.processes import wait_until
from tests.runtime.conftest import Running


class Invocation(Running):
    """The running lab."""

    def call(self, path: str, **params: str) -> httpx.Response:
        """Send a request to caller-app, with a new request id."""
        return self.http.get(self.url("caller-app", path), params=params, headers={"x-request-id": str(uuid4())})

    def invoke(self, through: str, path: str, request_id: str | None = None) -> httpx.Response:
        """Send a request to callee-app through the sidecar of `through`."""
        headers = {"x-request-id": request_id or str(uuid4())}
        return self.http.get(self.sidecar(through, f"/v1.0/invoke/callee-app/method{path}"), headers=headers)

    def faults(self, **switches: int) -> None:
        """Set callee's fault switches."""
        self.http.put(self.url("callee-app", "/faults"), json=switches).raise_for_status()

    def calls(self) -> int:
        """Return how many greetings callee was asked for since its start."""
        return self.http.get(self.url("callee-app", "/faults")).json()["calls"]

    def attempts(self, request_id: str) -> int:
        """Return how often callee saw that request."""
        answer = self.http.get(self.url("callee-app", f"/faults/attempts/{request_id}"))
        return 0 if answer.status_code == 404 else answer.json()["attempts"]


@pytest.fixture
def lab(lab: Running) -> Invocation:
    """The lab, after each of its sidecars has reached callee.

    The first call after a restart may use the dead connection from before: an attempt that callee does not see.
    """
    running = Invocation(lab.stack, lab.apps, lab.http)
    for through in (app.app_id for app in running.apps if app.app_id.startswith("caller-")):
        assert wait_until(lambda name=through: running.invoke(name, "/greet/Ada").status_code == 200, 15), through
    return running
