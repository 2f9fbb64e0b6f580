"""Append-only logs in the state store: what makes entry 10,000 as cheap as the first, and loses none of them.

A log is a head and the pages before it. The head, key `{log}`, is `{"page": n, "entries": [...]}`: the newest page, of
at most 50 entries, which its ETag guards. When it is full, it is copied to the key `{log}:{n}`, and the head goes on as
page n + 1. A copied page never changes again: whoever copies page n copies the same 50 entries. So an append reads and
writes one key, and every fiftieth writes one more; an entry's position (50 * page + index) never changes, and is the
cursor. A page is gone when nothing was added to it for the retention time.

On Redis an ETag guards one key and a transaction does not roll back, so nothing here needs two keys to change together.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from failures import DependencyFailed
from store import Save, Saved, Store

PAGE_SIZE = 50
# Each conflict means that somebody else has written: with two replicas there are seldom two in a row.
MOST_TRIES = 50

Entry = dict[str, Any]
Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Slice:
    """Entries with their positions, and where to go on (None: nowhere)."""

    entries: list[tuple[int, Entry]]
    next: int | None


class Logs:
    """Any number of logs. `outlasting` says for how many seconds more than the retention time a head is needed."""

    def __init__(self, store: Store, retention_seconds: int, outlasting: Callable[[Value], float]) -> None:
        self._store = store
        self._retention = retention_seconds
        self._outlasting = outlasting

    async def append(self, entries: Mapping[str, Iterable[Entry]], known: dict[str, Saved] | None = None) -> None:
        """Adds entries, each with an `id` of its own, to one or more logs; `known` are their heads as just read.

        Several appends may go on at once, in several processes. Raises DependencyFailed; then some may be there and
        others not, and it is safe to append the same entries again at once.
        """
        pending = {log: list(new) for log, new in entries.items()}
        heads = known or await self._store.get(pending)
        first_pages = {log: _page(heads[log]) for log in pending}
        for _ in range(MOST_TRIES):
            saves, pages, left = list[Save](), list[Save](), dict[str, list[Entry]]()
            for log, new in pending.items():
                value, page = self._with_room(log, heads[log])
                taken = new[: PAGE_SIZE - len(value["entries"])]
                value = value | {"entries": [*value["entries"], *taken]}
                saves.append(Save(log, value, heads[log].etag, self._seconds(value)))
                pages += [page] if page else []
                if len(taken) < len(new):
                    left[log] = new[len(taken) :]
            # The full page first: a head that has moved on without it would have lost 50 entries. That it is there
            # already is no harm, as it is the same whoever copies it.
            await self._store.save(pages)
            if await self._store.save(saves):
                pending, heads = left, await self._store.get(left) if left else {}
            else:
                await asyncio.sleep(random.uniform(0, 0.02))
                pending, heads = await self._missing(pending, first_pages)
            if not pending:
                return
        raise _too_busy()

    async def change(self, log: str, change: Callable[[Value], Value]) -> None:
        """Replaces what a head holds besides its page and entries. `change` may be called more than once."""
        for _ in range(MOST_TRIES):
            saved = (await self._store.get([log]))[log]
            value = change(saved.value or _EMPTY)
            if await self._store.save([Save(log, value, saved.etag, self._seconds(value))]):
                return
            await asyncio.sleep(random.uniform(0, 0.02))
        raise _too_busy()

    async def head(self, log: str) -> Value | None:
        """The newest page, with what else is kept in it; None for a log that is not there."""
        return (await self._store.get([log]))[log].value

    async def newest(self, log: str, limit: int, before: int | None = None) -> Slice:
        """Up to `limit` entries, newest first, from `before` (a position; None: the end) back."""
        head = (await self._store.get([log]))[log]
        end = _length(head) if before is None else min(before, _length(head))
        found = await self._between(log, head, max(0, end - limit), end)
        go_on = found[0][0] if found and found[0][0] > 0 else None
        return Slice(found[::-1], go_on)

    async def after(self, log: str, position: int | None, limit: int) -> Slice:
        """Up to `limit` entries from `position` on (None: from the end), oldest first; `next` is where to go on."""
        head = (await self._store.get([log]))[log]
        length = _length(head)
        # A position past the end is one of a log that has been given up meanwhile: this is a new one.
        start = length if position is None else position if position <= length else 0
        end = min(start + limit, length)
        return Slice(await self._between(log, head, start, end), end)

    async def _between(self, log: str, head: Saved, start: int, end: int) -> list[tuple[int, Entry]]:
        """The entries of positions start … end - 1, without those of pages that are gone."""
        newest = _page(head)
        wanted = [f"{log}:{page}" for page in range(start // PAGE_SIZE, min((end - 1) // PAGE_SIZE + 1, newest))]
        pages = await self._store.get(wanted) if wanted else {}
        found: list[tuple[int, Entry]] = []
        for page in range(start // PAGE_SIZE, newest + 1):
            value = head.value if page == newest else pages.get(f"{log}:{page}", Saved()).value
            numbered = enumerate((value or _EMPTY)["entries"], page * PAGE_SIZE)
            found += [(position, entry) for position, entry in numbered if start <= position < end]
        return found

    async def _missing(
        self, pending: dict[str, list[Entry]], first_pages: dict[str, int]
    ) -> tuple[dict[str, list[Entry]], dict[str, Saved]]:
        """What of `pending` was not saved: of many keys saved at once, those without a conflict were."""
        heads = await self._store.get(pending)
        left: dict[str, list[Entry]] = {}
        for log, new in pending.items():
            # Somebody else may have filled the page meanwhile, and gone on to the next.
            moved = [f"{log}:{page}" for page in range(first_pages[log], _page(heads[log]))]
            pages = await self._store.get(moved) if moved else {}
            there = {e["id"] for saved in (heads[log], *pages.values()) for e in (saved.value or _EMPTY)["entries"]}
            if missing := [entry for entry in new if entry["id"] not in there]:
                left[log] = missing
        return left, heads

    def _with_room(self, log: str, head: Saved) -> tuple[Value, Save | None]:
        value = head.value or _EMPTY
        if len(value["entries"]) < PAGE_SIZE:
            return value, None
        page = Save(f"{log}:{value['page']}", {"entries": value["entries"]}, None, self._retention)
        return value | {"page": value["page"] + 1, "entries": []}, page

    def _seconds(self, value: Value) -> int:
        return self._retention + max(0, int(self._outlasting(value)))


_EMPTY: Value = {"page": 0, "entries": []}


def _page(head: Saved) -> int:
    return head.value["page"] if head.value else 0


def _length(head: Saved) -> int:
    return head.value["page"] * PAGE_SIZE + len(head.value["entries"]) if head.value else 0


def _too_busy() -> DependencyFailed:
    return DependencyFailed(503, "state store", "Too many writers at once: try again.")
