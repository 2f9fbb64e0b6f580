"""A message is answered once: who claims its key first has it answered, whoever comes later waits for that answer.

An instance id alone would not do: once a workflow is finished, Dapr starts another under the same id without a word.
"""

from datetime import datetime

from pydantic import BaseModel

from store import Conflict, Store
from turn import Answered, ChatTurn
from user_hash import message_digest


class Claim(BaseModel):
    """What is known of one message: which workflow answers it, and, once there is one, the reply."""

    user_id: str
    session_id: str
    message_id: str
    timestamp: datetime
    made_at: datetime
    tags: list[str] = []
    run: int = 1
    failed: bool = False
    answered: Answered | None = None


class Claims:
    """The claims, one key a message: `message:{digest}`.

    They expire. Then a message id is answered anew, and memory keeps only the first of its turns.
    """

    def __init__(self, store: Store, ttl_seconds: int) -> None:
        self._store, self._ttl = store, ttl_seconds

    async def make(self, turn: ChatTurn) -> tuple[Claim, bool]:
        """Claims a message. Returns the claim there is now, and whether it is the one made here."""
        claim = claim_of(turn)
        key = key_of(digest_of(turn))
        while True:
            try:
                await self._store.write(key, claim, etag="", ttl_seconds=self._ttl)
            except Conflict:
                # It may have expired, or been forgotten, since.
                if found := (await self._store.read(key, Claim))[0]:
                    return found, False
            else:
                return claim, True

    async def of(self, digest: str) -> Claim | None:
        """The claim of a message, if there is one."""
        return (await self._store.read(key_of(digest), Claim))[0]

    async def run_again(self, digest: str, failed_run: int) -> Claim | None:
        """Has a message whose workflow failed answered by another one. Of several who ask at once, one starts it."""

        def change(claim: Claim | None) -> Claim | None:
            if claim is None or claim.answered or claim.run != failed_run:
                return None
            return claim.model_copy(update={"run": failed_run + 1, "failed": False})

        return await self._store.update(key_of(digest), Claim, change, self._ttl)

    async def settle(self, turn: ChatTurn, run: int, answered: Answered | None) -> None:
        """Notes the reply, or that this run has none. A claim that is gone stays gone: its user was forgotten."""

        def change(claim: Claim | None) -> Claim | None:
            if claim is None or claim.answered or (answered is None and claim.run != run):
                return None
            return claim.model_copy(update={"answered": answered, "failed": answered is None})

        await self._store.update(key_of(digest_of(turn)), Claim, change, self._ttl)

    async def drop(self, digest: str) -> None:
        """Removes the claim of a message."""
        await self._store.delete(key_of(digest))


def claim_of(turn: ChatTurn) -> Claim:
    """The claim that a message starts with."""
    return Claim(
        user_id=turn.user_id,
        session_id=turn.session_id,
        message_id=turn.message_id,
        timestamp=turn.timestamp,
        made_at=turn.received_at,
        tags=turn.tags,
    )


def digest_of(turn: ChatTurn) -> str:
    """What stands for a message in keys and instance ids."""
    return message_digest(turn.user_hash, turn.message_id)


def instance_id(digest: str, run: int) -> str:
    """The workflow that answers a message, `run` counting those that failed before it."""
    return f"chat-{digest}-{run}"


def parts_of(instance_id: str) -> tuple[str, int]:
    """The digest and the run in an instance id."""
    _, digest, run = instance_id.split("-")
    return digest, int(run)


def key_of(digest: str) -> str:
    return f"message:{digest}"
