"""Turn events into notifications: every subscription ends here, and so does the replay of a dead letter.

Dapr delivers an event at least once, and two deliveries may run at once. So a notification's id is made of its event's
source and id, and the store keeps the first notification with an id.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

from pydantic import ValidationError

from kit.edge.faults import Faults
from kit.sidecar import events
from kit.sidecar.collection import Collection
from kit.sidecar.events import CloudEvent
from models import Announcement, DueTask, Message, Notification, Reminder, TaskEvent, TaskNotice

ANNOUNCEMENTS, REMINDERS, SNOOZES, TASK_EVENTS = "announcements", "reminders", "snoozes", "task-events"
TASK_DUE = "task.due"
EXPIRED = "The event expired before it could be delivered."
VALID = "The event is valid. Another app refused it, or a dependency failed until the retries were used up."


class Content(Protocol):
    """The data of an event."""

    def to_message(self) -> Message:
        """Return the message for its user."""
        ...


def content_of(event: CloudEvent, topic: object) -> Content:
    """Return the checked data of an event. Raise ValidationError, also for an event of no known topic."""
    # A raw payload has no envelope: it is the data.
    data = events.data_of(event) if "specversion" in event else event
    if topic == ANNOUNCEMENTS:
        return Announcement.model_validate(data)
    if topic == REMINDERS and event.get("type") == TASK_DUE:
        return DueTask.model_validate(data)
    if topic in (REMINDERS, SNOOZES):
        return Reminder.model_validate(data)
    if topic == TASK_EVENTS:
        return TaskEvent.model_validate(data)
    raise ValidationError.from_exception_data("event", [{"type": "missing", "loc": ("topic",), "input": None}])


def reason(event: CloudEvent, topic: object) -> str:
    """Return why an event became a dead letter, which Dapr does not say."""
    try:
        content_of(event, topic)
    except ValidationError as error:
        return events.why(error, event)
    return EXPIRED if _is_expired(event) else VALID


def _is_expired(event: CloudEvent) -> bool:
    # Dapr writes the time to live of a message into its event, and makes a late one a dead letter.
    with suppress(ValueError, TypeError):
        return datetime.fromisoformat(str(event.get("expiration"))) < datetime.now(UTC)
    return False


class Inbox:
    """Store notifications, each event's once. Methods raise Unavailable if the store is down."""

    def __init__(self, notifications: Collection[Notification], faults: Faults) -> None:
        self._notifications, self._faults = notifications, faults

    async def take(self, event: CloudEvent, topic: object) -> None:
        """Store the notification of an event. Raise ValidationError for an event that can never become one."""
        await self._faults.strike()
        message = content_of(event, topic).to_message()
        await self._add(message, _id_of(event), topic=str(topic), event_id=events.id_of(event))

    async def notice(self, notice: TaskNotice) -> str:
        """Store the notification of an event that another app passes on; return the notification's id."""
        known_as = _id_of({"source": notice.source, "id": notice.event_id})
        await self._add(notice.to_message(), known_as, topic=TASK_EVENTS, event_id=notice.event_id)
        return known_as

    async def post(self, message: Message) -> Notification:
        """Store a notification that is about no event."""
        return await self._add(message, uuid4().hex, topic=None, event_id=None)

    async def _add(self, message: Message, known_as: str, *, topic: str | None, event_id: str | None) -> Notification:
        new = Notification(
            **message.model_dump(), id=known_as, topic=topic, event_id=event_id, created_at=datetime.now(UTC)
        )
        stored = await self._notifications.change(known_as, lambda known: known or new)
        return stored or new


def _id_of(event: CloudEvent) -> str:
    # CloudEvents: source and id together name an event. Its data does not count. A raw payload has neither.
    named = bool(event.get("id"))
    about: dict[str, Any] = {"source": event.get("source"), "id": event["id"]} if named else event
    return events.digest(about)
