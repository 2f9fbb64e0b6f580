"""The messages of a session are answered one after the other: its queue, and its last turns.

`session:{session_id}` holds the queue, the turns that memory may not have yet, and the ids of the workflows that were
started for it. When there are many ids they become a page, `session:{session_id}:{n}`, which expires with the last of
its claims. So the session stays small, and forgetting finds every workflow that may still exist. `user:{user_hash}`
lists the sessions that a user opened last. The event by which memory forgets a user names the older ones.
"""

from datetime import datetime

from pydantic import BaseModel

from messages import Message, Turn

PAGE_SIZE = 25
RECENT_TURNS = 5
LONGEST_QUEUE = 100
SESSIONS_PER_USER = 200


class OfAnotherUser(Exception):
    """A session belongs to the user that opened it."""


class QueueFull(Exception):
    """Too many messages of a session wait already."""


class Waiting(BaseModel):
    """A message in the queue."""

    instance_id: str
    since: datetime


class Session(BaseModel):
    """The value of `session:{session_id}`."""

    user_hash: str
    opened_at: datetime
    queue: list[Waiting] = []
    recent: list[Turn] = []
    instances: list[str] = []
    pages: int = 0


def queued(found: Session | None, message: Message, instance_id: str) -> Session:
    """Return the session with a message at the end of its queue, unless it is queued already.

    Raise OfAnotherUser or QueueFull.
    """
    session = found or Session(user_hash=message.user_hash, opened_at=message.received_at)
    if session.user_hash != message.user_hash:
        raise OfAnotherUser(message.session_id)
    if any(each.instance_id == instance_id for each in session.queue):
        return session
    if len(session.queue) >= LONGEST_QUEUE:
        raise QueueFull(message.session_id)
    return session.model_copy(
        update={
            "queue": [*session.queue, Waiting(instance_id=instance_id, since=message.received_at)],
            "instances": [*(each for each in session.instances if each != instance_id), instance_id],
        }
    )


def without(
    found: Session | None, instance_id: str, turn: Turn | None = None, remembered: list[str] | None = None
) -> Session | None:
    """Return the session with a message taken out of its queue, and its turn added to the recent ones.

    Turns that memory has by now are dropped. A deleted session stays deleted: its user was forgotten.
    """
    if found is None:
        return None
    known = {*(remembered or []), turn.message_id if turn else ""}
    recent = [each for each in found.recent if each.message_id not in known]
    queue = [each for each in found.queue if each.instance_id != instance_id]
    return found.model_copy(update={"queue": queue, "recent": [*recent, *([turn] if turn else [])][-RECENT_TURNS:]})


def session_key(session_id: str) -> str:
    """Return the state key of a session."""
    return f"session:{session_id}"


def page_key(session_id: str, number: int) -> str:
    """Return the state key of a page of a session: instance ids that are no longer in its value."""
    return f"session:{session_id}:{number}"


def user_key(user_hash: str) -> str:
    """Return the state key of the list of a user's sessions, newest last."""
    return f"user:{user_hash}"
