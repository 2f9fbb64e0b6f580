"""The requests and answers of the notification service, and the events that become notifications."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

EVENT_ID = "8a6a2ad5-8f9d-4a4c-a1d0-7b2f8b0c3a77"
NOTIFICATION_ID = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
AT = "2026-01-02T03:04:05.678Z"
EVERYONE = "everyone"

LetterIdPath = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As the list has it", examples=["0a1b" * 8])]
Limit = Annotated[int, Query(ge=1, le=200, description="Page size")]
Before = Annotated[int | None, Query(ge=0, le=2**53, description="`next` of the page before")]

UserId = Annotated[str, Field(min_length=1, max_length=64, pattern="^[A-Za-z0-9._@-]+$", examples=["ada"])]
Text = Annotated[str, Field(min_length=1, max_length=1_000, examples=["Lunch is ready"])]
TaskId = Annotated[str, Field(min_length=1, max_length=100, examples=["7c9e6679"])]
Title = Annotated[str, Field(min_length=1, max_length=500, examples=["Water the plants"])]


class Message(BaseModel):
    """A message for a user: the body of POST /notifications."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"user_id": "ada", "message": "Hi"}]})

    user_id: UserId
    message: Text


class Announcement(BaseModel):
    """The data of an event of the topic `announcements`."""

    message: Text
    user_id: UserId = EVERYONE

    def to_message(self) -> Message:
        """Return the message for its user."""
        return Message(user_id=self.user_id, message=self.message)


class TaskEvent(BaseModel):
    """The data of an event of the topic `task-events`."""

    event_type: Annotated[str, Field(min_length=1, max_length=100, examples=["task.created"])]
    task_id: TaskId
    title: Title | None = None
    user_id: UserId = EVERYONE

    def to_message(self) -> Message:
        """Return the message for its user."""
        words = self.event_type.removeprefix("task.").replace("_", " ")
        return Message(user_id=self.user_id, message=f"Task {words}: {self.title or self.task_id}")


class TaskNotice(TaskEvent):
    """The body of POST /notify: the data of a task event, and the id of that event."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"event_id": EVENT_ID, "event_type": "task.created", "task_id": "7c9e6679", "title": "Water the plants"}
            ]
        }
    )

    event_id: Annotated[str, Field(min_length=1, max_length=200, description="The CloudEvent's id")]
    source: Annotated[str, Field(min_length=1, max_length=200, description="The CloudEvent's source")] = "task-api"


class Reminder(BaseModel):
    """The data of an event of the topics `reminders` and `snoozes`."""

    task_id: TaskId
    title: Title
    user_id: UserId = EVERYONE

    def to_message(self) -> Message:
        """Return the message of a reminder."""
        return Message(user_id=self.user_id, message=f"Reminder: {self.title}")


class DueTask(Reminder):
    """The data of an event of type `task.due`, which has its own route."""

    due_at: AwareDatetime

    def to_message(self) -> Message:
        """Return the message that a task is due."""
        at = self.due_at.astimezone(UTC).isoformat(timespec="minutes")
        return Message(user_id=self.user_id, message=f"Task due at {at}: {self.title}")


class Notification(Message):
    """A message as it was stored."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={})

    id: str = Field(examples=[NOTIFICATION_ID])
    topic: str | None = Field(description="The topic of its event; null without an event", examples=["announcements"])
    event_id: str | None = Field(description="The CloudEvent's id; null without an event", examples=[EVENT_ID])
    created_at: datetime = Field(examples=[AT])


class NotificationPage(BaseModel):
    """Notifications, newest first."""

    notifications: list[Notification]
    next: int | None = Field(description="`before` of the next page; null at the end", examples=[None])


class Notified(BaseModel):
    """The answer to a notice. The same event gets the same answer again."""

    status: Literal["notified"] = Field(default="notified", examples=["notified"])
    id: str = Field(description="The notification", examples=[NOTIFICATION_ID])


class DeadLetter(BaseModel):
    """An event that could not be processed."""

    id: str = Field(examples=[NOTIFICATION_ID])
    event_id: str = Field(description="The CloudEvent's own id", examples=[EVENT_ID])
    topic: str = Field(description="Its topic; empty if its payload is no event", examples=["snoozes"])
    received_at: datetime = Field(examples=[AT])
    reason: str = Field(examples=["message: Field required"])
    event: Any = Field(
        description="The CloudEvent; of one with more than 16,000 characters the first 4,000, as text",
        examples=[{"specversion": "1.0", "id": "8a6a2ad5-…", "source": "task-api", "data": {"user_id": "ada"}}],
    )


class DeadLetterPage(BaseModel):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetter]
    next: int | None = Field(description="`before` of the next page; null at the end", examples=[None])


class Replayed(BaseModel):
    """A dead letter was processed after all, and is off the list."""

    id: str = Field(examples=["0a1b" * 8])
    status: Literal["processed"] = "processed"


class EventAnswer(BaseModel):
    """The answer to a delivery: RETRY asks for another one; SUCCESS and DROP end it, DROP as a dead letter."""

    status: Literal["SUCCESS", "RETRY", "DROP"] = Field(examples=["SUCCESS"])


class BulkEntry(BaseModel):
    """One event of a bulk."""

    entryId: str
    event: JsonValue = None


class Bulk(BaseModel):
    """Several events in one request, as Dapr delivers them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"entries": [{"entryId": "1", "event": {"id": "17"}}]}]})

    entries: list[BulkEntry]


class EntryAnswer(EventAnswer):
    """The answer to one event of a bulk."""

    entryId: str = Field(examples=["1"])


class BulkAnswer(BaseModel):
    """The answers to a bulk: Dapr delivers only the entries with RETRY again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"statuses": [{"entryId": "1", "status": "SUCCESS"}]}]})

    statuses: list[EntryAnswer]
