"""Announce the end of the process to streams that would otherwise never end."""

import asyncio
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def asked_to_stop() -> Generator[asyncio.Event]:
    """Yield an event that SIGTERM or SIGINT sets before uvicorn handles it.

    uvicorn waits for open connections, so an endless one would use up its whole grace period.
    """
    asked = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        # The tests' client runs the app in a thread, and only the main thread may handle signals.
        yield asked
        return
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(asked.set)
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in handlers:
        signal.signal(number, stop)
    try:
        yield asked
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
