"""Runs as server-sent events, of all replicas: it follows the store, not this process."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress

from failures import DependencyFailed
from models import Run
from paged_log import Logs
from recorder import ALL_RUNS
from settings import Settings

AT_ONCE = 200


async def follow(logs: Logs, last_id: int | None, settings: Settings, stopping: asyncio.Event) -> AsyncGenerator[str]:
    """Events `run` with their position in the log as id, from after `last_id` on (None: only new ones).

    Ends when the process is asked to stop; a client that leaves ends it too. While nothing happens a comment goes out
    now and then, so that nothing on the way takes the connection for dead.
    """
    position = None if last_id is None else last_id + 1
    said = time.monotonic()
    yield "retry: 1000\n\n"
    while not stopping.is_set():
        try:
            new = await logs.after(ALL_RUNS, position, AT_ONCE)
        except DependencyFailed as failure:
            said = time.monotonic()
            yield f": {failure.detail}\n\n"
        else:
            for number, run in new.entries:
                # Through the model, as the store gives fields back in any order.
                yield f"id: {number}\nevent: run\ndata: {Run.model_validate(run).model_dump_json()}\n\n"
                said = time.monotonic()
            position = new.next
            if len(new.entries) == AT_ONCE:
                continue
        if time.monotonic() - said >= settings.stream_heartbeat_seconds:
            said = time.monotonic()
            yield ": still here\n\n"
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), settings.stream_poll_seconds)
