"""A fixed number of customers in threads. Each one starts its next turn as soon as the last one is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx

from labctl.errors import LabError

# Does one turn for a customer with that name, and returns when it is done.
Turn = Callable[[httpx.Client, str], None]


def at_once(turn: Turn, count: int, seconds: float, patience: float) -> tuple[float, list[float]]:
    """Return the turns per second of `count` customers at a time, and each turn's seconds.

    They work for `seconds`, and at least one turn each. patience: seconds for one answer. Raise LabError without one.
    """
    # One thread would close an expired connection while another may just have started to read from it.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=count, keepalive_expiry=None)
    # One client for all, made in advance, because making one takes as long as a turn.
    with httpx.Client(timeout=patience, limits=limits) as http, ThreadPoolExecutor(count) as pool:
        begin = time.monotonic()

        def work() -> list[float]:
            name, took = uuid4().hex, list[float]()
            while not took or time.monotonic() - begin < seconds:
                started = time.monotonic()
                try:
                    turn(http, name)
                except httpx.TransportError as error:
                    raise LabError(f"No answer from {error.request.url}, so there is no figure: {error!r}") from error
                took.append(time.monotonic() - started)
            return took

        took = [one for worker in [pool.submit(work) for _ in range(count)] for one in worker.result()]
        return len(took) / (time.monotonic() - begin), took
