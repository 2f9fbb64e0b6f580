"""Delete the workflows with a user's texts, the replies that repeats get, and the sessions."""

import logging
from datetime import UTC, datetime

from events import Events
from kit.engine.instances import Instances, LostInstance
from kit.sidecar.store import StateStore, Stored
from models import Leftovers, UserForgottenData
from once.claims import Claim, claim_key, parts_of
from once.sessions import Session, page_key, session_key, user_key

log = logging.getLogger("chat")


class Forgetting:
    """Delete everything that chat has of a user. A repeat deletes the rest if an attempt failed half-way."""

    def __init__(self, store: StateStore[dict[str, object]], instances: Instances, events: Events) -> None:
        self._claims, self._sessions = store.of(Claim), store.of(Session)
        self._lists = store.of(list[str])
        self._instances, self._events = instances, events

    async def forget(self, event: UserForgottenData) -> None:
        """Forget a user, the sessions last because they lead to the rest. Raise Unavailable if something is left."""
        now, removed, user_hash = datetime.now(UTC), 0, event.user_hash
        newest = (await self._lists.get(user_key(user_hash))).value or []
        # A request in flight has read its session, and may write it again.
        leftovers = Leftovers(user_hash=user_hash, forgotten_at=now, session_ids=newest)
        session_ids = dict.fromkeys([*event.session_ids, *newest])
        for session_id in session_ids:
            session = await self._session_of(user_hash, session_id)
            if session is None:
                continue
            # So may a step in flight.
            leftovers.digests += [parts_of(each.instance_id)[0] for each in session.queue]
            if session.queue and session_id not in newest:
                leftovers.session_ids.append(session_id)
            pages = [page.value or [] for page in await self._pages_of(session_id, session)]
            # Newest first, because those may still be running.
            for instance_id in (one for part in (session.instances, *pages) for one in reversed(part)):
                await self._remove(instance_id)
                removed += 1
        # Deleted from state, the texts are still in the stream that they were published on. The job is scheduled while
        # the sessions still exist: if this fails, they lead the next attempt to everything again.
        await self._events.trim_later(leftovers)
        for session_id in session_ids:
            await self._drop_session(user_hash, session_id, now)
        await self._lists.delete(user_key(user_hash))
        log.info("user forgotten", extra={"workflows": removed})

    async def sweep(self, leftovers: Leftovers) -> None:
        """Delete the keys that were written again, and have the stream trimmed: the job that `forget` scheduled.

        Ending a workflow does not stop its activity, and on Redis a write with the ETag of a deleted key succeeds.
        """
        for digest in leftovers.digests:
            claim = (await self._claims.get(claim_key(digest))).value
            if claim is not None and claim.made_at <= leftovers.forgotten_at:
                await self._claims.delete(claim_key(digest))
        for session_id in leftovers.session_ids:
            await self._drop_session(leftovers.user_hash, session_id, leftovers.forgotten_at)
        await self._events.stream_trimmed()

    async def _remove(self, instance_id: str) -> None:
        try:
            await self._instances.purge(instance_id, "forgotten")
        except LostInstance as error:
            # Dapr loads an instance before it does anything with it, so only the store itself can delete these keys.
            log.error("lost workflow cannot be removed", extra={"instance_id": instance_id, "reason": error.reason})
        await self._claims.delete(claim_key(parts_of(instance_id)[0]))

    async def _session_of(self, user_hash: str, session_id: str) -> Session | None:
        session = (await self._sessions.get(session_key(session_id))).value
        return session if session and session.user_hash == user_hash else None

    async def _pages_of(self, session_id: str, session: Session) -> list[Stored[list[str]]]:
        """Return the pages of a session, newest first. Those before the first missing one have expired."""
        found: list[Stored[list[str]]] = []
        for number in reversed(range(session.pages)):
            page = await self._lists.get(page_key(session_id, number))
            if page.value is None:
                break
            found.append(page)
        return found

    async def _drop_session(self, user_hash: str, session_id: str, opened_before: datetime) -> None:
        """Delete a session: its pages, then the key that leads to them. Keep one that was opened since."""
        session = await self._session_of(user_hash, session_id)
        if session is not None and session.opened_at <= opened_before:
            for page in await self._pages_of(session_id, session):
                await self._lists.delete(page.key)
            await self._sessions.delete(session_key(session_id))
