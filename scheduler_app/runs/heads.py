"""What the app remembers of a job, stored in the head of the job's list of runs: recording a run then reads one key.

Changes that arrive during a write share the next one. So scheduling many jobs at once costs few calls.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kit.sidecar.store import Object, StateStore, Stored, Write, attempts

EMPTY: Object = {"page": 0, "entries": []}


class Change(NamedTuple):
    """A change that waits for its write."""

    key: str
    edit: Callable[[Object], Object]
    is_new: bool
    stored: "asyncio.Future[None]"


class Heads:
    """Read and change heads. `seconds` returns how long a head is kept. Methods raise Unavailable."""

    def __init__(self, store: StateStore[Object], seconds: Callable[[Object], int]) -> None:
        self._store, self._seconds = store, seconds
        self._waiting: list[Change] = []
        self._writing: asyncio.Task[None] | None = None

    async def get(self, key: str) -> Object:
        """Return a head; an empty one if the list does not exist."""
        return (await self._store.get(key)).value or EMPTY

    async def change(self, key: str, edit: Callable[[Object], Object], *, is_new: bool = False) -> None:
        """Replace what a head holds besides its entries. `edit` may be called again: its own result must satisfy it.

        is_new: the list probably does not exist, so try without reading it first.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Change(key, edit, is_new, stored))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await stored

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            error: Exception | None = None
            try:
                await self._save(batch)
            except Exception as failure:
                error = failure
            # A caller that is gone has cancelled its future.
            for stored in (change.stored for change in batch if not change.stored.done()):
                stored.set_exception(error) if error else stored.set_result(None)
        self._writing = None

    async def _save(self, batch: Sequence[Change]) -> None:
        changes: dict[str, list[Change]] = {}
        for change in batch:
            changes.setdefault(change.key, []).append(change)
        new = [key for key, those in changes.items() if those[0].is_new]
        heads: list[Stored[Object]] = [Stored(key, None, None) for key in new]
        heads += await self._store.get_many([key for key in changes if key not in set(new)])
        async for _ in attempts(self._store.name, ", ".join(changes)):
            writes: list[Write[Object]] = []
            for head in heads:
                value = head.value or EMPTY
                for change in changes[head.key]:
                    value = change.edit(value)
                if value != head.value:
                    writes.append(Write(head.key, value, head.etag, self._seconds(value)))
            if not writes or await self._store.save_many(writes):
                return
            heads = await self._store.get_many(list(changes))
