"""Keys as they are pressed on a terminal, one by one, even if many were pressed since the last look."""

from __future__ import annotations

import os
import re
import sys
import termios
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from select import select

# An arrow is three characters, every other key one.
_KEY = re.compile(r"\x1b[\[O][A-Z]|.", re.DOTALL)


@contextmanager
def keyboard() -> Generator[Callable[[float], list[str]]]:
    """Yield `pressed` for this process's terminal. Keys are read as they are pressed, and not shown."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield partial(pressed, descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def pressed(descriptor: int, within: float) -> list[str]:
    """Return the keys pressed since the last call, in order. Wait up to `within` seconds for the first.

    A terminal that is gone is a q.
    """
    if not select([descriptor], [], [], within)[0]:
        return []
    typed = os.read(descriptor, 1024).decode(errors="replace")
    return _KEY.findall(typed) or ["q"]
