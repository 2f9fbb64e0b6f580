"""A stack that a command has for itself: ./lab bench, ./lab chaos."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from filelock import Timeout

from labctl.errors import LabError
from labctl.make import setup
from labctl.stack import TEST_OFFSET, Stack
from labctl.up import lifecycle


@contextmanager
def private_stack(command: str, who: str, why_alone: str = "") -> Generator[Stack]:
    """The stack named after a command, held against a second one; begun with nothing, and nothing runs in the end.

    LAB_PORT_OFFSET moves it off the plan's ports plus 10000. SIGTERM is a KeyboardInterrupt from here on. Raises
    LabError for an offset that would be that of ./lab up, and while another one holds the stack.
    who, why_alone: how the sentences of these errors name it and end.
    """
    offset = os.environ.get("LAB_PORT_OFFSET", str(TEST_OFFSET))
    if not offset.isdigit() or int(offset) == 0:
        raise LabError(f"LAB_PORT_OFFSET is {offset!r}: {who} needs one above 0, to keep off what ./lab up runs.")
    stack = Stack(command, int(offset))
    lock = setup.checkout_lock(stack.state.name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LabError(f"Another ./lab {command} runs just now. Wait for it{why_alone}.") from None
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # What a run that was killed left behind: nothing else uses this stack.
        lifecycle.down(stack)
        shutil.rmtree(stack.state, ignore_errors=True)
        yield stack
    finally:
        lifecycle.down(stack)
        lock.release()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
