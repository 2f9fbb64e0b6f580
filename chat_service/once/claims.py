"""A message is answered once: the request that claims its key has it answered, and repeats wait for that answer.

An instance id is no claim: when a workflow has finished, Dapr starts another under the same id.
"""

import hashlib
from datetime import datetime

from pydantic import BaseModel

from messages import Answered, Message


class Claim(BaseModel):
    """The value of `message:{digest}`: the workflow that answers a message, and its reply once there is one.

    It expires. After that a message id is answered again, and memory keeps only the first of its turns.
    """

    user_id: str
    session_id: str
    message_id: str
    timestamp: datetime
    made_at: datetime
    tags: list[str] = []
    run: int = 1
    failed: bool = False
    answered: Answered | None = None


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


def settled(claim: Claim | None, run: int, answered: Answered | None) -> Claim | None:
    """Return the claim with its reply, or None to leave it. A deleted claim stays deleted: its user was forgotten."""
    if claim is None or claim.answered or (answered is None and claim.run != run):
        return None
    return claim.model_copy(update={"answered": answered, "failed": answered is None})


def digest_of(message: Message) -> str:
    """Return 32 hex digits for one message of one user. Its claim's key and its instance ids are made from them."""
    return hashlib.sha256(f"{message.user_hash}:{message.message_id}".encode()).hexdigest()[:32]


def claim_key(digest: str) -> str:
    """Return the state key of a claim."""
    return f"message:{digest}"


def instance_id(digest: str, run: int) -> str:
    """Return the id of the workflow that answers a message. `run` counts the workflows that failed before it."""
    return f"chat-{digest}-{run}"


def parts_of(instance_id: str) -> tuple[str, int]:
    """Return the digest and the run in an instance id."""
    _, digest, run = instance_id.split("-")
    return digest, int(run)
