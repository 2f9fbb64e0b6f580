"""Forgetting a user: first a tombstone, then everything else, by a job that Dapr repeats until it is done.

An event may be in hand, here or in another replica, while its user is forgotten; its next write then brings something
back. So whoever writes looks at the tombstone again after the last write, and cleans up when there is one: either the
write came before the tombstone, and the job, which starts after it, finds what was written; or it came after, and the
writer finds the tombstone.
"""

import logging

from conversations import Conversations
from dapr_calls import DaprCalls
from dead_letters import DeadLetters
from memories import Memories
from models import StreamTrimmed, UserForgotten, now
from settings import Settings
from tombstones import Tombstone, Tombstones, admits

log = logging.getLogger("memory.forgetting")

FORGET_JOB = "forget-"
TRIM_JOB = "trim-"
# A stream drops what is older than its TTL when something is written to it; this long after, clocks agree on that.
AFTER_TTL_SECONDS = 5
# Once for what is in the streams when somebody asks, once for what comes in while that may be: see the settings.
TRIMS = 2
# One write has Redis drop at most 100 times its `stream-node-max-entries`, oldest first: 100 entries where that is 1.
MARKERS = 20
SESSIONS_PER_EVENT = 500


class Forgetter:
    """Removes what is known of a user, by hash."""

    def __init__(
        self,
        settings: Settings,
        dapr: DaprCalls,
        tombstones: Tombstones,
        memories: Memories,
        conversations: Conversations,
        dead_letters: DeadLetters,
    ) -> None:
        self._settings = settings
        self._dapr = dapr
        self._tombstones = tombstones
        self._memories = memories
        self._conversations = conversations
        self._dead_letters = dead_letters

    async def begin(self, user_hash: str) -> Tombstone:
        """Puts the tombstone and has the rest done, also for who is unknown here: chat may have something of them.

        Asked again it is done again. The jobs have names of their own, so that each time that was stated holds.
        """
        is_known = await self._memories.get(user_hash) or await self._conversations.sessions(user_hash)
        tombstone = await self._tombstones.put(user_hash, bool(is_known))
        job = f"{user_hash}-{tombstone.number}"
        ttl, slack = self._settings.stream_ttl_seconds, self._settings.forgetting_slack_seconds
        await self._dapr.schedule(f"{TRIM_JOB}{job}", ttl + AFTER_TTL_SECONDS, slack, TRIMS)
        await self._dapr.schedule(f"{FORGET_JOB}{job}", due_in_seconds=0)
        # Who is forgotten is unknown at once, not when the job comes.
        await self._memories.forget(user_hash)
        return tombstone

    async def run_job(self, name: str) -> bool:
        """Does what a job was scheduled for; False for a job that is not this service's."""
        if name.startswith(FORGET_JOB):
            await self._forget(name.removeprefix(FORGET_JOB).partition("-")[0])
        elif name.startswith(TRIM_JOB):
            await self._trim_streams()
        else:
            return False
        return True

    async def clean(self, user_hash: str, session_id: str, page: int = 0) -> None:
        """Removes what an event brought back after its user was forgotten."""
        tombstone = await self._tombstones.get(user_hash)
        await self._conversations.purge(user_hash, session_id, lambda at: admits(tombstone, at), page)
        await self._memories.forget(user_hash)
        await self._purge_list(user_hash, tombstone)

    async def _forget(self, user_hash: str) -> None:
        tombstone = await self._tombstones.get(user_hash)
        # Dapr may call twice, and the user may be known again by then.
        if tombstone is None or tombstone.done:
            return
        sessions = await self._conversations.sessions(user_hash)
        for session_id in sessions:
            await self._conversations.purge(user_hash, session_id, tombstone.admits)
        await self._dead_letters.forget(user_hash, tombstone)
        # Before the list of sessions goes: what comes after a failure here needs it again.
        for start in range(0, max(len(sessions), 1), SESSIONS_PER_EVENT):
            some = sessions[start : start + SESSIONS_PER_EVENT]
            told = UserForgotten(user_hash=user_hash, session_ids=some, timestamp=now())
            await self._dapr.publish(self._settings.forgotten_topic, told, told.event_type)
        await self._purge_list(user_hash, tombstone)
        await self._memories.forget(user_hash)
        await self._tombstones.finish(user_hash, tombstone)
        log.info("A user was forgotten", extra={"fields": {"user_hash": user_hash, "sessions": len(sessions)}})

    async def _purge_list(self, user_hash: str, tombstone: Tombstone | None) -> None:
        # Not where a younger turn may be on its way: its session would be on no list when it is to be forgotten.
        if tombstone is not None and tombstone.again_since is None:
            await self._conversations.purge_list(user_hash)

    async def _trim_streams(self) -> None:
        # Only the streams that this app may write to: chat-service does the same for its own.
        for topic in (self._settings.forgotten_topic, self._settings.dead_letter_topic):
            for _ in range(MARKERS):
                told = StreamTrimmed(timestamp=now())
                await self._dapr.publish(topic, told, told.event_type)
