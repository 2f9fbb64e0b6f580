"""Forgetting a user: what chat holds of one are workflows with their texts, replies to repeats, and sessions."""

import logging

from claims import Claims, parts_of
from events import Events
from models import UserForgottenData
from sessions import Sessions
from workflows import Workflows

log = logging.getLogger("chat")


class Forgetting:
    """Removes what chat has of a user whom memory forgot; the same again removes the rest of what failed half-way."""

    def __init__(self, workflows: Workflows, claims: Claims, sessions: Sessions, events: Events) -> None:
        self._workflows, self._claims, self._sessions, self._events = workflows, claims, sessions, events

    async def forget(self, event: UserForgottenData) -> None:
        """Raises StepFailed when something is left; the sessions lead to all else, so they go last."""
        removed = 0
        for session_id in dict.fromkeys([*event.session_ids, *await self._sessions.of_user(event.user_hash)]):
            # Newest first: those may still be running, and the older ones are dead weight only.
            for instance_id in reversed(await self._sessions.instances(session_id, event.user_hash)):
                await self._workflows.remove(instance_id)
                await self._claims.drop(parts_of(instance_id)[0])
                removed += 1
            await self._sessions.drop(session_id, event.user_hash)
        await self._sessions.drop_list(event.user_hash)
        # Deleted from state, the texts are still in the stream they were published on.
        await self._events.trim_later(event.user_hash)
        log.info("A user was forgotten.", extra={"fields": {"workflows": removed}})
