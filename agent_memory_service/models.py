"""The bodies of agent-memory's API, and of the events that it reads and writes."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

USER_ID = r"^[A-Za-z0-9._@~-]+$"
# Session and message ids become parts of keys, whose separator is a colon (Dapr refuses `||`).
KEY_PART = r"^[A-Za-z0-9_-]+$"
SUMMARY_MAX = 2000

UserId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=USER_ID)]
KeyPart = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=KEY_PART)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Style = Annotated[str, StringConstraints(min_length=1, max_length=50)]
Summary = Annotated[str, StringConstraints(max_length=SUMMARY_MAX)]

UserPath = Annotated[UserId, Path(description="The user", examples=["junaid"])]
SessionPath = Annotated[KeyPart, Path(description="The conversation", examples=["session-1"])]
DeadLetterPath = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="The id of a letter on the list")]
LimitQuery = Annotated[int, Query(ge=1, le=100, description="Page size")]
SessionQuery = Annotated[
    KeyPart | None, Query(description="Include the newest messages of this conversation, if it is the user's")
]
BeforeQuery = Annotated[str | None, Query(pattern="^[0-9]{1,15}$", description="The `next` of the previous page")]

INITIALIZE: dict[str, JsonValue] = {
    "name": "Junaid",
    "preferred_style": "formal",
    "user_summary": "Junaid is learning Dapr.",
}
UPDATED_AT = "2026-01-05T09:30:00Z"
SAID: list[JsonValue] = [
    {"role": "user", "content": "What is Dapr?", "timestamp": UPDATED_AT, "message_id": "m-1"},
    {"role": "assistant", "content": "A runtime.", "timestamp": UPDATED_AT, "message_id": "m-1"},
]
LETTER: dict[str, JsonValue] = {
    "id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "event_id": "m-7",
    "received_at": UPDATED_AT,
    "reason": "user_message: Field required",
    "event": {"id": "m-7", "type": "ConversationUpdated", "data": {"user_id": "junaid"}},
}
REMEMBERED: dict[str, JsonValue] = {"user_id": "junaid", **INITIALIZE, "updated_at": UPDATED_AT}


def _like(example: dict[str, JsonValue], extra: Literal["ignore", "forbid"] = "ignore") -> ConfigDict:
    """Return the configuration of a model that has this example."""
    return ConfigDict(json_schema_extra={"examples": [example]}, extra=extra)


class MemoryDraft(BaseModel):
    """The memory of a new user."""

    model_config = _like(INITIALIZE, extra="forbid")

    name: Name
    preferred_style: Style | None = Field(default=None, description="Otherwise `casual`")
    user_summary: Summary | None = None


class MemoryPatch(BaseModel):
    """The fields to change; a field that is left out stays."""

    model_config = _like({"preferred_style": "casual"}, extra="forbid")

    name: Name | None = None
    preferred_style: Style | None = None
    user_summary: Summary | None = None


class Memory(BaseModel):
    """The memory of a user."""

    model_config = _like(REMEMBERED)

    user_id: str
    name: str
    preferred_style: str
    user_summary: str
    updated_at: datetime


class Forgetting(BaseModel):
    """A user is being forgotten."""

    model_config = _like({"user_id": "junaid", "status": "forgetting", "gone_by": "2026-01-05T09:42:15Z"})

    user_id: str
    status: Literal["forgetting"] = "forgetting"
    gone_by: datetime = Field(
        description="From then on nothing that is stored of the user now can be read, not even in streams"
    )


class Message(BaseModel):
    """One side of a turn."""

    role: Literal["user", "assistant"]
    content: str
    timestamp: datetime
    message_id: str


class Recalled(Memory):
    """The memory of a user and, if a conversation was named, its newest messages, oldest first."""

    model_config = _like({**REMEMBERED, "history": SAID})

    history: list[Message] | None = None


class History(BaseModel):
    """A page of a conversation, oldest first."""

    model_config = _like({"session_id": "session-1", "history": SAID, "next": "48"})

    session_id: str
    history: list[Message]
    next: str | None = Field(default=None, description="The `before` of the next older page")


class ConversationUpdated(BaseModel):
    """The data of an event on `conversations` (contracts/conversations.asyncapi.yaml, chat-service's)."""

    user_id: UserId
    session_id: KeyPart
    event_type: Literal["ConversationUpdated"]
    user_message: Annotated[str, StringConstraints(min_length=1, max_length=4000)]
    assistant_reply: Annotated[str, StringConstraints(max_length=16_000)]
    message_id: KeyPart
    timestamp: AwareDatetime


class UserForgotten(BaseModel):
    """The data of an event on `user-forgotten`. It names the user only by hash."""

    user_hash: str
    event_type: Literal["UserForgotten"] = "UserForgotten"
    session_ids: list[str]
    timestamp: datetime


class StreamTrimmed(BaseModel):
    """The data of an event that readers ignore: writing it makes Redis drop events older than the stream's TTL."""

    event_type: Literal["StreamTrimmed"] = "StreamTrimmed"
    timestamp: datetime


class EventAnswer(BaseModel):
    """The answer to Dapr: the event is done, or must not be retried."""

    status: Literal["SUCCESS", "DROP"] = Field(examples=["SUCCESS"])


class DeadLetter(BaseModel):
    """An event that could not be processed."""

    id: str = Field(examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
    event_id: str = Field(description="The CloudEvent's own id", examples=["m-7"])
    received_at: datetime
    reason: str = Field(examples=["user_message: Field required"])
    event: object = Field(description="The CloudEvent; of a huge one its beginning, as text")


class DeadLetters(BaseModel):
    """Events that could not be processed, newest first."""

    model_config = _like({"dead_letters": [LETTER], "next": "20"})

    dead_letters: list[DeadLetter]
    next: str | None = Field(default=None, description="The `before` of the next older page")


class Replayed(BaseModel):
    """A dead letter was processed, and is off the list."""

    id: str = Field(examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
    status: Literal["processed"] = "processed"


class JobAnswer(BaseModel):
    """A job of this service ran."""

    status: Literal["done"] = Field(default="done", examples=["done"])


class DeliveryCount(BaseModel):
    """The number of deliveries of one event to this process."""

    event_id: str = Field(examples=["m-1"])
    deliveries: int


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)
