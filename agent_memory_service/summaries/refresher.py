"""Refresh user summaries after their event was acknowledged, in the background of this process.

The memory itself says that its summary is due, and since which turn. A process that dies, or a model that fails, leaves
that mark. The next reader of the memory (chat-service reads it at every turn) has it refreshed.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from conversations import Conversations
from kit.sidecar.unavailable import Unavailable
from memories import Memories
from settings import Settings
from summaries.summarizer import Summarizer

log = logging.getLogger("memory.summaries")


class Summaries:
    """The users whose summary is to be refreshed, each once, and the tasks that do it."""

    def __init__(
        self, settings: Settings, memories: Memories, conversations: Conversations, summarizer: Summarizer
    ) -> None:
        self._settings, self._memories, self._conversations = settings, memories, conversations
        self._summarizer = summarizer
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()

    def request(self, user_hash: str) -> None:
        """Queue a summary to be refreshed soon. Requests that arrive before it began are one."""
        if user_hash not in self._waiting:
            self._waiting.add(user_hash)
            self._queue.put_nowait(user_hash)

    @asynccontextmanager
    async def refreshing(self) -> AsyncGenerator[None]:
        """Refresh while the block runs."""
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work()) for _ in range(self._settings.summary_workers)]
            yield
            for worker in workers:
                worker.cancel()

    async def _work(self) -> None:
        while True:
            user_hash = await self._queue.get()
            # Turns of one user that arrive together are summarized together.
            await asyncio.sleep(self._settings.summary_delay_seconds)
            self._waiting.discard(user_hash)
            try:
                if await self._refresh(user_hash):
                    self.request(user_hash)
            except Unavailable as error:
                fields = {"user_hash": user_hash, "detail": error.detail, "reason": error.reason}
                log.warning("summary not refreshed", extra=fields)
            except Exception:
                # One user's odd history must not end the refreshing for all.
                log.exception("summary cannot be refreshed", extra={"user_hash": user_hash})

    async def _refresh(self, user_hash: str) -> bool:
        memory = await self._memories.get(user_hash)
        if memory is None or memory.due is None:
            return False
        newest = await self._conversations.history(memory.due.session_id, 2 * self._settings.summary_turns)
        summary = await self._summarizer.summarize(memory, newest.history) if newest and newest.history else None
        return await self._memories.refreshed(user_hash, memory, summary)
