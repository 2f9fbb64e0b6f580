"""Lab 6 as its tests talk to it: runs are started and shown, and the deeds of their activities are counted."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from labctl.up.processes import wait_until
from tests.runtime.conftest import RETURNS_WITHIN, Running

APP, OTHER_APP = "workflow-patterns", "task-api"
SOON, AFTER_A_KILL = 20, 40 + RETURNS_WITHIN


class Patterns(Running):
    """The running lab."""

    def start(self, pattern: str, **fields: Any) -> str:
        """Start a run and return its id, which no other test has."""
        answer = self.ask(pattern, instance_id=f"{pattern}-{uuid4().hex[:12]}", **fields)
        assert answer.status_code == 202, answer.text
        return answer.json()["instance_id"]

    def ask(self, pattern: str, **fields: Any) -> httpx.Response:
        """Return the answer to a start."""
        return self.http.post(self.url(APP, f"/patterns/{pattern}"), json=fields)

    def show(self, run: str) -> dict[str, Any]:
        """Return a run."""
        answer = self.http.get(self.url(APP, f"/patterns/{run}"))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def raise_event(self, run: str, event: str, **data: Any) -> httpx.Response:
        """Return the answer to an event for a run."""
        return self.http.post(self.url(APP, f"/patterns/{run}/events/{event}"), json=data)

    def why_dead(self, run: str) -> list[str]:
        """Return the reasons of the dead letters about a run."""
        letters = self.http.get(self.url(APP, "/dead-letters"), params={"limit": 100}).json()["dead_letters"]
        return [letter["reason"] for letter in letters if f'"instance_id": "{run}"' in json.dumps(letter["event"])]

    def publish(self, **data: Any) -> None:
        """Publish a decision about an expense."""
        self.http.post(self.sidecar(APP, "/v1.0/publish/taskpubsub/expenses"), json=data).raise_for_status()

    def wait_for_note(self, run: str, note: str) -> None:
        """Wait until the workflow says that it is there."""
        assert wait_until(lambda: self.show(run)["note"] == note, SOON), self.show(run)

    def end_of(self, run: str, timeout: float = SOON) -> dict[str, Any]:
        """Wait until the run has ended, and return it."""
        assert wait_until(lambda: self.show(run)["status"] in ("completed", "failed"), timeout), self.show(run)
        return self.show(run)


@pytest.fixture
def lab(lab: Running) -> Patterns:
    return Patterns(lab.stack, lab.apps, lab.http)
