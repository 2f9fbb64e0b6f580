"""./lab chaos LAB: kills everything of a lab in turn while it works, on a site of its own, and counts what was done."""

from __future__ import annotations

import os
import shutil
import signal
from types import FrameType

from filelock import Timeout
from rich.console import Console

from labctl import lifecycle, setup
from labctl.chaos import pizza
from labctl.errors import LabError
from labctl.site import TEST_OFFSET, Site

LABS = {"pizza": pizza.play}


def run(lab: str, console: Console, orders: int, seed: int) -> int:
    """Plays it and prints what was killed when and every ledger; the exit code is 1 when anything was lost or doubled.

    LAB_PORT_OFFSET moves it off the plan's ports plus 10000. Raises LabError for a lab without chaos, while another one
    runs, and when a process does not come back.
    """
    if lab not in LABS:
        raise LabError(f"There is no chaos for {lab!r}, only for: {', '.join(LABS)}.")
    if orders < 1:
        raise LabError("--orders has to be at least 1.")
    site = _site()
    lock = setup.site_lock(site.name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LabError("Another ./lab chaos runs just now. Wait for it.") from None
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # What a killed run left behind: each begins with nothing, so that a seed means the same again.
        lifecycle.down(site)
        shutil.rmtree(site.state, ignore_errors=True)
        return 0 if LABS[lab](site, console, orders, seed) else 1
    except KeyboardInterrupt:
        console.print("\nStopping …")
        return 130
    finally:
        lifecycle.down(site)
        lock.release()


def _site() -> Site:
    offset = os.environ.get("LAB_PORT_OFFSET", str(TEST_OFFSET))
    if not offset.isdigit() or int(offset) == 0:
        raise LabError(f"LAB_PORT_OFFSET is {offset!r}: chaos needs one above 0, to keep off what ./lab up runs.")
    return Site("chaos" if int(offset) == TEST_OFFSET else f"chaos-{offset}", int(offset))


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
