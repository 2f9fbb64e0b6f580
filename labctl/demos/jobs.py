"""./lab demo jobs: jobs that fire, fail, are retried, and outlive the app and the scheduler."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console

from labctl import runfile
from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import Stack
from labctl.terminal import chapter
from labctl.up import control, infrastructure, secure

APP = "scheduler-test-py"
_LOOK_EVERY = 0.2  # seconds
_PATIENCE = 60  # seconds for each wait; the longest is 22 s, for a killed scheduler


class Story:
    """The story of the scheduler app."""

    def __init__(self, stack: Stack, apps: list[App], console: Console, _auto: bool) -> None:
        self.stack, self.console = stack, console
        # The scheduler of the user's own `dapr init` is not killed for a demo.
        self.may_kill_scheduler = any(one.name == "scheduler" and one.ours for one in infrastructure.look(stack))
        self.app = runfile.find(apps, APP).url
        # In a secure stack the fault switches want the token that the sidecar shows.
        self.http = httpx.Client(base_url=self.app, timeout=10, headers=secure.header(stack, APP))
        self.names: list[str] = []
        self.killed: list[str] = []

    def play(self) -> None:
        """Play the story to its end."""
        begin = time.monotonic()
        chapter(
            self.console, "a job every 2 s, 3 times", 'POST /schedule-job/… {"schedule": "@every 2s", "repeats": 3}'
        )
        self._follow(self._schedule(schedule="@every 2s", repeats=3), 3)

        chapter(self.console, "its callback fails twice", "Without a policy the scheduler retries 3 times, 1 s apart.")
        self.http.put("/faults", json={"fail_next": 2}).raise_for_status()
        self._follow(self._schedule(due_time="1s"), 3)

        chapter(
            self.console,
            "the app is dead when its job is due",
            "kill -9, as ./lab kill does. Nothing fires at a dead app:",
        )
        name = self._schedule(due_time="2s")
        self._kill(APP)
        self._wait(f"{name} is due, and waits for the app", time.monotonic() + 4)
        self._restart(APP)
        self._follow(name, 1)

        if self.may_kill_scheduler:
            chapter(
                self.console,
                "the scheduler is killed",
                "kill -9. Its jobs are on disk; the old lease expires after some 20 s.",
            )
            name = self._schedule(schedule="@every 1s", repeats=None)
            self._follow(name, 2)
            self._kill("scheduler")
            self._restart("scheduler")
            self._follow(name, 2, after=len(self._runs(name)))
        self.console.print(f"\nThat took {time.monotonic() - begin:.0f} s. Each run is kept: curl {self.app}/runs")

    def tidy(self) -> None:
        """Leave the lab as it was found, also after Ctrl-C or an error."""
        for name in list(self.killed):
            self._restart(name)
        with suppress(httpx.HTTPError):
            self.http.delete("/faults")
            for name in self.names:
                self.http.delete(f"/delete-job/{name}")
        self.http.close()

    def _schedule(self, **order: Any) -> str:
        name = f"demo-{uuid4().hex[:6]}"
        self.http.post(f"/schedule-job/{name}", json=order).raise_for_status()
        self.names.append(name)
        return name

    def _kill(self, name: str) -> None:
        control.kill(self.stack, name)
        self.killed.append(name)

    def _restart(self, name: str) -> None:
        with self.console.status(f"./lab restart {name}"):
            seconds = control.restart(self.stack, name)
        self.killed.remove(name)
        self.console.print(f"{name} is back after {seconds:.1f} s.")

    def _wait(self, text: str, until: float) -> None:
        with self.console.status(text):
            while time.monotonic() < until:
                time.sleep(_LOOK_EVERY)
        self.console.print(f"{text}.")

    def _runs(self, name: str) -> list[dict[str, Any]]:
        answer = self.http.get(f"/runs/{name}", params={"limit": 200}).raise_for_status()
        return answer.json()["runs"][::-1]

    def _follow(self, name: str, count: int, *, after: int = 0) -> None:
        """Show the next `count` runs of the job as they happen. after: number of runs to leave out."""
        seen, begin = 0, time.monotonic()
        with self.console.status(f"{name} fires"):
            while seen < count:
                seconds = time.monotonic() - begin
                if seconds > _PATIENCE:
                    raise LabError(f"Job {name} did not fire within {_PATIENCE} s. See ./lab logs {APP} --sidecar.")
                for run in self._runs(name)[after + seen : after + count]:
                    self.console.print(f"{seconds:4.1f} s  {_line(run)}")
                    seen += 1
                time.sleep(_LOOK_EVERY)


def _line(run: dict[str, Any]) -> str:
    colour = "green" if run["outcome"] == "succeeded" else "red"
    late = f"  {run['lateness_ms']:,.0f} ms late" if run["lateness_ms"] is not None else ""
    return f"{run['job_name']}  attempt {run['attempt']}  [{colour}]{run['outcome']}[/]{late}"
