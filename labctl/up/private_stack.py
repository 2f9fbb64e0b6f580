"""The private stack of a command: ./lab bench, ./lab chaos."""

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
    """Yield an empty stack named after a command, locked against a second one. Stop everything in it at the end.

    LAB_PORT_OFFSET moves it to other ports than the plan's plus 10000. From here on SIGTERM is a KeyboardInterrupt.
    Raise LabError for the offset of ./lab up, and while another process holds the stack.

    who: the subject in these errors. why_alone: the end of the second one.
    """
    offset = os.environ.get("LAB_PORT_OFFSET", str(TEST_OFFSET))
    if not offset.isdigit() or int(offset) == 0:
        raise LabError(f"LAB_PORT_OFFSET is {offset!r}: {who} needs one above 0, because ./lab up uses 0.")
    stack = Stack(command, int(offset))
    lock = setup.checkout_lock(stack.state.name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LabError(f"Another ./lab {command} runs just now. Wait for it{why_alone}.") from None
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Leftovers of a killed run: nothing else uses this stack.
        lifecycle.down(stack)
        shutil.rmtree(stack.state, ignore_errors=True)
        yield stack
    finally:
        lifecycle.down(stack)
        lock.release()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
