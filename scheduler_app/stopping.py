"""Tells those who would never end by themselves that the process is asked to stop."""

import asyncio
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def asked_to_stop() -> Generator[asyncio.Event]:
    """An event that SIGTERM or SIGINT sets, before uvicorn handles it.

    uvicorn waits for open connections, and an endless one would cost the whole of its grace.
    """
    asked = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        # As the tests' client runs it: signals are the main thread's.
        yield asked
        return
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def told(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(asked.set)
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in handlers:
        signal.signal(number, told)
    try:
        yield asked
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
