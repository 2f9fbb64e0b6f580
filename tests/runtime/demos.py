"""./lab demo as its audience sees it: in a terminal, with a keyboard."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from labctl.stack import Stack
from labctl.up.processes import wait_until
from tests.runtime.lab_shell import LAB, LabShell

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal with a process in it: its output so far, and a keyboard."""

    def __init__(self, process: subprocess.Popen[bytes], keyboard: int) -> None:
        self.process, self._keyboard = process, keyboard
        self._shown, self._typed_at = bytearray(), 0

    def read(self) -> None:
        """Read the output until the terminal is closed: a process that nobody reads from would stand still."""
        with suppress(OSError):  # how Linux reports the end of a pseudo-terminal
            while shown := os.read(self._keyboard, 65_536):
                self._shown += shown

    def shown(self, begin: int = 0) -> str:
        """Return the output without colours; a line that changed in place is there in each of its forms."""
        return _ANSI.sub("", self._shown[begin:].decode(errors="replace")).replace("\r", "")

    def see(self, pattern: str, timeout: float = 30) -> re.Match[str]:
        """Wait until this is shown after the last key, and return its first position."""
        found: re.Match[str] | None = None

        def is_there() -> bool:
            nonlocal found
            found = re.search(pattern, self.shown(self._typed_at))
            return found is not None

        wait_until(is_there, timeout)
        assert found, self.shown()[-4_000:]
        return found

    def type(self, keys: str) -> None:
        """Press these keys, all at once."""
        self._typed_at = len(self._shown)
        os.write(self._keyboard, keys.encode())

    def ends(self, timeout: float = 20) -> int:
        """Wait for the end of the process and return its exit status."""
        assert wait_until(lambda: self.process.poll() is not None, timeout), self.shown()[-4_000:]
        return self.process.returncode


@contextmanager
def demo_in_a_terminal(stack: Stack, *arguments: str) -> Iterator[Terminal]:
    """Play a lab's story as its audience sees it."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, 160))
    left_out = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    environment = LabShell(stack).environment({"TERM": "xterm-256color"})
    environment = {name: value for name, value in environment.items() if name not in left_out}
    process = subprocess.Popen(
        [LAB, "demo", *arguments], env=environment, stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    os.close(its)
    terminal = Terminal(process, ours)
    reading = threading.Thread(target=terminal.read)
    reading.start()
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        reading.join(10)
        os.close(ours)
