"""The requests and answers of the Task API."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from starlette.convertors import StringConvertor, register_url_convertor

ID = "^[A-Za-z0-9_-]{1,64}$"
EXAMPLE_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
# Text without control characters.
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
AnyId = Annotated[str, StringConstraints(pattern=ID)]
TaskId = Annotated[str, Path(pattern=ID, examples=[EXAMPLE_ID])]
ExpiresIn = Annotated[int, Field(ge=1, le=31_536_000, description="Seconds until it is removed", examples=[3600])]
Limit = Annotated[int, Query(ge=1, le=200, description="Page size")]
Before = Annotated[int | None, Query(ge=0, le=2**53, description="`next` of an answer, for the older ones")]
Status = Literal["pending", "done"]
# The content of a body that is a file, for the OpenAPI document.
OCTETS = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": "Hello"}}


class TaskIdConvertor(StringConvertor):
    """Match `{task_id:task}` with an id, not with the names that have routes of their own."""

    regex = "(?!(?:bulk|transaction)$)[^/]+"


register_url_convertor("task", TaskIdConvertor())


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewTask(_Strict):
    """A task to create."""

    title: Text = Field(examples=["Buy milk"])
    expires_in: ExpiresIn | None = None


class NewTasks(_Strict):
    """Tasks to import."""

    tasks: list[NewTask] = Field(min_length=1, max_length=100, examples=[[{"title": "Buy milk"}]])


class TaskChange(_Strict):
    """The fields of a task to change."""

    title: Text | None = Field(default=None, examples=["Buy oat milk"])
    status: Status | None = Field(default=None, examples=["done"])

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.title is None and self.status is None:
            raise ValueError("name a title or a status")
        return self


class Task(BaseModel):
    """A task, as it is stored under the key `task-{id}`."""

    id: str = Field(examples=[EXAMPLE_ID])
    title: str = Field(examples=["Buy milk"])
    status: Status = "pending"


class TaskList(BaseModel):
    """Tasks, in the order of the request."""

    tasks: list[Task] = Field(examples=[[{"id": EXAMPLE_ID, "title": "Buy milk", "status": "pending"}]])


class TaskPage(TaskList):
    """Tasks, newest first."""

    next: int | None = Field(description="`before` of the next page; null at the end", examples=[None])


class Transaction(_Strict):
    """Tasks to create and ids to delete in one transaction."""

    create: list[NewTask] = Field(min_length=1, max_length=20, examples=[[{"title": "Book a hotel"}]])
    delete: list[AnyId] = Field(default_factory=list, max_length=20, examples=[[EXAMPLE_ID]])


class TaskEvent(BaseModel):
    """The payload of an event of topic task-events (asyncapi.yaml)."""

    model_config = ConfigDict(strict=True)

    event_type: str = Field(min_length=1, max_length=100, examples=["task.created"])
    task_id: str = Field(pattern=ID, examples=[EXAMPLE_ID])
    title: Text = Field(examples=["Buy milk"])


class Message(_Strict):
    """A message to all users or to one: the data of an event of topic announcements."""

    message: Text = Field(examples=["Lunch is ready"])
    user_id: str = Field(default="everyone", pattern=r"^[A-Za-z0-9._@-]{1,64}$", examples=["ada"])


class Announcement(Message):
    """A message to publish."""

    expires_in: ExpiresIn | None = None
    raw: bool = Field(default=False, description="Publish the bytes as they are: Dapr adds no envelope")


class Announcements(_Strict):
    """Announcements to publish in one call."""

    announcements: list[Message] = Field(min_length=1, max_length=100, examples=[[{"message": "Lunch is ready"}]])


class Published(BaseModel):
    """An event, and whether it was published."""

    id: str = Field(description="The CloudEvent's id", examples=[EXAMPLE_ID])
    published: bool


class PublishedMany(BaseModel):
    """Events, in the order of the request."""

    results: list[Published] = Field(examples=[[{"id": EXAMPLE_ID, "published": True}]])


class EventAnswer(BaseModel):
    """The answer to a delivery: SUCCESS and DROP end it, DROP in the dead-letter topic."""

    status: Literal["SUCCESS", "DROP"] = Field(examples=["SUCCESS"])


class Digest(BaseModel):
    """A digest that was mailed, stored under the key `digest-{day}`."""

    day: str = Field(examples=["2026-12-01"])
    sent_at: datetime
    to: str = Field(examples=["team@example.com"])
    pending: int = Field(description="Number of pending tasks among the newest 200")


class DigestPage(BaseModel):
    """Digests, newest first."""

    digests: list[Digest]
    next: int | None = Field(description="`before` of the next page; null at the end", examples=[None])


class DigestAnswer(BaseModel):
    """The outcome of a call: this replica sent the digest, another one has the lock, or it was sent before."""

    status: Literal["SENT", "LOCKED", "ALREADY_SENT"] = Field(examples=["SENT"])


class LiveValue(BaseModel):
    """A value of the configuration store; without a version if it is the default."""

    value: str = Field(examples=["on"])
    version: str | None = Field(examples=["2"])


class LiveConfiguration(BaseModel):
    """The values that a replica uses now."""

    values: dict[str, LiveValue] = Field(examples=[{"feature-flag-x": {"value": "on", "version": "2"}}])
    subscribed: bool = Field(description="False while changes do not arrive, for example without the sidecar")


class FileSize(BaseModel):
    """A file that was stored."""

    size: int = Field(default=0, description="Bytes", examples=[20_971_520])


class Attachment(FileSize):
    """A file in parts, stored under the key `attachment-{id}`."""

    name: str
    digests: list[str] = Field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """The names of its parts, in their order."""
        return [f"{self.name}-{number}" for number in range(len(self.digests))]


def _soon(at: datetime) -> datetime:
    if not datetime.now(UTC) <= at <= datetime.now(UTC) + timedelta(days=3_650):
        raise ValueError("must be in the future, within ten years")
    return at.astimezone(UTC)


class DueDate(BaseModel):
    """The time at which somebody wants to be reminded."""

    model_config = ConfigDict(extra="forbid")

    due_at: Annotated[AwareDatetime, AfterValidator(_soon)] = Field(examples=["2030-12-24T18:00:00Z"])


class ReminderState(BaseModel):
    """The reminder of a task."""

    task_id: str = Field(examples=[EXAMPLE_ID])
    due_at: datetime = Field(examples=["2030-12-24T18:00:00Z"])
    status: Literal["scheduled", "fired"]


class Snooze(_Strict):
    """The length of a snooze."""

    seconds: int = Field(ge=1, le=86_400, examples=[300])


class Snoozed(BaseModel):
    """The end of a snooze."""

    task_id: str = Field(examples=[EXAMPLE_ID])
    until: datetime = Field(examples=["2030-12-24T18:00:00Z"])
