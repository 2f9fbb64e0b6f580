"""Follow a Zipkin that the sidecars send to, when there is one."""

from __future__ import annotations

import asyncio
import logging
import time

import httpx

from console.spans.store import SpanStore
from labctl import spans
from labctl.spans import Span

EVERY = 2.0  # seconds
AFTER_FAILURE = 5.0  # seconds
FIRST_LOOKBACK = 3_600  # seconds
OVERLAP = 30  # seconds; a span arrives late: Dapr sends them each 5 s, and a busy machine later
MOST_TRACES = 500
log = logging.getLogger(__name__)


async def follow(store: SpanStore, port: int) -> None:
    """Read the newest traces of the Zipkin on this port again and again, into the store.

    A Zipkin that restarts has lost its spans, but the store keeps them.
    """
    read_until, answers = time.time() - FIRST_LOOKBACK, True
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as http:
        while True:
            asked = time.time()
            try:
                await _read(http, store, read_until - OVERLAP, asked)
                read_until, answers = asked, True
            except (httpx.HTTPError, *spans.UNREADABLE) as error:
                if answers:
                    log.warning("zipkin does not answer", extra={"error": str(error) or type(error).__name__})
                answers = False
            await asyncio.sleep(EVERY if answers else AFTER_FAILURE)


async def _read(http: httpx.AsyncClient, store: SpanStore, begin: float, end: float) -> None:
    query = {"endTs": int(end * 1000), "lookback": int((end - begin) * 1000), "limit": MOST_TRACES}
    answer = await http.get("/api/v2/traces", params=query)
    answer.raise_for_status()
    for trace in await asyncio.to_thread(_decode, answer):
        store.add(trace)


def _decode(answer: httpx.Response) -> list[list[Span]]:
    """Return the traces of an answer, oldest first. It may have megabytes, so this takes a thread."""
    return [[spans.read(entry) for entry in trace] for trace in reversed(answer.json())]
