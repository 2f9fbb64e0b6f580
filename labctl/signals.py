"""The one place for signals: SIGTERM and a closed terminal end a command as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_as_by_ctrl_c() -> None:
    """Raise KeyboardInterrupt, with the signal, on SIGTERM and SIGHUP too. Under nohup, SIGHUP stays ignored."""
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _end)


@contextmanager
def uninterrupted() -> Generator[None]:
    """Let the block end whatever arrives: a second Ctrl-C must not leave half of the processes running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A function, because a started process would inherit SIG_IGN.
    before = {number: signal.signal(number, _note) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    _note(number, frame)
    raise KeyboardInterrupt(number)


def _note(number: int, _: FrameType | None) -> None:
    if number == signal.SIGHUP:
        # The terminal is gone. Each write to it would fail and cut the end short.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
