"""./lab bench NAME: each bench measures side by side in one run, on a site of its own, and ends all that it started."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from types import FrameType

from filelock import Timeout
from rich.console import Console

from labctl import lifecycle, setup
from labctl.bench import chat, invocation, jobs, report, up
from labctl.errors import LabError
from labctl.site import TEST_OFFSET, Site

BENCHES = {"invocation": invocation.measure, "jobs": jobs.measure, "chat": chat.measure, "up": up.measure}


def run(
    name: str, console: Console, json_: Path | None, seconds: float, *, full: bool = False, check: bool = False
) -> int:
    """Runs a bench, prints its table, writes its JSON; the exit code is 1 with `check` when a target was missed.

    full: the long rows too, where a bench has such.

    LAB_PORT_OFFSET moves it off the plan's ports plus 10000. Raises LabError for an unknown bench, while another one
    runs, and when a request failed: then there are no figures.
    """
    if name not in BENCHES:
        raise LabError(f"There is no bench {name!r}. The benches are: {', '.join(BENCHES)}.")
    if seconds <= 0:
        raise LabError("--seconds has to be more than 0.")
    site = _site()
    lock = setup.site_lock(site.name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LabError("Another ./lab bench runs just now. Wait for it: the two would measure each other.") from None
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # What a killed bench left behind: nothing else uses its site.
        lifecycle.down(site)
        shutil.rmtree(site.state / "scheduler", ignore_errors=True)
        result = BENCHES[name](site, console, seconds, full)
    except KeyboardInterrupt:
        console.print("\nStopping …")
        return 130
    finally:
        lifecycle.down(site)
        lock.release()
    console.print(result.table)
    for line in result.notes:
        console.print(line)
    met = report.say_targets(console, result.targets)
    if json_:
        report.write(json_, result)
        console.print(f"Written to {json_}.")
    return 0 if met or not check else 1


def _site() -> Site:
    offset = os.environ.get("LAB_PORT_OFFSET", str(TEST_OFFSET))
    if not offset.isdigit() or int(offset) == 0:
        raise LabError(f"LAB_PORT_OFFSET is {offset!r}: a bench needs one above 0, to keep off what ./lab up runs.")
    return Site("bench" if int(offset) == TEST_OFFSET else f"bench-{offset}", int(offset))


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
