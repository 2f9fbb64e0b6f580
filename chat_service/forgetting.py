"""Forget a user: delete the workflows with the user's texts, the replies that repeats get, and the sessions."""

import logging
from datetime import UTC, datetime

from events import Events
from kit.engine.instances import Instances, LostInstance
from models import Leftovers, UserForgottenData
from once.claims import Claims, parts_of
from once.sessions import Sessions

log = logging.getLogger("chat")


class Forgetting:
    """Delete everything that chat has of a user. A repeat deletes the rest if an attempt failed half-way."""

    def __init__(self, instances: Instances, claims: Claims, sessions: Sessions, events: Events) -> None:
        self._instances, self._claims, self._sessions, self._events = instances, claims, sessions, events

    async def forget(self, event: UserForgottenData) -> None:
        """Forget a user, the sessions last because they lead to the rest. Raise Unavailable if something is left."""
        now, removed = datetime.now(UTC), 0
        # A request in flight has read its session, and may write it again.
        newest = await self._sessions.of_user(event.user_hash)
        leftovers = Leftovers(user_hash=event.user_hash, forgotten_at=now, session_ids=newest)
        session_ids = dict.fromkeys([*event.session_ids, *newest])
        for session_id in session_ids:
            instances, unended = await self._sessions.instances(session_id, event.user_hash)
            # So may a step in flight.
            leftovers.digests += [parts_of(instance_id)[0] for instance_id in unended]
            if unended and session_id not in newest:
                leftovers.session_ids.append(session_id)
            # Newest first, because those may still be running.
            for instance_id in reversed(instances):
                await self._remove(instance_id)
                removed += 1
        # Deleted from state, the texts are still in the stream that they were published on. The job is scheduled while
        # the sessions still exist: if this fails, they lead the next attempt to everything again.
        await self._events.trim_later(leftovers)
        for session_id in session_ids:
            await self._sessions.drop(session_id, event.user_hash, now)
        await self._sessions.drop_list(event.user_hash)
        log.info("user forgotten", extra={"workflows": removed})

    async def _remove(self, instance_id: str) -> None:
        try:
            await self._instances.purge(instance_id, "forgotten")
        except LostInstance as error:
            # Dapr loads an instance before it does anything with it, so only the store itself can delete these keys.
            log.error("lost workflow cannot be removed", extra={"instance_id": instance_id, "reason": error.reason})
        await self._claims.drop(parts_of(instance_id)[0])

    async def sweep(self, leftovers: Leftovers) -> None:
        """Delete the keys that were written again, and have the stream trimmed: the job that `forget` scheduled.

        Ending a workflow does not stop its activity, and on Redis a write with the ETag of a deleted key succeeds.
        """
        for digest in leftovers.digests:
            claim = await self._claims.of(digest)
            if claim is not None and claim.made_at <= leftovers.forgotten_at:
                await self._claims.drop(digest)
        for session_id in leftovers.session_ids:
            await self._sessions.drop(session_id, leftovers.user_hash, leftovers.forgotten_at)
        await self._events.stream_trimmed()
