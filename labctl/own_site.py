"""A site that a command has for itself: ./lab bench, ./lab chaos."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from filelock import Timeout

from labctl import lifecycle, setup
from labctl.errors import LabError
from labctl.site import TEST_OFFSET, Site


@contextmanager
def own_site(command: str, who: str, why_alone: str = "") -> Generator[Site]:
    """The site named after a command, held against a second one; begun with nothing, and nothing runs in the end.

    LAB_PORT_OFFSET moves it off the plan's ports plus 10000. SIGTERM is a KeyboardInterrupt from here on. Raises
    LabError for an offset that would be that of ./lab up, and while another one holds the site.
    who, why_alone: how the sentences of these errors name it and end.
    """
    offset = os.environ.get("LAB_PORT_OFFSET", str(TEST_OFFSET))
    if not offset.isdigit() or int(offset) == 0:
        raise LabError(f"LAB_PORT_OFFSET is {offset!r}: {who} needs one above 0, to keep off what ./lab up runs.")
    site = Site(command, int(offset))
    lock = setup.site_lock(site.state.name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LabError(f"Another ./lab {command} runs just now. Wait for it{why_alone}.") from None
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # What a run that was killed left behind: nothing else uses this site.
        lifecycle.down(site)
        shutil.rmtree(site.state, ignore_errors=True)
        yield site
    finally:
        lifecycle.down(site)
        lock.release()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
