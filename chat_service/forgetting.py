"""Forgetting a user: what chat holds of one are workflows with their texts, replies to repeats, and sessions."""

import logging
from datetime import UTC, datetime

from claims import Claims, parts_of
from events import Events
from models import Leftovers, UserForgottenData
from sessions import Sessions
from workflows import Workflows

log = logging.getLogger("chat")


class Forgetting:
    """Removes what chat has of a user whom memory forgot; the same again removes the rest of what failed half-way."""

    def __init__(self, workflows: Workflows, claims: Claims, sessions: Sessions, events: Events) -> None:
        self._workflows, self._claims, self._sessions, self._events = workflows, claims, sessions, events

    async def forget(self, event: UserForgottenData) -> None:
        """Raises StepFailed when something is left; the sessions lead to all else, so they go last."""
        now, removed = datetime.now(UTC), 0
        # A request that is here just now has read its session, and writes it once more.
        newest = await self._sessions.of_user(event.user_hash)
        leftovers = Leftovers(user_hash=event.user_hash, forgotten_at=now, session_ids=newest)
        session_ids = dict.fromkeys([*event.session_ids, *newest])
        for session_id in session_ids:
            instances, unended = await self._sessions.instances(session_id, event.user_hash)
            # As does a step that is under way.
            leftovers.digests += [parts_of(instance_id)[0] for instance_id in unended]
            if unended and session_id not in newest:
                leftovers.session_ids.append(session_id)
            # Newest first: those may still be running, and the older ones are dead weight only.
            for instance_id in reversed(instances):
                await self._workflows.remove(instance_id)
                await self._claims.drop(parts_of(instance_id)[0])
                removed += 1
        # Deleted from state, the texts are still in the stream they were published on. Ordered while the sessions are
        # still there: when this fails, they lead the next try to all of it again.
        await self._events.trim_later(leftovers)
        for session_id in session_ids:
            await self._sessions.drop(session_id, event.user_hash, now)
        await self._sessions.drop_list(event.user_hash)
        log.info("A user was forgotten.", extra={"fields": {"workflows": removed}})

    async def sweep(self, leftovers: Leftovers) -> None:
        """Removes what came back, and has the stream trimmed: the job that forget() ordered.

        Ending a workflow does not stop its activity, and on Redis a write with the ETag of a deleted key succeeds.
        """
        for digest in leftovers.digests:
            claim = await self._claims.of(digest)
            if claim is not None and claim.made_at <= leftovers.forgotten_at:
                await self._claims.drop(digest)
        for session_id in leftovers.session_ids:
            await self._sessions.drop(session_id, leftovers.user_hash, leftovers.forgotten_at)
        await self._events.stream_trimmed()
