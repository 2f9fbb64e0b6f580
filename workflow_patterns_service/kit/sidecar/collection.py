"""Values by id, each under its own key, and a list of the ids, so that a value can be listed, found and removed.

An id is listed before its value is saved. So a crash in between leaves an id without a value, which readers pass over,
and never a value that is on no list. An id that arrives again, weeks later or at another replica, finds its value.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from kit.sidecar.pages import Pages, Slice
from kit.sidecar.store import StateStore

T = TypeVar("T")
# How often one read of a list goes on when it meets ids without values.
MOST_READS = 20


class Collection(Generic[T]):
    """The values of one list, in the order in which they were first saved. Methods raise Unavailable.

    name: the key of the list in `pages`. prefix: a value's key is this and its id. ttl: see StateStore.save.
    """

    def __init__(self, store: StateStore[T], pages: Pages, name: str, prefix: str, ttl: int | None = None) -> None:
        self._store, self._pages, self._ttl = store, pages, ttl
        self.name, self._prefix = name, prefix

    def key(self, item_id: str) -> str:
        """Return the key of a value."""
        return f"{self._prefix}{item_id}"

    async def get(self, item_id: str) -> T | None:
        """Return a value, or None."""
        return (await self._store.get(self.key(item_id))).value

    async def change(self, item_id: str, edit: Callable[[T | None], T | None]) -> T | None:
        """Read, edit and save a value, as `StateStore.change` does, and list one that is new."""

        async def listing() -> None:
            await self._pages.add(self.name, {"id": item_id})

        return await self._store.change(self.key(item_id), edit, self._ttl, first=listing)

    async def newest(self, limit: int, before: int | None = None) -> Slice[T]:
        """Return up to `limit` values, newest first, from position `before` (None: the end) back.

        A slice that ends in many removed values may be short. An id that was removed and added again may be listed
        twice; a slice has it once.
        """
        found: dict[str, tuple[int, T]] = {}
        for _ in range(MOST_READS):
            some = await self._pages.newest(self.name, limit - len(found), before)
            keys = [self.key(entry["id"]) for _, entry in some.entries]
            for (position, _), stored in zip(some.entries, await self._store.get_many(keys), strict=True):
                if stored.value is not None:
                    found.setdefault(stored.key, (position, stored.value))
            before = some.next
            if before is None or len(found) == limit:
                break
        return Slice(list(found.values()), before)

    async def remove(self, item_id: str) -> bool:
        """Delete a value, whose id stays on the list. Return False if there is none."""
        if await self.get(item_id) is None:
            return False
        await self._store.delete(self.key(item_id))
        return True

    async def purge(self, keep: Callable[[T], bool]) -> None:
        """Delete every value that `keep` refuses. The list keeps all ids.

        A writer that has listed its id, but not yet saved its value, must look for itself whether the value may stay.
        """
        before = None
        while True:
            some = await self._pages.newest(self.name, self._pages.size, before)
            values = await self._store.get_many([self.key(entry["id"]) for _, entry in some.entries])
            gone = [one.key for one in values if one.value is not None and not keep(one.value)]
            await asyncio.gather(*(self._store.delete(key) for key in gone))
            if (before := some.next) is None:
                return
