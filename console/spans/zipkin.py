"""Follow a Zipkin that the sidecars send to, when there is one."""

from __future__ import annotations

import asyncio
import logging
import time

import httpx

from console.spans.store import SpanStore
from labctl import spans

EVERY = 1.0  # seconds
OVERLAP_MS = 5_000  # a span arrives up to so late: Dapr sends them in batches
MOST_TRACES = 500
log = logging.getLogger(__name__)


async def follow(store: SpanStore, port: int) -> None:
    """Read the newest traces of the Zipkin on this port again and again, into the store."""
    lookback = 3_600_000
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as http:
        while True:
            asked = int(time.time() * 1000)
            query = {"endTs": asked, "lookback": lookback, "limit": MOST_TRACES}
            try:
                answer = await http.get("/api/v2/traces", params=query)
                answer.raise_for_status()
                for trace in reversed(answer.json()):
                    store.add(spans.read(entry) for entry in trace)
                lookback = int(time.time() * 1000) - asked + int(EVERY * 1000) + OVERLAP_MS
            except httpx.HTTPError as error:
                log.warning("zipkin does not answer: %s", error)
            await asyncio.sleep(EVERY)
