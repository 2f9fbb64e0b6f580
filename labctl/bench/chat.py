"""./lab bench chat: the cost of a turn, how it grows with the conversation, and the limit.

    | row | work | stands for |
    |---|---|---|
    | `turn_N` | turns N - 9 to N of one session, one after the other | how cost grows with the conversation |
    | `bare_K` | K at a time: as many empty steps (bench/baselines/bare_workflows.py) | the limit |
    | `sessions_K` | K sessions at a time, each message after the reply to the one before | the services of this lab |
    | `taught_K` | the same at bench/baselines/taught_chat.py | a runtime and a client per request, one growing list |

All rows use the offline engine. `ratio_to_limit` is the rate over that of the bare workflow with as many at a time. For
`turn_N` it is its p50 over that of the first. The rows take turns in short slices, and a figure is their median.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from uuid import uuid4

import httpx
from rich.console import Console

from labctl import runfile
from labctl.bench.baselines import FOLDER, with_baselines
from labctl.bench.customers import Rate, Turn, at_once, rates, rows
from labctl.bench.report import Result, Target, row_of_turns
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.up import lifecycle

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
        "bare": lambda http, _, __: _finished(http.post(f"{bare}/run/{STEPS}"), "COMPLETED"),
        "sessions": lambda http, session, _: say(http, chat, session),
        "taught": lambda http, session, _: say(http, taught, session),
    }
    with steps.step("warm-up"):
        for turn in ways.values():
            at_once(turn, 1, 0, _PATIENCE)
    with steps.step(f"{marks[-1]:,} turns of one session", total=marks[-1]) as advance:
        grown = _grow(chat, marks, advance)
    plan = AT_ONCE * SLICES
    with steps.step(f"{len(ways) * len(AT_ONCE)} rates, {SLICES} slices each", total=len(ways) * len(plan)) as advance:
        measured = rates(ways, plan, seconds, _PATIENCE, advance)
    return result(grown, measured)


def say(http: httpx.Client, url: str, session: str) -> None:
    """Send a message of a session, and wait for its reply. Raise LabError without one."""
    # Sessions of one user would wait for each other in the memory. Real users do not chat like that.
    user = f"bench-{session}"
    message = {"user_id": user, "text": "I want to learn about workflows", "metadata": {"session_id": session}}
    _finished(http.post(f"{url}/chat/", json=message), "completed")


def _finished(answer: httpx.Response, wanted: str) -> None:
    if answer.status_code != 200 or answer.json()["status"] != wanted:
        raise LabError(f"{answer.url} failed, so there is no figure: {answer.status_code} {answer.text[:200]}")


def _grow(chat: str, marks: tuple[int, ...], advance: Callable[[], None]) -> dict[int, list[float]]:
    """Return the seconds of the turns up to each mark, in one session that goes on to the last mark."""
    session, took = uuid4().hex, list[float]()
    with httpx.Client(timeout=_PATIENCE) as http:
        for _ in range(marks[-1]):
            begin = time.monotonic()
            say(http, chat, session)
            took.append(time.monotonic() - begin)
            advance()
    return {mark: took[mark - MEASURED : mark] for mark in marks}


def result(grown: dict[int, list[float]], rates: dict[str, Rate]) -> Result:
    """Return the rows and targets of the turns of one session as it grew, and of all rates."""
    first = median(grown[min(grown)])
    grown_rows = [
        row_of_turns(f"turn_{mark}", 1, took, median(took) / first, turns_per_second=1 / median(took))
        for mark, took in grown.items()
    ]
    last, most = max(grown), max(AT_ONCE)
    bare, ours, taught = (rates[f"{way}_{most}"].per_second for way in ("bare", "sessions", "taught"))
    targets = [
        Target(f"p50 of turn {last:,} to that of turn 10", TIMES_FIRST, median(grown[last]) / first, at_most=True),
        Target(f"sessions to taught at {most}", TIMES_TAUGHT, ours / taught),
        Target(f"turns to the bare workflow at {most}", OF_BARE, ours / bare),
    ]
    caption = "ratio: of the bare workflow's rate; of turn_N: its p50 over the first one's"
    return Result(caption, grown_rows + rows(rates, "turns_per_second"), targets)
