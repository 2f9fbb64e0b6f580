"""Runs as server-sent events. They are read from the store, so a stream has those of all replicas."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from fastapi.sse import ServerSentEvent

from kit.sidecar.pages import Pages
from kit.sidecar.unavailable import Unavailable
from runs.models import Run
from runs.recorder import ALL_RUNS
from settings import Settings

AT_ONCE = 200


async def follow(
    pages: Pages, last_id: int | None, settings: Settings, stopping: asyncio.Event
) -> AsyncGenerator[ServerSentEvent]:
    """Yield the runs after `last_id` (None: only new ones), each with its position in the list as its id.

    End when the process is asked to stop. While nothing happens, FastAPI sends a comment now and then, so that no proxy
    closes the connection as idle.
    """
    position = None if last_id is None else last_id + 1
    yield ServerSentEvent(retry=1000)
    while not stopping.is_set():
        try:
            new = await pages.after(ALL_RUNS, position, AT_ONCE)
        except Unavailable as failure:
            yield ServerSentEvent(comment=failure.detail)
        else:
            for number, run in new.entries:
                # Through the model, because the store returns the fields in any order.
                yield ServerSentEvent(data=Run.model_validate(run), event="run", id=str(number))
            position = new.next
            if len(new.entries) == AT_ONCE:
                continue
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), settings.stream_poll_seconds)
