"""A list that grows without getting slower, takes each item once, and bears two writers.

Three kinds of key, of which an ETag guards each by itself:

    {key}          the head: {"newest": number of the newest page, and what the list's owner keeps there}
    {key}:{n}      a page: {"ids": [...], "items": [...]}, up to `size` of each; null where one was taken out
    {key}:at:{id}  an item's place: {"page": n}, the only page that this item may ever be on

An append reads its place, or claims one on the newest page; then it writes the page unless the page has the id. So an
item that comes again, at once through another replica or days later, finds its page and does nothing. The one case in
which a place moves is a page that filled up meanwhile: a full page is never written again by an append, so once it is
seen full and without the item, the item can never come onto it, and its place moves one page on (guarded by the ETag of
the place: of two replicas one moves it, the other reads it again). A crash between any two of these writes leaves a
state from which the repeated append goes on.
"""

from collections.abc import Callable
from typing import Any

from failures import Conflict
from store import Object, StateStore, Stored, attempts


class PagedLog:
    """Items in order of arrival below one key, in pages of `size`."""

    def __init__(self, store: StateStore, key: str, size: int) -> None:
        self._store = store
        self.key = key
        self._size = size

    async def head(self) -> Object | None:
        """What the head holds; None when there is no list."""
        return (await self._store.get(self.key)).value

    async def open(self, about: Object) -> Object:
        """Makes the list, with `about` in its head; returns the head, which may be another writer's."""
        head = await self._store.change(self.key, lambda head: head or {**about, "newest": 0})
        assert head is not None
        return head

    async def append(self, item_id: str, item: Object, head: Object | None = None) -> int:
        """Adds the item unless it was ever added; returns its page. head: what was just read of it, if it was."""
        head = head or await self.head()
        newest: int = head["newest"] if head else 0
        place = await self._store.get(self.place(item_id))
        number: int = place.value["page"] if place.value else await self._claim(item_id, newest)
        async for _ in attempts(self.key):
            page = await self._store.get(self._page(number))
            ids, items = _contents(page)
            if item_id in ids:
                break
            if len(ids) >= self._size:
                number = await self._move(item_id, number + 1)
                continue
            try:
                await self._store.save(page.key, {"ids": [*ids, item_id], "items": [*items, item]}, page.etag)
            except Conflict:
                continue
            break
        if number > newest:
            await self._store.change(self.key, lambda head: head and {**head, "newest": max(head["newest"], number)})
        return number

    async def read(self, limit: int, before: int | None = None, head: Object | None = None) -> list[tuple[int, Object]]:
        """The newest `limit` items of those numbered below `before`, with their numbers, oldest first.

        head: what was just read of it, if it was.
        """
        head = head or await self.head()
        if head is None:
            return []
        end = (head["newest"] + 1) * self._size if before is None else before
        found: list[tuple[int, Object]] = []
        number = (end - 1) // self._size
        while number >= 0 and len(found) < limit:
            # The newest page may hold few items: it is read together with the one before.
            wanted = [n for n in (number, number - 1) if n >= 0]
            for n, page in zip(wanted, await self._store.get_many(*map(self._page, wanted)), strict=True):
                numbered = [(n * self._size + slot, item) for slot, item in enumerate(_contents(page)[1]) if item]
                found = [one for one in numbered if one[0] < end] + found
            number -= 2
        return found[-limit:]

    async def find(self, item_id: str) -> Object | None:
        """One item by its id."""
        place = (await self._store.get(self.place(item_id))).value
        if place is None:
            return None
        ids, items = _contents(await self._store.get(self._page(place["page"])))
        return items[ids.index(item_id)] if item_id in ids else None

    async def remove(self, item_id: str) -> None:
        """Takes one item out; its slot stays, because a full page must stay full."""
        place = (await self._store.get(self.place(item_id))).value
        if place is not None:
            await self._store.change(self._page(place["page"]), lambda page: page and _without(page, {item_id}))
            await self._store.delete_all([self.place(item_id)])

    async def purge(self, keep: Callable[[Object], bool], upto: int = 0) -> None:
        """Deletes every item that `keep` says no to, and the list itself when nothing is left.

        upto: a page that is there although the head may be gone, or may not know it yet.
        """
        head = await self._store.get(self.key)
        newest = max(upto, head.value["newest"] if head.value else 0)
        # Newest first, and the head last: when this fails half-way, the head still leads to the rest.
        kept = [await self._purge_page(number, keep) for number in range(newest, -1, -1)]
        if head.value is not None and not any(kept):
            await self._store.delete_all([self.key])

    async def _claim(self, item_id: str, newest: int) -> int:
        try:
            await self._store.save(self.place(item_id), {"page": newest}, None)
        except Conflict:
            # Another replica has the same item in hand; its claim counts.
            return await self._move(item_id, 0)
        return newest

    async def _move(self, item_id: str, number: int) -> int:
        place = await self._store.change(
            self.place(item_id), lambda place: place and {"page": max(place["page"], number)}
        )
        if place is None:
            # Deleted meanwhile: its user is being forgotten, and whoever tries again will see that.
            raise Conflict(self.place(item_id))
        return place["page"]

    async def _purge_page(self, number: int, keep: Callable[[Object], bool]) -> bool:
        async for _ in attempts(self.key):
            page = await self._store.get(self._page(number))
            if page.value is None or page.etag is None:
                return False
            ids, items = _contents(page)
            kept = {one for one, item in zip(ids, items, strict=True) if one and item and keep(item)}
            # The places first: their names are in the page only.
            await self._store.delete_all([self.place(one) for one in ids if one and one not in kept])
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
        """The key of an item's place."""
        return f"{self.key}:at:{item_id}"


def _contents(page: Stored) -> tuple[list[str | None], list[Any]]:
    return (page.value["ids"], page.value["items"]) if page.value else ([], [])


def _without(page: Object, gone: set[str]) -> Object:
    ids, items = page["ids"], page["items"]
    pairs = [(None, None) if one in gone else (one, item) for one, item in zip(ids, items, strict=True)]
    return {"ids": [one for one, _ in pairs], "items": [item for _, item in pairs]}
