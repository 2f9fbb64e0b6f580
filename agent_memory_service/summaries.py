"""Refreshes user summaries after the event was acknowledged, in the background of this process.

The memory itself says that its summary is due, and since which turn. A process that dies leaves that mark; whoever
reads the memory next (chat-service does, at every turn) has it refreshed. Until then nobody has seen the old summary.
"""

import asyncio
import logging

from conversations import Conversations
from failures import Conflict, DependencyFailed, Forgotten
from memories import Memories, due_of
from settings import Settings
from summarizer import Summarizer

log = logging.getLogger("memory.summaries")

TRIES = 5


class Summaries:
    """The users whose summary is to be refreshed, each once, and the tasks that do it."""

    def __init__(
        self, settings: Settings, memories: Memories, conversations: Conversations, summarizer: Summarizer
    ) -> None:
        self._settings = settings
        self._memories = memories
        self._conversations = conversations
        self._summarizer = summarizer
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()

    def request(self, user_hash: str) -> None:
        """Has a summary refreshed soon; asked again before it began, it is still done once."""
        if user_hash not in self._waiting:
            self._waiting.add(user_hash)
            self._queue.put_nowait(user_hash)

    async def run(self) -> None:
        """Refreshes until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.summary_workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            user_hash = await self._queue.get()
            # Turns of one user that come together are summarized together.
            await asyncio.sleep(self._settings.summary_delay_seconds)
            self._waiting.discard(user_hash)
            await self._try(user_hash)

    async def _try(self, user_hash: str) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                if await self._refresh(user_hash):
                    self.request(user_hash)
            except Forgotten:
                log.info("A user was forgotten before the summary was refreshed")
            except (DependencyFailed, Conflict) as error:
                fields = {"user_hash": user_hash, "attempt": attempt, "reason": getattr(error, "reason", "")}
                log.warning("A summary could not be refreshed: %s", error, extra={"fields": fields})
                await asyncio.sleep(attempt * self._settings.summary_retry_seconds)
                continue
            except Exception:
                # One user's odd history must not end the refreshing for all; the mark stays.
                log.exception("A summary could not be refreshed", extra={"fields": {"user_hash": user_hash}})
            return

    async def _refresh(self, user_hash: str) -> bool:
        memory = await self._memories.get(user_hash)
        due = due_of(memory) if memory else None
        if memory is None or due is None:
            return False
        turns = await self._conversations.turns(due.session_id, self._settings.summary_turns)
        summary = await self._summarizer.summarize(memory, turns) if turns else None
        return await self._memories.refreshed(user_hash, memory, summary)
