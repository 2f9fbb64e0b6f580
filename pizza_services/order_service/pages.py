"""Which orders there are, in the order in which they came.

A state store finds a value by its key and lists nothing, so the ids are kept in pages, each one key of bounded size:
adding an id costs the same at the first order and at the ten-thousandth.
"""

import asyncio
import random
from collections.abc import Sequence

from pydantic import TypeAdapter

from state_store import StateStore, Stored, StoreFailed

IDS = TypeAdapter(list[str])
TRIES = 50


class Pages:
    """Appends ids to the last page, and reads them newest first."""

    def __init__(self, store: StateStore, size: int) -> None:
        self._store = store
        self._size = size
        self._last: int | None = None
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, new_id: str) -> None:
        """Returns when the id is in the store. Raises StoreFailed.

        What comes while a page is being written goes into the next write together: the last page is the one key that
        all orders share, and one write at a time does not fight itself for it.
        """
        added: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((new_id, added))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_what_waits())
        await added

    async def newest(self, limit: int, before: str | None) -> tuple[list[str], str | None]:
        """Up to `limit` ids, newest first, and the `before` that goes on from there (None at the end).

        `before` is the place of an id as `page.index`. Raises StoreFailed.
        """
        if before is None:
            number = await self._find_last()
            ids = await self._ids(number)
        else:
            number, index = (int(part) for part in before.split("."))
            ids = (await self._ids(number))[:index]
        found: list[str] = []
        while True:
            taken = min(limit - len(found), len(ids))
            found += reversed(ids[len(ids) - taken :])
            ids = ids[: len(ids) - taken]
            if ids:
                return found, f"{number}.{len(ids)}"
            if number == 0:
                return found, None
            number -= 1
            ids = await self._ids(number)

    async def _write_what_waits(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._append([new_id for new_id, _ in batch])
            except Exception as error:
                failures = [added for _, added in batch if not added.done()]
                for added in failures:
                    added.set_exception(error)
            else:
                for _, added in batch:
                    # Whoever asked may have gone away meanwhile.
                    if not added.done():
                        added.set_result(None)
        self._writing = None

    async def _append(self, new_ids: Sequence[str]) -> None:
        number = self._last if self._last is not None else await self._find_last()
        for attempt in range(TRIES):
            page = await self._page(number)
            ids = IDS.validate_json(page.value) if page.value else []
            missing = [new_id for new_id in dict.fromkeys(new_ids) if new_id not in ids]
            fitting = missing[: self._size - len(ids)]
            if fitting and not await self._store.save(_key(number), IDS.dump_json(ids + fitting), page.etag):
                # Another replica was faster: after a random pause they do not meet again.
                await asyncio.sleep(random.uniform(0, 0.01 * (attempt + 1)))
                continue
            self._last = number
            new_ids = missing[len(fitting) :]
            if not new_ids:
                return
            number += 1
        raise StoreFailed(503, "state store", "The list of orders is written by too many at once.")

    async def _find_last(self) -> int:
        """The number of the last page; 0 if there is none. Pages have no gaps, so a few looks find it among many."""
        there = self._last or 0
        step = 1
        while (await self._page(there + step)).value:
            there, step = there + step, step * 2
        while step > 1:
            step //= 2
            if (await self._page(there + step)).value:
                there += step
        self._last = there
        return there

    async def _ids(self, number: int) -> list[str]:
        page = await self._page(number)
        return IDS.validate_json(page.value) if page.value else []

    async def _page(self, number: int) -> Stored:
        return await self._store.read(_key(number))


def _key(number: int) -> str:
    return f"page:{number}"
