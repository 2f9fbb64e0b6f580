"""The tombstone of a forgotten user: a hash and times, so that a late event cannot bring the user back."""

from datetime import datetime

from pydantic import BaseModel

from kit.sidecar.store import Object, StateStore
from models import now


class Tombstone(BaseModel):
    """The mark of a forgotten user, for the `number`th time; other users have an empty one.

    Nothing may be kept of the user until a new `initialize` (`again_since`), and then nothing that was said before it.
    """

    number: int = 0
    done: bool = False
    again_since: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing at all may be kept."""
        return self.number > 0 and self.again_since is None

    def admits(self, at: datetime) -> bool:
        """Check whether something of that time may be kept."""
        return self.number == 0 or (self.again_since is not None and at >= self.again_since)


class Tombstones:
    """Keep tombstones under `forgotten:{user_hash}`, for `ttl` seconds after their last change."""

    def __init__(self, store: StateStore[Object], ttl: int) -> None:
        self._store, self._ttl = store.of(Tombstone), ttl

    async def get(self, user_hash: str, *, fresh: bool = False) -> Tombstone:
        """Return the user's tombstone; `fresh` asks the store even within `read_ahead`."""
        return (await self._store.get(key_of(user_hash), fresh=fresh)).value or Tombstone()

    async def put(self, user_hash: str) -> Tombstone:
        """Forbid everything of the user: each time again, because there may be more than the last time."""

        def edit(before: Tombstone | None) -> Tombstone:
            return Tombstone(number=before.number + 1 if before else 1)

        tombstone = await self._store.change(key_of(user_hash), edit, self._ttl)
        assert tombstone is not None
        return tombstone

    async def finish(self, user_hash: str, number: int) -> None:
        """Note that everything is deleted, unless the user was forgotten again since."""

        def edit(tombstone: Tombstone | None) -> Tombstone | None:
            if tombstone is None or tombstone.number != number:
                return None
            return tombstone.model_copy(update={"done": True})

        await self._store.change(key_of(user_hash), edit, self._ttl)

    async def lift(self, user_hash: str) -> None:
        """Allow turns younger than this moment; older ones stay forbidden."""
        since = now()

        def edit(tombstone: Tombstone | None) -> Tombstone | None:
            return tombstone and tombstone.model_copy(update={"again_since": tombstone.again_since or since})

        await self._store.change(key_of(user_hash), edit, self._ttl)


def key_of(user_hash: str) -> str:
    """Return the key of a user's tombstone."""
    return f"forgotten:{user_hash}"
