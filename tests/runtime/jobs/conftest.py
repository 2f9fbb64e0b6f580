"""Lab 2 as its tests talk to it: jobs are scheduled, and what the app recorded of them is counted."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from labctl.up.processes import wait_until
from tests.runtime.conftest import Running

APP = "scheduler-test-py"


class Jobs(Running):
    """The running lab."""

    def schedule(self, name: str | None = None, **order: Any) -> str:
        """Schedule a job and return its name, which no other test has."""
        name = name or f"job-{uuid4().hex[:12]}"
        answer = self.ask(name, **order)
        assert answer.status_code == 200, answer.text
        return name

    def ask(self, name: str, **order: Any) -> httpx.Response:
        """Return the answer to a request for a job."""
        return self.http.post(self.url(APP, f"/schedule-job/{name}"), json=order)

    def exists(self, name: str) -> bool:
        """Return whether the scheduler still has the job. Asked of the sidecar, so that the app may be down."""
        return self.http.get(self.sidecar(APP, f"/v1.0/jobs/{name}")).status_code == 200

    def delete(self, name: str) -> httpx.Response:
        """Delete a job."""
        return self.http.delete(self.url(APP, f"/delete-job/{name}"))

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Return the runs of a job as the app recorded them, oldest first."""
        answer = self.http.get(self.url(APP, f"/runs/{name}"), params={"limit": 200})
        assert answer.status_code == 200, answer.text
        return answer.json()["runs"][::-1]

    def wait_for_runs(self, name: str, count: int, timeout: float = 20) -> list[dict[str, Any]]:
        """Wait until there are `count` runs of the job, and return them."""
        assert wait_until(lambda: len(self.runs(name)) >= count, timeout), self.runs(name)
        return self.runs(name)

    def assert_no_more_runs(self, name: str, count: int, seconds: float = 3) -> None:
        """Check that there are `count` runs, and that no other follows for that long."""
        assert not wait_until(lambda: len(self.runs(name)) != count, seconds), self.runs(name)

    def faults(self, **switches: int) -> None:
        """Set the app's fault switches."""
        self.http.put(self.url(APP, "/faults"), json=switches).raise_for_status()


@pytest.fixture
def lab(lab: Running) -> Jobs:
    return Jobs(lab.stack, lab.apps, lab.http)
