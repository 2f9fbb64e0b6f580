"""What is left of a forgotten user: a hash and times, so that a late event cannot bring the user back."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from models import now
from store import NEVER, Object, StateStore

# After the last trim of the streams is due: for one that is late.
MARGIN = timedelta(seconds=15)


@dataclass(frozen=True)
class Tombstone:
    """A user was forgotten, for the `number`th time.

    Of one who was known nothing may be kept until somebody asks for that (`again_since`); of one who was unknown, only
    nothing that was said before.
    """

    number: int
    gone_by: datetime
    done: bool
    again_since: datetime | None
    expires: bool

    def admits(self, at: datetime) -> bool:
        """Whether something of that time may be kept."""
        return self.again_since is not None and at >= self.again_since


def admits(tombstone: Tombstone | None, at: datetime) -> bool:
    """Whether something of that time may be kept; all of it for a user who was never forgotten."""
    return tombstone is None or tombstone.admits(at)


class Tombstones:
    """Keeps them under `forgotten:{user_hash}`: for good, because an event may come late by any time.

    Only that of a user who was never known expires. Anybody may ask for that of any name, and when the streams are rid
    of what was on its way, it has done its work.
    """

    def __init__(self, store: StateStore, until_gone: timedelta) -> None:
        self._store = store
        self._until_gone = until_gone + MARGIN

    async def get(self, user_hash: str) -> Tombstone | None:
        """The user's tombstone, if there is one."""
        stone = (await self._store.get(key_of(user_hash))).value
        return _read(stone) if stone else None

    async def put(self, user_hash: str, is_known: bool) -> Tombstone:
        """Forbids all that there is of the user; each time anew, for there may be more of it than the last time."""
        at = now()

        def fresh(stone: Object | None) -> Object:
            before = _read(stone) if stone else None
            is_closed = is_known or (before is not None and before.again_since is None)
            return {
                "number": before.number + 1 if before else 1,
                "gone_by": (at + self._until_gone).isoformat(),
                "done": False,
                "again_since": None if is_closed else at.isoformat(),
                "expires": not is_closed and (before is None or before.expires),
            }

        stone = await self._store.change(key_of(user_hash), fresh, NEVER)
        assert stone is not None
        return _read(stone)

    async def finish(self, user_hash: str, finished: Tombstone) -> None:
        """All that could be deleted was; not so if it was asked for again meanwhile."""
        ttl = max(1, round((finished.gone_by - now()).total_seconds())) if finished.expires else NEVER
        await self._store.change(
            key_of(user_hash),
            lambda stone: {**stone, "done": True} if stone and _read(stone).number == finished.number else stone,
            ttl,
        )

    async def lift(self, user_hash: str) -> None:
        """What is younger than this moment may be kept again; what is older stays forbidden."""
        since = now().isoformat()
        await self._store.change(
            key_of(user_hash), lambda stone: stone and {**stone, "again_since": stone["again_since"] or since}
        )


def key_of(user_hash: str) -> str:
    """Where a user's tombstone is."""
    return f"forgotten:{user_hash}"


def _read(stone: Object) -> Tombstone:
    again = stone["again_since"]
    return Tombstone(
        # Those of an earlier version do not have all of it.
        number=stone.get("number", 0),
        gone_by=datetime.fromisoformat(stone["gone_by"]),
        done=stone["done"],
        again_since=datetime.fromisoformat(again) if again else None,
        expires=stone.get("expires", False),
    )
