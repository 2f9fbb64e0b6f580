"""Forget a user: first a tombstone, then everything else, by a job that Dapr repeats until it is done.

An event may be in flight, here or in another replica, while its user is forgotten; its next write then brings something
back. So each writer looks at the tombstone again after its last write, and cleans up if there is one. If the write was
before the tombstone, the job starts after it and finds the written keys. Otherwise the writer finds the tombstone.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from conversations import Conversations
from forgetting.tombstones import Tombstones
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.events import Publisher
from kit.sidecar.jobs import Jobs
from memories import Memories
from models import ConversationUpdated, StreamTrimmed, UserForgotten, now
from settings import Settings

log = logging.getLogger("memory.forgetting")

FORGOTTEN_TOPIC = "user-forgotten"
# The streams that this app may write to; chat-service trims its own.
STREAMS = (FORGOTTEN_TOPIC, "conversations-dead")
FORGET_JOB = "forget-"
TRIM_JOB = "trim-"
# A stream drops events older than its TTL when something is written to it; this long after, clocks agree on that.
AFTER_TTL_SECONDS = 5
# For a trim that is late.
MARGIN_SECONDS = 15
# Once for the events in the streams at the time of the request, once for those that follow: see the settings.
TRIMS = 2
# One write has Redis drop at most 100 times its `stream-node-max-entries`, oldest first: 100 entries where that is 1.
MARKERS = 20
SESSIONS_PER_EVENT = 500


@dataclass
class Forgetter:
    """Remove everything that is known of a user, by hash. Methods raise Unavailable."""

    settings: Settings
    publisher: Publisher
    jobs: Jobs
    tombstones: Tombstones
    memories: Memories
    conversations: Conversations
    letters: DeadLetters

    async def begin(self, user_hash: str) -> datetime:
        """Write the tombstone and schedule the rest, also for a user unknown here: chat may have something of them.

        Return the time at which nothing is left. A repeated request does it all again. Its jobs have other names, so
        that each time that was stated holds.
        """
        ttl, slack = self.settings.stream_ttl_seconds, self.settings.forgetting_slack_seconds
        gone_by = now() + timedelta(seconds=ttl + slack + MARGIN_SECONDS)
        tombstone = await self.tombstones.put(user_hash)
        job = f"{user_hash}-{tombstone.number}"
        due = f"{ttl + AFTER_TTL_SECONDS}s"
        await self.jobs.schedule(f"{TRIM_JOB}{job}", due, schedule=f"@every {slack}s", repeats=TRIMS)
        await self.jobs.schedule(f"{FORGET_JOB}{job}", "0s")
        # A forgotten user is unknown at once, not when the job runs.
        await self.memories.forget(user_hash)
        return gone_by

    async def run_job(self, name: str) -> bool:
        """Run a job. Return False if it is not this service's."""
        if name.startswith(FORGET_JOB):
            await self._forget(name.removeprefix(FORGET_JOB).partition("-")[0])
        elif name.startswith(TRIM_JOB):
            await self._trim_streams()
        else:
            return False
        return True

    async def clean(self, user_hash: str, turn: ConversationUpdated) -> None:
        """Remove what an event brought back after its user was forgotten."""
        tombstone = await self.tombstones.get(user_hash)
        await self.conversations.purge(user_hash, turn.session_id, tombstone, turn.message_id)
        await self.memories.forget(user_hash)
        # Not if a younger turn may be in flight: its session would be on no list when it is to be forgotten.
        if tombstone.is_closed:
            await self.conversations.purge_list(user_hash)

    async def _forget(self, user_hash: str) -> None:
        tombstone = await self.tombstones.get(user_hash)
        # Dapr may call twice, and the user may be known again by then.
        if tombstone.done or not tombstone.is_closed:
            return
        sessions = await self.conversations.sessions(user_hash)
        for session_id in sessions:
            await self.conversations.purge(user_hash, session_id, tombstone)
        await self.letters.purge(lambda letter: letter["user_hash"] != user_hash)
        # Before the list of sessions goes: a repetition after a failure here needs it again.
        for start in range(0, max(len(sessions), 1), SESSIONS_PER_EVENT):
            some = sessions[start : start + SESSIONS_PER_EVENT]
            forgotten = UserForgotten(user_hash=user_hash, session_ids=some, timestamp=now())
            await self.publisher.publish(FORGOTTEN_TOPIC, forgotten.event_type, forgotten)
        await self.conversations.purge_list(user_hash)
        await self.memories.forget(user_hash)
        await self.tombstones.finish(user_hash, tombstone.number)
        log.info("user forgotten", extra={"user_hash": user_hash, "sessions": len(sessions)})

    async def _trim_streams(self) -> None:
        for topic in STREAMS:
            for _ in range(MARKERS):
                marker = StreamTrimmed(timestamp=now())
                await self.publisher.publish(topic, marker.event_type, marker)
