"""A message is answered once: the request that claims its key has it answered, and repeats wait for that answer.

An instance id is no claim: when a workflow has finished, Dapr starts another under the same id.
"""

from datetime import datetime

from pydantic import BaseModel

from kit.sidecar.store import Conflict, StateStore
from messages import Answered, Message
from once.hashes import message_digest


class Claim(BaseModel):
    """The value of `message:{digest}`: the workflow that answers a message, and its reply once there is one."""

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
    """The claims in the state store, one key per message.

    They expire. After that a message id is answered again, and memory keeps only the first of its turns.
    """

    def __init__(self, store: StateStore[dict[str, object]], ttl_seconds: int) -> None:
        self._store, self._ttl = store.of(Claim), ttl_seconds

    async def make(self, message: Message) -> tuple[Claim, bool]:
        """Claim a message. Return the claim that is stored, and whether this call made it."""
        claim, key = claim_of(message), claim_key(digest_of(message))
        while True:
            try:
                # Two requests in one microsecond may both take the claim for theirs. Both then start one instance.
                await self._store.save(key, claim, None, self._ttl, is_unique=True)
            except Conflict:
                # It may have expired, or been forgotten, since.
                if found := (await self._store.get(key)).value:
                    return found, False
            else:
                return claim, True

    async def of(self, digest: str) -> Claim | None:
        """Return the claim of a message, if there is one."""
        return (await self._store.get(claim_key(digest))).value

    async def run_again(self, digest: str, failed_run: int) -> Claim | None:
        """Count up the run of a message whose workflow failed. Of several callers at once, one does."""

        def next_run(claim: Claim | None) -> Claim | None:
            if claim is None or claim.answered or claim.run != failed_run:
                return None
            return claim.model_copy(update={"run": failed_run + 1, "failed": False})

        return await self._store.change(claim_key(digest), next_run, self._ttl)

    async def settle(self, digest: str, run: int, answered: Answered | None) -> Answered | None:
        """Note the reply, or that this run has none. Return the reply that is noted."""
        claim = await self._store.change(claim_key(digest), lambda claim: settled(claim, run, answered), self._ttl)
        return claim and claim.answered

    async def drop(self, digest: str) -> None:
        """Delete the claim of a message."""
        await self._store.delete(claim_key(digest))


def settled(claim: Claim | None, run: int, answered: Answered | None) -> Claim | None:
    """Return the claim with its reply, or None to leave it. A deleted claim stays deleted: its user was forgotten."""
    if claim is None or claim.answered or (answered is None and claim.run != run):
        return None
    return claim.model_copy(update={"answered": answered, "failed": answered is None})


def claim_of(message: Message) -> Claim:
    """Return the claim that a message starts with."""
    return Claim(
        user_id=message.user_id,
        session_id=message.session_id,
        message_id=message.message_id,
        timestamp=message.timestamp,
        made_at=message.received_at,
        tags=message.tags,
    )


def digest_of(message: Message) -> str:
    """Return the digest that stands for a message in keys and instance ids."""
    return message_digest(message.user_hash, message.message_id)


def instance_id(digest: str, run: int) -> str:
    """Return the id of the workflow that answers a message. `run` counts the workflows that failed before it."""
    return f"chat-{digest}-{run}"


def parts_of(instance_id: str) -> tuple[str, int]:
    """Return the digest and the run in an instance id."""
    _, digest, run = instance_id.split("-")
    return digest, int(run)


def claim_key(digest: str) -> str:
    """Return the state key of a claim."""
    return f"message:{digest}"
