"""What goes over chat's wire."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field

# At least one character that is no dot: `.` and `..` are steps in a path.
USER_ID = r"^[.]*[A-Za-z0-9_@~-][A-Za-z0-9._@~-]*$"
WORD = r"^[A-Za-z0-9_-]+$"
INSTANCE_ID = r"^chat-[0-9a-f]{32}-[0-9]{1,6}$"

UserId = Annotated[str, Field(min_length=1, max_length=128, pattern=USER_ID, examples=["Junaid"])]
SessionId = Annotated[str, Field(min_length=1, max_length=64, pattern=WORD, examples=["monday"])]
MessageId = Annotated[str, Field(min_length=1, max_length=64, pattern=WORD, examples=["m-1"])]
Tag = Annotated[str, Field(min_length=1, max_length=64)]
Tags = Annotated[list[Tag], Field(max_length=20)]
InstancePath = Annotated[str, Path(pattern=INSTANCE_ID, max_length=64, description="As POST /chat/ told it")]
WaitQuery = Annotated[bool, Query(description="`false`: answer 202 at once")]


class MessageMetadata(BaseModel):
    """What identifies a message; each part is made here when it is not given."""

    session_id: SessionId | None = None
    timestamp: datetime | None = None
    message_id: MessageId | None = None


class ChatMessage(BaseModel):
    """One message of a user."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user_id": "Junaid", "text": "What time is it?", "metadata": {"session_id": "monday"}}]
        }
    )

    user_id: UserId
    text: str = Field(max_length=4000, description="Not empty: that is a 400", examples=["What time is it?"])
    metadata: MessageMetadata = Field(default_factory=MessageMetadata)
    tags: Tags = Field(default_factory=list)


class AnswerMetadata(BaseModel):
    """Which message was answered, and by which engine."""

    session_id: str
    message_id: str
    timestamp: datetime
    model: str | None = Field(default=None, description="The engine that answered; null until then")
    tags: list[str] = []


class ChatAnswer(BaseModel):
    """The reply to a message, or how far it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "Junaid",
                    "reply": "Greetings, Junaid! It is 2026-03-01T09:30:00+00:00.",
                    "status": "completed",
                    "instance_id": "chat-0f343b0931126a20f133d67c2b018a3b-1",
                    "metadata": {
                        "session_id": "monday",
                        "message_id": "m-1",
                        "timestamp": "2026-03-01T09:30:00Z",
                        "model": "offline",
                        "tags": [],
                    },
                }
            ]
        }
    )

    user_id: str
    reply: str | None
    status: Literal["running", "completed", "failed", "terminated"]
    instance_id: str
    metadata: AnswerMetadata
    error: str | None = Field(default=None, description="What failed, when `status` says so")


UserForgottenEvent = Annotated[
    dict[str, object],
    Body(
        description="A CloudEvent: UserForgotten, or StreamTrimmed, which says nothing",
        examples=[
            {
                "specversion": "1.0",
                "id": "1",
                "source": "agent-memory-service",
                "type": "UserForgotten",
                "data": {
                    "event_type": "UserForgotten",
                    "user_hash": "d7143e629738875304bfcc23ae2ae1f87ae7e941f57f0046385b92e422989b02",
                    "session_ids": ["monday"],
                    "timestamp": "2026-03-01T09:40:00Z",
                },
            }
        ],
    ),
]


class UserForgottenData(BaseModel):
    """Whom memory forgot, told without the user id (agent-memory-service's asyncapi.yaml)."""

    event_type: Literal["UserForgotten"]
    user_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    session_ids: list[str] = Field(max_length=10_000)
    timestamp: datetime


class Leftovers(BaseModel):
    """What an activity or a request in flight may write once more (forgetting.py). Names nobody."""

    user_hash: str = Field(examples=["d7143e629738875304bfcc23ae2ae1f87ae7e941f57f0046385b92e422989b02"])
    forgotten_at: datetime
    session_ids: list[str] = []
    digests: list[str] = []


class EventStatus(BaseModel):
    """What Dapr shall do with an event: forget it, bring it again, or give it up."""

    status: Literal["SUCCESS", "RETRY", "DROP"] = Field(examples=["SUCCESS"])


class FaultOrder(BaseModel):
    """What goes wrong on purpose in one step of the workflow."""

    model_config = ConfigDict(extra="forbid")

    fail_next: int = Field(default=0, ge=0, le=1_000_000, description="So many attempts fail", examples=[2])
    delay_ms: int = Field(default=0, ge=0, le=60_000, description="Each attempt first waits", examples=[0])


class Welcome(BaseModel):
    """One line that names the main routes."""

    message: str


class Health(BaseModel):
    """The state of the process, or of what it needs before it can serve."""

    status: str = Field(examples=["ok"])


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["user_id"])
    message: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it; the last two fields tell of a chat that failed."""

    type: str = "about:blank"
    title: str = Field(examples=["Service Unavailable"])
    status: int = Field(examples=[503])
    detail: str = Field(examples=["agent-memory-service: it cannot be reached."])
    errors: list[FieldError] | None = Field(default=None, description="For invalid input: one entry a field")
    dependency: str | None = Field(default=None, description="What failed", examples=["agent-memory-service"])
    instance_id: str | None = Field(default=None, description="The workflow that was to answer")
