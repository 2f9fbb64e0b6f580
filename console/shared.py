"""A value that costs something to find, found once for all pages that are open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Shared(Generic[Value]):
    """Keep what `find` returned for some seconds. Callers at the same moment wait for one search.

    An error is raised to all of them, and not kept.
    """

    def __init__(self, seconds: float, find: Callable[[], Awaitable[Value]]) -> None:
        self._seconds = seconds
        self._find = find
        self._searching: asyncio.Future[Value] | None = None
        self._found: tuple[float, Value] | None = None

    async def get(self) -> Value:
        """Return the value, at most `seconds` old."""
        if self._found and time.monotonic() - self._found[0] < self._seconds:
            return self._found[1]
        if self._searching is None:
            self._searching = asyncio.ensure_future(self._search())
        # One page that is closed must not end the search of the others.
        return await asyncio.shield(self._searching)

    async def _search(self) -> Value:
        try:
            value = await self._find()
            self._found = (time.monotonic(), value)
            return value
        finally:
            self._searching = None
