"""./lab bench chat: the cost of a turn, how it grows with the conversation, and the limit.

    | row | work | stands for |
    |---|---|---|
    | `turn_N` | turns N - 9 to N of one session, one after the other | how cost grows with the conversation |
    | `bare_K` | K at a time: as many empty steps (bench/baselines/bare_workflow.py) | the limit |
    | `sessions_K` | K sessions at a time, each message after the reply to the one before | the services of this lab |
    | `taught_K` | the same at bench/baselines/taught_chat.py | a runtime and a client per request, one growing list |

All rows use the offline engine. `ratio_to_limit` is the rate over that of the bare workflow with as many at a time. For
`turn_N` it is its p50 over that of the first. The rows take turns in short slices, and a figure is their median.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from statistics import median
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console

from labctl import runfile
from labctl.bench.baselines import FOLDER, with_baselines
from labctl.bench.customers import Turn, at_once
from labctl.bench.report import Result, Target, figures_table, p50_p99, row_of
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.up import lifecycle, remembered

AT_ONCE = (1, 16)
TURNS, TURNS_FULL = (10, 100, 1_000), (10, 100, 1_000, 10_000)
MEASURED = 10  # turns, up to and with the Nth
SLICES = 3
STEPS = 3  # of chat_workflow, when nobody is before a message: fetch, generate, save
TIMES_FIRST = 1.2
TIMES_TAUGHT = 10.0
OF_BARE = 0.5  # measured 0.51 to 0.56; aim: 0.6

_PATIENCE = 120  # seconds for one turn; sixteen taught ones wait for each other


def measure(stack: Stack, console: Console, seconds: float, full: bool) -> Result:
    """Measure all rows, each rate for `seconds`. Below 3 s a session ends at turn 100, with `full` at turn 10,000."""
    steps = Steps(console)
    apps = with_baselines(stack, "chat")
    # A key in secrets.json would have the chat answered by a model, each of thousands of turns.
    lifecycle.up(stack, apps, console, resources=[FOLDER / "components"], env={"MODEL_ENGINE": "offline"})
    chat, taught, bare = (runfile.find(apps, name).url for name in ("chat-service", "taught-chat", "bare-workflow"))
    marks = TURNS_FULL if full else TURNS if seconds >= 3 else TURNS[:2]
    ways: dict[str, Turn] = {
        "bare": lambda http, _: _finished(http.post(f"{bare}/run/{STEPS}"), "COMPLETED"),
        "sessions": lambda http, session: _say(http, chat, session),
        "taught": lambda http, session: _say(http, taught, session),
    }
    with steps.step("warm-up"), httpx.Client(timeout=_PATIENCE) as http:
        for turn in ways.values():
            turn(http, uuid4().hex)
    with steps.step(f"{marks[-1]:,} turns of one session", total=marks[-1]) as advance:
        grown = _grow(ways["sessions"], marks, advance)
    rates: dict[str, list[float]] = {}
    latencies: dict[str, list[float]] = {}
    with steps.step(f"{len(ways) * len(AT_ONCE)} rates, {SLICES} slices each", total=len(ways) * 2 * SLICES) as advance:
        for _ in range(SLICES):
            for count in AT_ONCE:
                for name, turn in ways.items():
                    rate, took = at_once(turn, count, seconds / SLICES, _PATIENCE)
                    rates.setdefault(f"{name}_{count}", []).append(rate)
                    latencies.setdefault(f"{name}_{count}", []).extend(took)
                    advance()
    versions = {"dapr": remembered.find_runtime(stack).version(), "python": platform.python_version()}
    return result(grown, {name: median(measured) for name, measured in rates.items()}, latencies, versions)


def _say(http: httpx.Client, url: str, session: str) -> None:
    # Sessions of one user would wait for each other in the memory. Real users do not chat like that.
    user = f"bench-{session}"
    message = {"user_id": user, "text": "I want to learn about workflows", "metadata": {"session_id": session}}
    _finished(http.post(f"{url}/chat/", json=message), "completed")


def _finished(answer: httpx.Response, wanted: str) -> None:
    if answer.status_code != 200 or answer.json()["status"] != wanted:
        raise LabError(f"{answer.url} failed, so there is no figure: {answer.status_code} {answer.text[:200]}")


def _grow(turn: Turn, marks: tuple[int, ...], advance: Callable[[], None]) -> dict[int, list[float]]:
    """Return the seconds of the turns up to each mark, in one session that goes on to the last mark."""
    session, took = uuid4().hex, list[float]()
    with httpx.Client(timeout=_PATIENCE) as http:
        for _ in range(marks[-1]):
            begin = time.monotonic()
            turn(http, session)
            took.append(time.monotonic() - begin)
            advance()
    return {mark: took[mark - MEASURED : mark] for mark in marks}


def result(
    grown: dict[int, list[float]], rates: dict[str, float], latencies: dict[str, list[float]], versions: dict[str, str]
) -> Result:
    """Return the table, rows and targets of these turns: of one session as it grew, and of all rates."""
    columns = ("at a time", "turns/s", "p50 ms", "p99 ms", "ratio")
    table = figures_table("ratio: of the bare workflow's rate; of turn_N: its p50 over the first one's", "row", columns)
    rows: list[dict[str, Any]] = []

    def row(name: str, count: int, rate: float, took: list[float], ratio: float) -> None:
        p50, p99 = p50_p99([seconds * 1000 for seconds in took])
        table.add_row(name, str(count), f"{rate:,.1f}", f"{p50:,.1f}", f"{p99:,.1f}", f"{ratio:.2f}")
        rows.append(row_of(name, count, p50, p99, ratio, turns_per_second=rate))

    first = median(grown[min(grown)])
    for mark, took in grown.items():
        row(f"turn_{mark}", 1, 1 / median(took), took, median(took) / first)
    table.add_section()
    for name, rate in rates.items():
        count = int(name.rpartition("_")[2])
        row(name, count, rate, latencies[name], rate / rates[f"bare_{count}"])
    last, most = max(grown), max(AT_ONCE)
    times_taught = rates[f"sessions_{most}"] / rates[f"taught_{most}"]
    targets = [
        Target(f"p50 of turn {last:,} to that of turn 10", TIMES_FIRST, median(grown[last]) / first, at_most=True),
        Target(f"sessions to taught at {most}", TIMES_TAUGHT, times_taught),
        Target(f"turns to the bare workflow at {most}", OF_BARE, rates[f"sessions_{most}"] / rates[f"bare_{most}"]),
    ]
    return Result(table, rows, targets, versions)
