"""Customers in threads: so many at a time, each with the next thing to do as soon as the last is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx

from labctl.errors import LabError

# Does one thing for a customer of that name, and returns when it is done.
Turn = Callable[[httpx.Client, str], None]


def at_once(turn: Turn, count: int, seconds: float, patience: float) -> tuple[float, list[float]]:
    """Turns a second of `count` customers at a time, for `seconds` or one turn each; and each turn's seconds.

    patience: seconds for one answer. Raises LabError when somebody gets none.
    """
    # A connection that has expired is closed by one thread while another may have just begun to read from it.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=count, keepalive_expiry=None)
    # One client for all, made before: to make one takes as long as a turn.
    with httpx.Client(timeout=patience, limits=limits) as http, ThreadPoolExecutor(count) as pool:
        begin = time.monotonic()

        def come() -> list[float]:
            name, took = uuid4().hex, list[float]()
            while not took or time.monotonic() - begin < seconds:
                started = time.monotonic()
                try:
                    turn(http, name)
                except httpx.TransportError as error:
                    raise LabError(f"No answer from {error.request.url}, so there is no figure: {error!r}") from error
                took.append(time.monotonic() - started)
            return took

        took = [one for coming in [pool.submit(come) for _ in range(count)] for one in coming.result()]
        return len(took) / (time.monotonic() - begin), took
