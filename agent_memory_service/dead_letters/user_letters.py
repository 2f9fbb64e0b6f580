"""Dead letters belong to users too: those of a forgotten user are not kept."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from forgetting.tombstones import Tombstones
from kit.sidecar import events
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.events import CloudEvent
from users import UserHashes

TIME = TypeAdapter[datetime](AwareDatetime)


class UserLetters:
    """Keep dead letters, except those of forgotten users."""

    def __init__(self, letters: DeadLetters, hashes: UserHashes, tombstones: Tombstones) -> None:
        self._letters, self._hashes, self._tombstones = letters, hashes, tombstones

    async def keep(self, event: CloudEvent, reason: str) -> None:
        """Keep an event and why it failed, unless its user is forgotten, or is just being forgotten."""
        user_id = _about(event).get("user_id")
        user_hash = await self._hashes.of(user_id) if isinstance(user_id, str) else None
        if await self._may_be_kept(user_hash, event):
            letter_id = await self._letters.keep(event, reason, user_hash=user_hash)
            if not await self._may_be_kept(user_hash, event):
                await self._letters.remove(letter_id)

    async def forget(self, user_hash: str) -> None:
        """Delete the letters of a forgotten user. It reads the whole list, which should be short."""
        await self._letters.purge(lambda letter: letter["user_hash"] != user_hash)

    async def _may_be_kept(self, user_hash: str | None, event: CloudEvent) -> bool:
        return user_hash is None or (await self._tombstones.get(user_hash)).admits(_said_at(event))


def _said_at(event: CloudEvent) -> datetime:
    """Return when the turn was said or, if its event does not say, sent. Without both it counts as old."""
    for time in (_about(event).get("timestamp"), event.get("time")):
        with suppress(ValidationError):
            return TIME.validate_python(time)
    return datetime.min.replace(tzinfo=UTC)


def _about(event: CloudEvent) -> dict[str, Any]:
    data = events.data_of(event)
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}
