"""./lab bench invocation --plot: when Dapr calls a failing app again, under each policy of lab 1.

    | panel | policy of components/resiliency.yaml | what callee does |
    |---|---|---|
    | constant | `myRetryPolicy` | fails |
    | exponential | `exponentialRetry` in its place for callee-app | fails |
    | breaker | `myRetryPolicy` and `calleeBreaker` | fails ten times, and is healthy after that |

The times are those at which callee counted each call.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from labctl import runfile
from labctl.bench import svg
from labctl.bench.svg import Dot
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.stack import ROOT, Stack
from labctl.up import control, lifecycle

FILE = "attempts.svg"
TO_THE_BREAKER, ALWAYS = 10, 100  # failures in a row

_LOOK_EVERY = 0.01  # seconds between two looks at callee's count
_ASK_EVERY = 2.0  # seconds between two calls while the breaker is open
_PATIENCE = 90  # seconds


@dataclass(frozen=True)
class Attempt:
    """A call of callee: seconds since the first one, and `failed`, `succeeded` or, by the breaker, `refused`."""

    at: float
    outcome: str


@dataclass(frozen=True)
class Panel:
    """The attempts under one policy, in order."""

    title: str
    attempts: list[Attempt]


def measure(stack: Stack, console: Console) -> str:
    """Measure the attempts under each policy on the lab's own services, and return the picture."""
    steps = Steps(console)
    apps = runfile.select(runfile.read_apps(stack), ["invocation"])
    lifecycle.up(stack, apps, console)
    with httpx.Client(timeout=_PATIENCE) as http:
        calls = Calls(http, *(runfile.find(apps, name).url for name in ("callee-app", "caller-app")))
        with steps.step("constant pauses"):
            panels = [Panel("constant: a pause of 5 s", calls.record(ALWAYS))]
        control.restart(stack, "caller-app", sidecar=True, resources=[_exponential(stack)])
        with steps.step("exponential pauses"):
            panels.append(Panel("exponential: pauses that grow by half", calls.record(ALWAYS)))
        # A new sidecar has a closed breaker.
        control.restart(stack, "caller-app", sidecar=True)
        with steps.step("circuit breaker"):
            outcomes = calls.record(TO_THE_BREAKER, until_healthy=True)
        panels.append(Panel("breaker: open for 10 s after ten failures in a row", outcomes))
    return draw(panels)


def _exponential(stack: Stack) -> Path:
    """Write components/resiliency.yaml with the exponential policy for callee-app, and return its folder."""
    text = (ROOT / "components" / "resiliency.yaml").read_text()
    changed = text.replace("retry: myRetryPolicy", "retry: exponentialRetry")
    assert changed != text, "components/resiliency.yaml has no `retry: myRetryPolicy` any more"
    folder = stack.state / "exponential"
    folder.mkdir(exist_ok=True)
    (folder / "resiliency.yaml").write_text(changed)
    return folder


class Calls:
    """Call caller, and record when each attempt reaches callee."""

    def __init__(self, http: httpx.Client, callee: str, caller: str) -> None:
        self._http, self._callee, self._caller = http, callee, caller

    def record(self, failures: int, *, until_healthy: bool = False) -> list[Attempt]:
        """Return the attempts of one call of a callee that fails that often, or of calls until one succeeds."""
        attempts: list[Attempt] = []
        self._http.put(f"{self._callee}/faults", json={"fail_next": failures}).raise_for_status()
        begin = time.monotonic()
        while True:
            answer, arrived = self._call(begin)
            attempts += [Attempt(at, "failed") for at in arrived]
            if answer.is_success:
                attempts[-1] = Attempt(attempts[-1].at, "succeeded")
            if answer.is_success or not until_healthy:
                break
            if time.monotonic() - begin > _PATIENCE:
                raise LabError(f"The breaker did not close within {_PATIENCE} s. See ./lab logs caller-app --sidecar.")
            if len(attempts) >= failures:
                attempts.append(Attempt(time.monotonic() - begin, "refused"))
                time.sleep(_ASK_EVERY)
        self._http.delete(f"{self._callee}/faults").raise_for_status()
        return [Attempt(round(one.at - attempts[0].at, 2), one.outcome) for one in attempts]

    def _call(self, begin: float) -> tuple[httpx.Response, list[float]]:
        """Call caller once. Return its answer, and the seconds since `begin` at which attempts reached callee."""
        arrived: list[float] = []
        before = self._count()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self._http.get, f"{self._caller}/call-greet/Ada")
            while True:
                done = answer.done()
                arrived += [time.monotonic() - begin] * (self._count() - before - len(arrived))
                if done:
                    return answer.result(), arrived
                time.sleep(_LOOK_EVERY)

    def _count(self) -> int:
        return self._http.get(f"{self._callee}/faults").raise_for_status().json()["calls"]


def draw(panels: list[Panel]) -> str:
    """Return the picture: one row of attempts for each policy, over the same time."""
    rows = {
        panel.title: [Dot(one.at, one.outcome, f"{one.at:g} s: {one.outcome}") for one in panel.attempts]
        for panel in panels
    }
    return svg.draw("When Dapr calls a failing app again", rows, "s", [asdict(panel) for panel in panels])


def read(measured: list[dict[str, Any]]) -> list[Panel]:
    """Return the panels that a picture was drawn from."""
    return [Panel(one["title"], [Attempt(**attempt) for attempt in one["attempts"]]) for one in measured]
