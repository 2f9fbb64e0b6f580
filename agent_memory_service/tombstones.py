"""What is left of a forgotten user: a hash and times, so that a late event cannot bring the user back."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from models import now
from store import Object, StateStore

# From the end of the streams' TTL to the time that is stated: for a job that is late, or a sidecar that restarts.
MARGIN = timedelta(seconds=15)


@dataclass(frozen=True)
class Tombstone:
    """A user was forgotten, and may be remembered anew since `again_since`, when somebody asked for that."""

    gone_by: datetime
    done: bool
    again_since: datetime | None

    def admits(self, at: datetime) -> bool:
        """Whether something of that time may be kept."""
        return self.again_since is not None and at >= self.again_since


def admits(tombstone: Tombstone | None, at: datetime) -> bool:
    """Whether something of that time may be kept; all of it for a user who was never forgotten."""
    return tombstone is None or tombstone.admits(at)


class Tombstones:
    """Keeps them under `forgotten:{user_hash}`. They are never deleted: an event may come late by any time."""

    def __init__(self, store: StateStore, stream_ttl_seconds: int) -> None:
        self._store = store
        self._until_gone = timedelta(seconds=stream_ttl_seconds) + MARGIN

    async def get(self, user_hash: str) -> Tombstone | None:
        """The user's tombstone, if there is one."""
        return _read((await self._store.get(key_of(user_hash))).value)

    async def put(self, user_hash: str) -> Tombstone:
        """Forbids all that is known of the user; asked twice, the first one's times stay."""
        fresh = {"gone_by": (now() + self._until_gone).isoformat(), "done": False, "again_since": None}
        stone = await self._store.change(
            key_of(user_hash), lambda stone: fresh if stone is None or stone["again_since"] else stone
        )
        told = _read(stone)
        assert told is not None
        return told

    async def finish(self, user_hash: str) -> None:
        """All that could be deleted was."""
        await self._store.change(key_of(user_hash), lambda stone: stone and {**stone, "done": True})

    async def lift(self, user_hash: str) -> None:
        """What is younger than this moment may be kept again; what is older stays forbidden."""
        since = now().isoformat()
        await self._store.change(
            key_of(user_hash), lambda stone: stone and {**stone, "again_since": stone["again_since"] or since}
        )


def key_of(user_hash: str) -> str:
    """Where a user's tombstone is."""
    return f"forgotten:{user_hash}"


def _read(stone: Object | None) -> Tombstone | None:
    if stone is None:
        return None
    again = stone["again_since"]
    return Tombstone(
        gone_by=datetime.fromisoformat(stone["gone_by"]),
        done=stone["done"],
        again_since=datetime.fromisoformat(again) if again else None,
    )
