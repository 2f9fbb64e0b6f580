"""The requests and answers of chat."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Body, Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, computed_field
from pydantic_core import PydanticCustomError

from kit.edge.models import Problem
from messages import Answered

# At least one character that is no dot: `.` and `..` are steps in a path.
USER_ID = r"^[.]*[A-Za-z0-9_@~-][A-Za-z0-9._@~-]*$"
WORD = r"^[A-Za-z0-9_-]+$"
INSTANCE_ID = r"^chat-[0-9a-f]{32}-[0-9]{1,6}$"

UserId = Annotated[str, Field(min_length=1, max_length=128, pattern=USER_ID, examples=["Junaid"])]
SessionId = Annotated[str, Field(min_length=1, max_length=64, pattern=WORD, examples=["monday"])]
MessageId = Annotated[str, Field(min_length=1, max_length=64, pattern=WORD, examples=["m-1"])]
Tag = Annotated[str, Field(min_length=1, max_length=64)]
Tags = Annotated[list[Tag], Field(max_length=20)]
InstancePath = Annotated[str, Path(pattern=INSTANCE_ID, max_length=64, description="As POST /chat/ returned it")]
WaitQuery = Annotated[bool, Query(description="`false`: answer 202 at once")]


def _is_written_out(given: object) -> object:
    # Pydantic would take a number as seconds since 1970, also as text.
    if isinstance(given, int | float) or (isinstance(given, str) and given[4:5] != "-"):
        raise PydanticCustomError("timestamp", "must be a date and a time, such as 2026-03-01T09:30:00Z")
    return given


def _with_offset(timestamp: datetime) -> datetime:
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)


class MessageMetadata(BaseModel):
    """The ids and the time of a message. Each is made here if it is null or not given."""

    model_config = ConfigDict(extra="forbid")

    session_id: SessionId | None = None
    timestamp: Annotated[datetime, BeforeValidator(_is_written_out), AfterValidator(_with_offset)] | None = Field(
        default=None, description="UTC if it has no offset"
    )
    message_id: MessageId | None = None


class ChatMessage(BaseModel):
    """One message of a user."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user_id": "Junaid", "text": "What time is it?", "metadata": {"session_id": "monday"}}]
        },
        extra="forbid",
    )

    user_id: UserId
    text: str = Field(max_length=4000, description="Not empty: that is a 400", examples=["What time is it?"])
    metadata: MessageMetadata | None = None
    tags: Tags | None = None


class AnswerMetadata(BaseModel):
    """The message that was answered, and the model that answered it."""

    session_id: str
    message_id: str
    timestamp: datetime
    model: str | None = Field(default=None, description="The model that answered; null until then")
    tags: list[str] = []


class WorkflowState(BaseModel):
    """The state of the workflow that answers a message, as far as chat shows it."""

    instance_id: str
    name: str
    runtime_status: str = Field(description="RUNNING, COMPLETED, FAILED or TERMINATED")
    serialized_output: str | None = Field(description="The workflow's output as JSON text")


class ChatAnswer(BaseModel):
    """The reply to a message, or the state of its workflow until there is one."""

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
                    "error": None,
                    "state": {
                        "instance_id": "chat-0f343b0931126a20f133d67c2b018a3b-1",
                        "name": "chat_workflow",
                        "runtime_status": "COMPLETED",
                        "serialized_output": '{"reply":"Greetings, Junaid! …","model":"offline"}',
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
    error: str | None = Field(default=None, description="The failure, if `status` is failed")

    @computed_field(description="The workflow's state")
    @property
    def state(self) -> WorkflowState:
        """Return the state of the workflow."""
        output = None if self.reply is None else Answered(reply=self.reply, model=self.metadata.model or "")
        return WorkflowState(
            instance_id=self.instance_id,
            name="chat_workflow",
            runtime_status=self.status.upper(),
            serialized_output=output and output.model_dump_json(),
        )


UserForgottenEvent = Annotated[
    dict[str, object],
    Body(
        description="A CloudEvent: UserForgotten, or StreamTrimmed, which has no content",
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
    """The user that memory forgot, without the user id (agent-memory-service's asyncapi.yaml)."""

    event_type: Literal["UserForgotten"]
    user_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    session_ids: list[str] = Field(max_length=10_000)
    timestamp: datetime


class Leftovers(BaseModel):
    """The keys that a step or a request in flight may write again (forgetting/). No name is among them."""

    user_hash: str = Field(examples=["d7143e629738875304bfcc23ae2ae1f87ae7e941f57f0046385b92e422989b02"])
    forgotten_at: datetime
    session_ids: list[str] = []
    digests: list[str] = []


class EventStatus(BaseModel):
    """The answer to an event: Dapr takes it for done, delivers it again, or drops it."""

    status: Literal["SUCCESS", "RETRY", "DROP"] = Field(examples=["SUCCESS"])


class ChatProblem(Problem):
    """An error in the form of RFC 9457, also of a chat that failed."""

    instance_id: str | None = Field(default=None, description="The workflow that was to answer")
