"""Announce the end of the process to streams that would otherwise never end."""

import asyncio
import signal
from contextlib import suppress
from types import FrameType


def asked_to_stop() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets before uvicorn handles it.

    uvicorn waits for open connections, so an endless one would use up its whole grace period.
    """
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(asked.set)
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    # The tests' client runs the app in a thread, and only the main thread may handle signals.
    with suppress(ValueError):
        for number in handlers:
            signal.signal(number, stop)
    return asked
