"""What the steps of the workflow hand to each other. Dapr keeps all of it, as JSON, in the workflow's history.

The texts must not turn up in a log, so validation errors do not show their input.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# Text that somebody else's service sends is bounded too: a history must stay small enough for its store.
Text = Annotated[str, Field(max_length=16_000)]


class Step(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)


class ChatTurn(Step):
    """A user's message, as the workflow is started with it."""

    user_id: str
    user_hash: str
    session_id: str
    message_id: str
    text: Text
    timestamp: datetime = Field(description="The client's, or that of arrival")
    received_at: datetime
    tags: list[str] = []
    is_head: bool = Field(default=True, description="Nobody was before it in its session's queue")
    traceparent: str = ""


class Turn(Step):
    """A message and its reply."""

    message_id: str
    user_message: Text
    assistant_reply: Text


class Said(Step):
    """One message of the history, as memory tells it."""

    role: Literal["user", "assistant"]
    content: Text
    message_id: str | None = None


class Memory(Step):
    """What is known of the user (agent-memory-service's contract)."""

    name: Annotated[str, Field(max_length=1000)]
    preferred_style: Annotated[str, Field(max_length=1000)]
    user_summary: Text


class Context(Step):
    """All that the reply depends on but the message itself."""

    memory: Memory
    history: list[Said]
    remembered: list[str] = Field(default=[], description="Ids of the messages that memory has by now")
    answered: "Answered | None" = Field(default=None, description="The reply, if this message already has one")


class Prompt(Step):
    """What generate_response works on."""

    turn: ChatTurn
    context: Context
    may_wait: bool = Field(description="Whether a busy model may be asked again later")


class Answered(Step):
    """A reply, and the engine that gave it."""

    reply: Text
    model: str


class Generated(Step):
    """A reply; or, from a busy model, when to ask again."""

    answered: Answered | None = None
    retry_after_seconds: float | None = None


class Outcome(Step):
    """How a turn ended, for the steps that record it."""

    turn: ChatTurn
    instance_id: str
    answered: Answered | None = None
    published: bool = Field(default=False, description="By an earlier workflow of the same message")
    remembered: list[str] = []
    failure: "Failure | None" = None


class Failure(Step):
    """What failed, in words that a user may read. `status` is the HTTP status it becomes."""

    step: str
    dependency: str
    status: int
    detail: str


class MyTurn(Step):
    """Whether a waiting message is the next of its session."""

    yours: bool
