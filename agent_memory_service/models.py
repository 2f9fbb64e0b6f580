"""What goes over agent-memory's wire: its API, and the events that it reads and writes."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

USER_ID = r"^[A-Za-z0-9._@~-]+$"
# Session and message ids become parts of keys, whose separator is a colon (Dapr refuses `||`).
KEY_PART = r"^[A-Za-z0-9_-]+$"
NAME_MAX = 100
STYLE_MAX = 50
SUMMARY_MAX = 2000
MESSAGE_MAX = 4000
REPLY_MAX = 16_000

UserId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=USER_ID)]
KeyPart = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=KEY_PART)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX)]
Style = Annotated[str, StringConstraints(min_length=1, max_length=STYLE_MAX)]
Summary = Annotated[str, StringConstraints(max_length=SUMMARY_MAX)]

UserPath = Annotated[UserId, Path(description="Who is remembered", examples=["junaid"])]
SessionPath = Annotated[KeyPart, Path(description="The conversation", examples=["session-1"])]
DeadLetterPath = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As the list gives it")]
LimitQuery = Annotated[int, Query(ge=1, le=100, description="At most so many")]
SessionQuery = Annotated[
    KeyPart | None, Query(description="Has the newest messages of this conversation, if it is the user's, told as well")
]
BeforeQuery = Annotated[
    str | None, Query(pattern="^[0-9]{1,15}$", description="The `next` of the answer before: what is older than that")
]

INITIALIZE: dict[str, JsonValue] = {
    "name": "Junaid",
    "preferred_style": "formal",
    "user_summary": "Junaid is learning Dapr.",
}
UPDATED_AT = "2026-01-05T09:30:00Z"


class MemoryDraft(BaseModel):
    """What is known of a user from the start."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [INITIALIZE]})

    name: Name
    preferred_style: Style = "casual"
    user_summary: Summary = ""


class MemoryPatch(BaseModel):
    """What is to change; a field that is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"preferred_style": "casual"}]})

    name: Name | None = None
    preferred_style: Style | None = None
    user_summary: Summary | None = None


class Memory(BaseModel):
    """What is known of a user."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user_id": "junaid", **INITIALIZE, "updated_at": UPDATED_AT}]}
    )

    user_id: str
    name: str
    preferred_style: str
    user_summary: str
    updated_at: datetime


class Forgetting(BaseModel):
    """A user is being forgotten."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user_id": "junaid", "status": "forgetting", "gone_by": "2026-01-05T09:42:15Z"}]
        }
    )

    user_id: str
    status: Literal["forgetting"] = "forgetting"
    gone_by: datetime = Field(
        description="When nothing of what there is of the user now is readable any more, in streams neither"
    )


class Message(BaseModel):
    """One side of a turn."""

    role: Literal["user", "assistant"]
    content: str
    timestamp: datetime
    message_id: str


class Recalled(Memory):
    """What is known of a user, and, when a conversation was asked for, its newest messages, oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "junaid",
                    **INITIALIZE,
                    "updated_at": UPDATED_AT,
                    "history": [
                        {"role": "user", "content": "What is Dapr?", "timestamp": UPDATED_AT, "message_id": "m-1"},
                        {"role": "assistant", "content": "A runtime.", "timestamp": UPDATED_AT, "message_id": "m-1"},
                    ],
                }
            ]
        }
    )

    history: list[Message] | None = None


class History(BaseModel):
    """A stretch of a conversation, oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "session_id": "session-1",
                    "history": [
                        {"role": "user", "content": "What is Dapr?", "timestamp": UPDATED_AT, "message_id": "m-1"},
                        {"role": "assistant", "content": "A runtime.", "timestamp": UPDATED_AT, "message_id": "m-1"},
                    ],
                    "next": "48",
                }
            ]
        }
    )

    session_id: str
    history: list[Message]
    next: str | None = Field(default=None, description="`before=` of the page before this; none at the beginning")


class ConversationUpdated(BaseModel):
    """The data of an event on `conversations` (contracts/conversations.asyncapi.yaml, chat-service's)."""

    user_id: UserId
    session_id: KeyPart
    event_type: Literal["ConversationUpdated"]
    user_message: Annotated[str, StringConstraints(min_length=1, max_length=MESSAGE_MAX)]
    assistant_reply: Annotated[str, StringConstraints(max_length=REPLY_MAX)]
    message_id: KeyPart
    timestamp: AwareDatetime


class UserForgotten(BaseModel):
    """The data of an event on `user-forgotten`. It does not say in clear who was forgotten."""

    user_hash: str
    event_type: Literal["UserForgotten"] = "UserForgotten"
    session_ids: list[str]
    timestamp: datetime


class StreamTrimmed(BaseModel):
    """The data of an event that nobody acts on: writing it has Redis drop what is older than the stream's TTL."""

    event_type: Literal["StreamTrimmed"] = "StreamTrimmed"
    timestamp: datetime


class EventAnswer(BaseModel):
    """What Dapr is told of an event: done with it, or never to be tried again."""

    status: Literal["SUCCESS", "DROP"] = Field(examples=["SUCCESS"])


class DeadLetter(BaseModel):
    """An event that could not be processed."""

    id: str = Field(examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
    event_id: str = Field(description="The CloudEvent's own id", examples=["m-7"])
    received_at: datetime
    reason: str = Field(examples=["user_message: Field required"])
    event: object = Field(description="The CloudEvent; none when it was too large to keep")


class DeadLetters(BaseModel):
    """Events that could not be processed, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dead_letters": [
                        {
                            "id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
                            "event_id": "m-7",
                            "received_at": UPDATED_AT,
                            "reason": "user_message: Field required",
                            "event": {"id": "m-7", "type": "ConversationUpdated", "data": {"user_id": "junaid"}},
                        }
                    ],
                    "next": "20",
                }
            ]
        }
    )

    dead_letters: list[DeadLetter]
    next: str | None = Field(default=None, description="`before=` of what is older")


class Replayed(BaseModel):
    """A dead letter was processed after all, and is off the list."""

    id: str = Field(examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
    status: Literal["processed"] = "processed"


class JobAnswer(BaseModel):
    """A job of this service ran."""

    status: Literal["done"] = Field(default="done", examples=["done"])


class Welcome(BaseModel):
    """One line that names the main routes."""

    message: str


class Health(BaseModel):
    """The state of the process, or of what it needs before it can serve."""

    status: str = Field(examples=["ok"])


class FaultOrder(BaseModel):
    """The faults to switch on; a field that is left out is off."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"fail_next": 2}]})

    fail_next: int = Field(default=0, ge=0, le=1_000_000, description="How many of the next events fail")
    delay_ms: int = Field(default=0, ge=0, le=30_000, description="How long every event waits, in milliseconds")


class FaultState(FaultOrder):
    """The faults that are on, and how many events came since the start."""

    calls: int = Field(description="Events delivered since the process started, failed ones too")


class DeliveryCount(BaseModel):
    """How often one event was delivered to this process."""

    event_id: str = Field(examples=["m-1"])
    deliveries: int


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["name"])
    message: str = Field(examples=["String should have at most 100 characters"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it; the last two fields tell of something that this service needs."""

    type: str = "about:blank"
    title: str = Field(examples=["Service Unavailable"])
    status: int = Field(examples=[503])
    detail: str = Field(examples=["The state store statestore cannot be used now."])
    errors: list[FieldError] | None = Field(default=None, description="For invalid input: one entry a field")
    dependency: str | None = Field(default=None, description="What failed", examples=["statestore"])
    errorCode: str | None = Field(default=None, description="Dapr's code for it", examples=["INTERNAL"])


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)
