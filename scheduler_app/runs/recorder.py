"""Records runs: callbacks that arrive at once share a write, and each is answered only when its run is stored.

All runs are appended to one list, whose newest page is one key. With a write for each callback, a thousand jobs due in
one second would compete for that key. So the callbacks of a burst wait until it pauses, and are then written, a page at
a time. A write in between would delay the callbacks that are still to arrive (`./lab bench jobs`).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from kit.sidecar.pages import Pages
from kit.sidecar.store import Object, StateStore
from runs.models import Outcome, Run
from scheduling import DEFAULT_INTERVAL_SECONDS, DEFAULT_RETRIES, PlacedOrder, list_of

ALL_RUNS = "runs"
# Characters of a run's data. A page of 50 runs is one key, and Dapr accepts 4 MiB in one call. The characters are at
# most doubled on their way to the store. The 8 KiB of a job's data always fit.
KEPT_WHOLE = 30_000
# Seconds without a callback that end a burst, and those after which it is written although it goes on.
PAUSE, LONGEST_BURST = 0.01, 0.5


@dataclass(frozen=True, slots=True)
class Arrival:
    """A callback that arrived, and the outcome that it is going to have."""

    job_name: str
    fired_at: datetime
    data: Any
    order: PlacedOrder | None
    outcome: Outcome


Waiting = tuple[Arrival, "asyncio.Future[None]"]


class Recorder:
    """Record arrivals as runs, in the list of all and in that of their job."""

    def __init__(self, store: StateStore[Object], pages: Pages, retry_slack_seconds: float) -> None:
        self._store, self._pages = store, pages
        self._slack = retry_slack_seconds
        self._waiting: list[Waiting] = []
        self._last_arrival = 0.0
        self._writing: asyncio.Task[None] | None = None

    async def record(self, arrival: Arrival) -> None:
        """Return when the run is stored. Raise Unavailable if it is not."""
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        self._waiting.append((arrival, stored))
        self._last_arrival = loop.time()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_bursts())
        await stored

    async def _write_bursts(self) -> None:
        while self._waiting:
            await self._pause()
            batch, self._waiting = self._waiting, []
            for start in range(0, len(batch), self._pages.size):
                await self._record(batch[start : start + self._pages.size])
        self._writing = None

    async def _pause(self) -> None:
        """Wait until the burst pauses, or has lasted too long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST_BURST
        left = PAUSE
        while left > 0:
            await asyncio.sleep(left)
            left = min(self._last_arrival + PAUSE, until) - loop.time()

    async def _record(self, batch: Sequence[Waiting]) -> None:
        error: Exception | None = None
        try:
            await self._write([arrival for arrival, _ in batch])
        except Exception as failure:
            # Raised again in each waiting callback, which fails, so that the scheduler retries it.
            error = failure
        # A callback that is gone has cancelled its future.
        for stored in (stored for _, stored in batch if not stored.done()):
            stored.set_exception(error) if error else stored.set_result(None)

    async def _write(self, arrivals: Sequence[Arrival]) -> None:
        keys = [ALL_RUNS, *{list_of(arrival.job_name) for arrival in arrivals}]
        heads = {head.key: head for head in await self._store.get_many(keys)}
        last = {key: _last_run(head.value) for key, head in heads.items() if key != ALL_RUNS}
        entries: dict[str, list[Object]] = {ALL_RUNS: []}
        for arrival in arrivals:
            key = list_of(arrival.job_name)
            last[key] = run = self._run(arrival, last[key])
            entry = {"id": uuid4().hex, **run.model_dump(mode="json")}
            entries[ALL_RUNS].append(entry)
            entries.setdefault(key, []).append(entry)
        await self._pages.append(entries, heads.values())

    def _run(self, arrival: Arrival, last: Run | None) -> Run:
        due = arrival.order.due(arrival.fired_at) if arrival.order else None
        return Run(
            job_name=arrival.job_name,
            fired_at=arrival.fired_at,
            lateness_ms=round((arrival.fired_at - due) / timedelta(milliseconds=1), 1) if due else None,
            data=arrival.data,
            attempt=self._attempt(arrival, last),
            outcome=arrival.outcome,
        )

    def _attempt(self, arrival: Arrival, last: Run | None) -> int:
        # Dapr does not say which attempt a callback is.
        order = arrival.order
        retries, interval = order.retries if order else (DEFAULT_RETRIES, DEFAULT_INTERVAL_SECONDS)
        if last is None or last.outcome is Outcome.succeeded or (retries is not None and last.attempt > retries):
            return 1
        is_older_order = order is not None and last.fired_at < order.scheduled_at
        is_too_old = arrival.fired_at - last.fired_at > timedelta(seconds=interval + self._slack)
        return 1 if is_older_order or is_too_old else last.attempt + 1


def _last_run(head: Object | None) -> Run | None:
    entries = (head or {}).get("entries")
    return Run.model_validate(entries[-1]) if entries else None
