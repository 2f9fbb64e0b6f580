"""Append-only lists in the state store: entry 10,000 costs what the first did, and none is lost.

A list is a head and the full pages before it. The head, key `{list}`, is `{"page": n, "entries": [...]}`, the newest
page, guarded by its ETag; its owner may keep more in it. A full page is copied to the key `{list}:{n}`, and the head
goes on as page n + 1. A copied page never changes: every writer that copies page n copies the same entries. So an
append reads and writes one key, and a full page costs one more. The position of an entry, size * page + index, never
changes: it is the cursor. Each entry needs an `id`, and is not added to the newest page twice.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from kit.sidecar.store import Object, StateStore, Stored, Write, attempts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """Some entries with their positions. `next` is the position to go on from; None at the end."""

    entries: list[tuple[int, T]]
    next: int | None


class Pages:
    """Any number of lists. Methods raise Unavailable.

    retention: seconds after its last change in which a page is kept; None keeps it for good.
    """

    def __init__(self, store: StateStore[Object], size: int = 50, retention: int | None = None) -> None:
        self._store, self.size, self._retention = store, size, retention
        self._waiting: dict[str, list[tuple[Object, asyncio.Future[None]]]] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def add(self, key: str, entry: Object) -> None:
        """Append one entry to a list. Entries that arrive during a write share the next one.

        So the writes of this process do not compete for the one key that they all need.
        """
        added: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if key in self._waiting:
            self._waiting[key].append((entry, added))
        else:
            self._waiting[key] = [(entry, added)]
            writing = asyncio.create_task(self._write(key))
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)
        await added

    async def append(self, entries: Mapping[str, Iterable[Object]], known: Iterable[Stored[Object]] = ()) -> None:
        """Append entries to one or more lists; `known` are their heads, if they were just read.

        It may raise Unavailable when some entries are stored and others are not: append all of them again.
        """
        pending = {key: list({entry["id"]: entry for entry in new}.values()) for key, new in entries.items()}
        heads = {head.key: head for head in known} or await self._heads(pending)
        first_pages = {key: _page(heads[key]) for key in pending}
        async for _ in attempts(self._store.name, ", ".join(pending)):
            pending = await self._missing(pending, heads, first_pages)
            if not pending:
                return
            writes, pages, left = list[Write[Object]](), list[Write[Object]](), dict[str, list[Object]]()
            for key, new in pending.items():
                value, page = self._with_room(key, heads[key])
                pages += [page] if page else []
                room = self.size - len(value["entries"])
                value = value | {"entries": [*value["entries"], *new[:room]]}
                writes.append(Write(key, value, heads[key].etag, self._retention))
                if new[room:]:
                    left[key] = new[room:]
            # The full page first: a head that has moved on without it would have lost its entries.
            if await self._copied(pages) and await self._store.save_many(writes):
                pending = left
            if not pending:
                return
            heads = await self._heads(pending)

    async def change(self, key: str, edit: Callable[[Object], Object]) -> Object:
        """Replace what the head holds besides its page and entries, and return it. `edit` may be called again."""
        head = await self._store.change(key, lambda head: edit(head or _EMPTY), self._retention)
        assert head is not None
        return head

    async def head(self, key: str) -> Stored[Object]:
        """Return the newest page and what else its owner keeps there."""
        return await self._store.get(key)

    async def delete(self, key: str) -> None:
        """Delete a list."""
        pages = range(_page(await self._store.get(key)))
        await asyncio.gather(*(self._store.delete(f"{key}:{page}") for page in pages))
        # Last, because it leads to the rest: a deletion that failed half-way can be repeated.
        await self._store.delete(key)

    async def newest(self, key: str, limit: int, before: int | None = None) -> Slice[Object]:
        """Return up to `limit` entries, newest first, from position `before` (None: the end) back."""
        head = await self._store.get(key)
        end = self._length(head) if before is None else min(before, self._length(head))
        found = await self._between(head, max(0, end - limit), end)
        return Slice(found[::-1], found[0][0] if found and found[0][0] > 0 else None)

    async def after(self, key: str, position: int | None, limit: int) -> Slice[Object]:
        """Return up to `limit` entries from `position` on (None: only later ones), oldest first."""
        head = await self._store.get(key)
        length = self._length(head)
        # A position past the end belongs to a list that has expired since: this is a new one.
        start = length if position is None else position if position <= length else 0
        end = min(start + limit, length)
        return Slice(await self._between(head, start, end), end)

    async def _write(self, key: str) -> None:
        while waiting := self._waiting[key]:
            most = PAGES_AT_ONCE * self.size
            batch, self._waiting[key] = waiting[:most], waiting[most:]
            error: Exception | None = None
            try:
                await self.append({key: [entry for entry, _ in batch]})
            except Exception as failure:
                error = failure
            # A caller that is gone has cancelled its future.
            for added in (one for _, one in batch if not one.done()):
                added.set_exception(error) if error else added.set_result(None)
        del self._waiting[key]

    async def _heads(self, keys: Iterable[str]) -> dict[str, Stored[Object]]:
        return {one.key: one for one in await self._store.get_many(list(keys))}

    async def _missing(
        self, pending: dict[str, list[Object]], heads: Mapping[str, Stored[Object]], first_pages: dict[str, int]
    ) -> dict[str, list[Object]]:
        """Return the pending entries that are not stored: of many keys, those without a conflict were saved."""
        left: dict[str, list[Object]] = {}
        for key, new in pending.items():
            # Another writer may have filled the page since, and moved on to the next.
            moved = [f"{key}:{page}" for page in range(first_pages[key], _page(heads[key]))]
            pages = await self._store.get_many(moved)
            there = {entry["id"] for one in (heads[key], *pages) for entry in (one.value or _EMPTY)["entries"]}
            if missing := [entry for entry in new if entry["id"] not in there]:
                left[key] = missing
        return left

    def _with_room(self, key: str, head: Stored[Object]) -> tuple[Object, Write[Object] | None]:
        value = head.value or _EMPTY
        if len(value["entries"]) < self.size:
            return value, None
        page = Write(f"{key}:{value['page']}", {"entries": value["entries"]}, None, self._retention)
        return value | {"page": value["page"] + 1, "entries": []}, page

    async def _copied(self, pages: Sequence[Write[Object]]) -> bool:
        """Save full pages. Return False if one is still missing; one that exists already holds the same entries."""
        if await self._store.save_many(pages):
            return True
        return all(one.value for one in await self._store.get_many([page.key for page in pages]))

    async def _between(self, head: Stored[Object], start: int, end: int) -> list[tuple[int, Object]]:
        """Return the entries of positions start … end - 1, without those of expired pages."""
        newest = _page(head)
        wanted = range(start // self.size, min((end - 1) // self.size + 1, newest))
        pages = await self._store.get_many([f"{head.key}:{page}" for page in wanted])
        found: list[tuple[int, Object]] = []
        for page, stored in [*zip(wanted, pages, strict=True), (newest, head)]:
            numbered = enumerate((stored.value or _EMPTY)["entries"], page * self.size)
            found += [(position, entry) for position, entry in numbered if start <= position < end]
        return found

    def _length(self, head: Stored[Object]) -> int:
        return head.value["page"] * self.size + len(head.value["entries"]) if head.value else 0


# Of entries that wait for a write. Each full page is one of the attempts that a write has.
PAGES_AT_ONCE = 10
_EMPTY: Object = {"page": 0, "entries": []}


def _page(head: Stored[Object]) -> int:
    return head.value["page"] if head.value else 0
