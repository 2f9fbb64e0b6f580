"""A list that takes each item once, for good, and lets items be found and taken out by their id.

Three kinds of key, each guarded by its ETag:

    {list}          the head: {"newest": number of the newest page}, and what the list's owner keeps there
    {list}:{n}      a page: {"ids": [...], "items": [...]}, up to `size` of each; null where one was taken out
    {list}:at:{id}  an item's place: {"page": n}, the only page that this item may ever be on

An append reads its place, or claims one on the newest page; then it writes the page, unless the page has the id. So an
item that arrives again, at once through another replica or days later, finds its page and does nothing. A place moves
only when its page has filled up since. An append never writes a full page, so an item that is not on it can never get
there. Its place then moves one page on, guarded by its ETag. After a crash between any two of these writes, the
repeated append goes on.
"""

from collections.abc import Callable
from typing import Any

from kit.sidecar.pages import Slice
from kit.sidecar.store import Conflict, Object, StateStore, Stored, attempts
from kit.sidecar.unavailable import Unavailable

# How many pages of removed items one read walks over before it hands out a cursor to go on from.
MOST_EMPTY_PAGES = 20


class UniquePages:
    """Items in order of arrival below one key. Methods raise Unavailable.

    ttl: how many seconds a page and its places outlive the last item added to it; None keeps them for good.
    """

    def __init__(self, store: StateStore[Object], key: str, size: int, ttl: int | None = None) -> None:
        self._store, self.key, self._size, self._ttl = store, key, size, ttl

    async def head(self) -> Object | None:
        """Return what the head holds; None if the list does not exist."""
        return (await self._store.get(self.key)).value

    async def open(self, about: Object) -> Object:
        """Create the list with `about` in its head. Return the head, which may be another writer's."""
        head = await self._store.change(self.key, lambda head: head or {**about, "newest": 0})
        assert head is not None
        return head

    async def append(self, item_id: str, item: Object, head: Object | None = None) -> int:
        """Add the item unless it was ever added; return its page. head: as it was just read, if it was."""
        head = head or await self.head()
        newest: int = head["newest"] if head else 0
        place = await self._store.get(self.place(item_id))
        number: int = place.value["page"] if place.value else await self._claim(item_id, newest)
        async for _ in attempts(self._store.name, self.key):
            page = await self._store.get(self._page(number))
            ids, items = _contents(page)
            if item_id in ids:
                break
            if len(ids) >= self._size:
                number = await self._move(item_id, number + 1)
                continue
            try:
                value = {"ids": [*ids, item_id], "items": [*items, item]}
                await self._store.save(page.key, value, page.etag, self._ttl)
            except Conflict:
                continue
            break
        if number > newest:
            await self._store.change(self.key, lambda head: head and {**head, "newest": max(head["newest"], number)})
        return number

    async def newest(self, limit: int, before: int | None = None, head: Object | None = None) -> Slice[Object]:
        """Return up to `limit` items numbered below `before`, newest first. head: as it was just read, if it was.

        `next` is the `before` of the older ones. A slice that ends in many removed items may be short.
        """
        head = head or await self.head()
        if head is None:
            return Slice([], None)
        beyond = (head["newest"] + 1) * self._size
        end = beyond if before is None else min(before, beyond)
        number = (end - 1) // self._size
        lowest = number - limit // self._size - MOST_EMPTY_PAGES
        found: list[tuple[int, Object]] = []
        while number >= max(0, lowest) and len(found) <= limit:
            # The newest page may hold few items: it is read together with the one before.
            wanted = [n for n in (number, number - 1) if n >= 0]
            for n, page in zip(wanted, await self._store.get_many([*map(self._page, wanted)]), strict=True):
                numbered = [(n * self._size + slot, item) for slot, item in enumerate(_contents(page)[1]) if item]
                found += [one for one in reversed(numbered) if one[0] < end]
            number -= 2
        if len(found) > limit:
            return Slice(found[:limit], found[limit - 1][0])
        return Slice(found, (number + 1) * self._size if number >= 0 else None)

    async def find(self, item_id: str) -> Object | None:
        """Return the item with this id, or None."""
        place = (await self._store.get(self.place(item_id))).value
        if place is None:
            return None
        ids, items = _contents(await self._store.get(self._page(place["page"])))
        return items[ids.index(item_id)] if item_id in ids else None

    async def remove(self, item_id: str) -> None:
        """Take one item out; its slot stays, because a full page must stay full."""
        place = (await self._store.get(self.place(item_id))).value
        if place is not None:
            await self._store.change(self._page(place["page"]), lambda page: page and _without(page, {item_id}))
            await self._store.delete(self.place(item_id))

    async def purge(self, keep: Callable[[Object], bool], upto: int = 0) -> None:
        """Delete every item that `keep` refuses, and the list itself when nothing is left.

        upto: a page that exists although the head may be gone, or may not know it yet.
        """
        head = await self._store.get(self.key)
        newest = max(upto, head.value["newest"] if head.value else 0)
        # Newest first, and the head last: when this fails half-way, the head still leads to the rest.
        kept = [await self._purge_page(number, keep) for number in range(newest, -1, -1)]
        if head.value is not None and not any(kept):
            await self._store.delete(self.key)

    async def _claim(self, item_id: str, newest: int) -> int:
        try:
            await self._store.save(self.place(item_id), {"page": newest}, None, self._ttl)
        except Conflict:
            # Another replica handles the same item; its claim counts.
            return await self._move(item_id, 0)
        return newest

    async def _move(self, item_id: str, number: int) -> int:
        key = self.place(item_id)
        place = await self._store.change(key, lambda place: place and {"page": max(place["page"], number)})
        if place is None:
            detail = "The list was changed at the same time; try again."
            raise Unavailable(503, self._store.name, detail, "ABORTED", f"{key} was deleted", retry_after=1)
        return place["page"]

    async def _purge_page(self, number: int, keep: Callable[[Object], bool]) -> bool:
        async for _ in attempts(self._store.name, self.key):
            page = await self._store.get(self._page(number))
            if page.value is None:
                return False
            ids, items = _contents(page)
            kept = {one for one, item in zip(ids, items, strict=True) if one and item and keep(item)}
            # The places first: their names are in the page only.
            await self._store.delete_many([self.place(one) for one in ids if one and one not in kept])
            try:
                if not kept:
                    await self._store.delete(page.key, page.etag)
                elif gone := {one for one in ids if one} - kept:
                    await self._store.save(page.key, _without(page.value, gone), page.etag)
            except Conflict:
                continue
            return bool(kept)
        raise AssertionError("attempts() ends by raising")

    def _page(self, number: int) -> str:
        return f"{self.key}:{number}"

    def place(self, item_id: str) -> str:
        """Return the key of an item's place."""
        return f"{self.key}:at:{item_id}"


def _contents(page: Stored[Object]) -> tuple[list[str | None], list[Any]]:
    return (page.value["ids"], page.value["items"]) if page.value else ([], [])


def _without(page: Object, gone: set[str]) -> Object:
    ids, items = page["ids"], page["items"]
    pairs = [(None, None) if one in gone else (one, item) for one, item in zip(ids, items, strict=True)]
    return {"ids": [one for one, _ in pairs], "items": [item for _, item in pairs]}
