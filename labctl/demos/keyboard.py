"""Keys as they are pressed on a terminal, one by one, even if many were pressed since the last look."""

from __future__ import annotations

import os
import re
import sys
import termios
import tty
from collections.abc import Generator
from contextlib import contextmanager
from select import select

# An arrow is three characters, every other key one.
_KEY = re.compile(r"\x1b[\[O][A-Z]|.", re.DOTALL)
_START_OF_AN_ARROW = re.compile(r"\x1b[\[O]?$")


class Keyboard:
    """The keys of a file descriptor that is a terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = ""

    def pressed(self, within: float) -> list[str]:
        """Return the keys pressed since the last call, in order. Wait up to `within` seconds for the first.

        Raise EOFError when the terminal is gone.
        """
        if not select([self._descriptor], [], [], within)[0]:
            # Escape alone is a key if nothing follows it.
            keys, self._begun = [self._begun] if self._begun else [], ""
            return keys
        typed = os.read(self._descriptor, 1024).decode(errors="replace")
        if not typed:
            raise EOFError
        typed, self._begun = self._begun + typed, ""
        if begun := _START_OF_AN_ARROW.search(typed):
            typed, self._begun = typed[: begun.start()], begun[0]
        return _KEY.findall(typed)


@contextmanager
def keyboard() -> Generator[Keyboard]:
    """Yield the keyboard of this process's terminal. Keys are read as they are pressed, and not shown."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield Keyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
