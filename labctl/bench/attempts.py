"""./lab bench invocation --plot: when Dapr calls a failing app again, under each policy of lab 1.

    | panel | policy of components/resiliency.yaml | what callee does |
    |---|---|---|
    | constant | `myRetryPolicy` | fails |
    | exponential | `exponentialRetry` in its place for callee-app | fails |
    | breaker | `myRetryPolicy` and `calleeBreaker` | fails ten times, and is healthy after that |

The times are those at which callee counted each call.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from labctl import runfile
from labctl.bench.svg import Picture, place
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.stack import ROOT, Stack
from labctl.up import control, lifecycle

FILE = "attempts.svg"
TO_THE_BREAKER = 10  # failures in a row

_LOOK_EVERY = 0.01  # seconds between two looks at callee's count
_ASK_EVERY = 2.0  # seconds between two calls while the breaker is open
_PATIENCE = 90  # seconds
_ROW = 46  # pixels


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
    urls = {app.app_id: f"http://127.0.0.1:{app.app_port}" for app in apps}
    with httpx.Client(timeout=_PATIENCE) as http:
        calls = Calls(http, urls["callee-app"], urls["caller-app"])
        with steps.step("constant pauses"):
            panels = [Panel("constant: a pause of 5 s", calls.failing())]
        control.restart(stack, "caller-app", sidecar=True, resources=[_exponential(stack)])
        with steps.step("exponential pauses"):
            panels.append(Panel("exponential: pauses that grow by half", calls.failing()))
        # A new sidecar has a closed breaker.
        control.restart(stack, "caller-app", sidecar=True)
        with steps.step("circuit breaker"):
            panels.append(Panel("breaker: open for 10 s after ten failures in a row", calls.until_healthy()))
    return draw(panels)


def _exponential(stack: Stack) -> Path:
    """Write components/resiliency.yaml with the exponential policy for callee-app, and return its folder."""
    text = (ROOT / "components" / "resiliency.yaml").read_text()
    changed = text.replace("retry: myRetryPolicy", "retry: exponentialRetry")
    if changed == text:
        raise LabError(
            "components/resiliency.yaml has no `retry: myRetryPolicy` any more: change labctl/bench/attempts.py."
        )
    folder = stack.state / "exponential"
    folder.mkdir(exist_ok=True)
    (folder / "resiliency.yaml").write_text(changed)
    return folder


class Calls:
    """Call caller, and record when each attempt reaches callee."""

    def __init__(self, http: httpx.Client, callee: str, caller: str) -> None:
        self._http, self._callee, self._caller = http, callee, caller

    def failing(self) -> list[Attempt]:
        """Return the attempts of one call of a callee that fails."""
        with self._faults(100):
            begin = time.monotonic()
            _, arrived = self._call(begin)
        return _from_the_first([Attempt(at, "failed") for at in arrived])

    def until_healthy(self) -> list[Attempt]:
        """Return the attempts of calls, one after the other, of a callee that fails until the breaker opens."""
        attempts: list[Attempt] = []
        with self._faults(TO_THE_BREAKER):
            begin = time.monotonic()
            while not attempts or attempts[-1].outcome != "succeeded":
                if time.monotonic() - begin > _PATIENCE:
                    raise LabError(
                        f"The breaker did not close within {_PATIENCE} s. See ./lab logs caller-app --sidecar."
                    )
                answer, arrived = self._call(begin)
                attempts += [Attempt(at, "failed") for at in arrived]
                if answer.is_success:
                    attempts[-1] = Attempt(attempts[-1].at, "succeeded")
                elif len(attempts) >= TO_THE_BREAKER:
                    attempts.append(Attempt(time.monotonic() - begin, "refused"))
                    time.sleep(_ASK_EVERY)
        return _from_the_first(attempts)

    @contextmanager
    def _faults(self, fail_next: int) -> Generator[None]:
        self._http.put(f"{self._callee}/faults", json={"fail_next": fail_next}).raise_for_status()
        yield
        self._http.delete(f"{self._callee}/faults").raise_for_status()

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


def _from_the_first(attempts: list[Attempt]) -> list[Attempt]:
    first = attempts[0].at
    return [Attempt(round(one.at - first, 2), one.outcome) for one in attempts]


def draw(panels: list[Panel]) -> str:
    """Return the picture: one row of attempts for each policy, over the same time."""
    bottom = _ROW * len(panels)
    picture = Picture(bottom + 46, "When Dapr calls a failing app again")
    highest = 10 * (int(max(panel.attempts[-1].at for panel in panels) / 10) + 1)
    for number, panel in enumerate(panels):
        top = _ROW * number
        picture.text(place(0, highest), top + 16, panel.title, "bold")
        for one in panel.attempts:
            picture.dot(place(one.at, highest), top + 32, one.outcome, f"{one.at:g} s: {one.outcome}")
    picture.axis(bottom, highest, 5, "s")
    for number, outcome in enumerate(("failed", "refused", "succeeded")):
        x = 22.0 + 100 * number
        picture.dot(x, bottom + 36, outcome, outcome)
        picture.text(x + 10, bottom + 40, outcome, "faint")
    return picture.done(json.dumps([asdict(panel) for panel in panels], separators=(",", ":")))


def read(measured: str) -> list[Panel]:
    """Return the panels that a picture was drawn from."""
    found: list[dict[str, Any]] = json.loads(measured)
    return [Panel(one["title"], [Attempt(**attempt) for attempt in one["attempts"]]) for one in found]
