"""The messages that pass between the steps of the workflow. Dapr keeps them, as JSON, in the workflow's history.

The texts must not appear in a log, so validation errors do not show their input.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# Texts from another service have a bound too: a history must stay small enough for its store.
Text = Annotated[str, Field(max_length=16_000)]


class Step(BaseModel):
    """The base of these messages."""

    model_config = ConfigDict(hide_input_in_errors=True)


class Turn(Step):
    """A message and its reply."""

    message_id: str
    user_message: Text
    assistant_reply: Text


class Message(Step):
    """A user's message: the input of the workflow."""

    user_id: str
    user_hash: str
    session_id: str
    message_id: str
    text: Text
    timestamp: datetime = Field(description="The client's, or that of arrival")
    received_at: datetime
    tags: list[str] = []
    is_head: bool = Field(default=True, description="No message was before it in its session's queue")
    recent: list[Turn] | None = Field(
        default=None, description="Of a new message at the head: the turns that memory may not have yet"
    )


class HistoryEntry(Step):
    """One message of the history, as a model gets it."""

    role: Literal["user", "assistant"]
    content: Text


class Said(HistoryEntry):
    """One message of the history (agent-memory-service's contract)."""

    message_id: str | None = None


class Memory(Step):
    """The facts that memory has of a user (agent-memory-service's contract)."""

    name: Annotated[str, Field(max_length=1000)]
    preferred_style: Annotated[str, Field(max_length=1000)]
    user_summary: Text


class Answered(Step):
    """A reply, and the model that gave it: the output of the workflow."""

    reply: Text
    model: str


class Context(Step):
    """Everything that the reply depends on, except the message."""

    memory: Memory
    history: list[HistoryEntry]


class Fetched(Step):
    """The result of fetch_context."""

    context: Context
    remembered: list[str] = Field(default=[], description="Ids of the recent turns that memory has by now")


class Prompt(Step):
    """The input of generate_response: no more than it needs, because Dapr stores it several times."""

    text: Text
    context: Context
    may_wait: bool = Field(description="Whether a busy model may be asked again later")


class Generated(Step):
    """A reply, or the seconds after which a busy model is to be asked again."""

    answered: Answered | None = None
    retry_after_seconds: float | None = None


class Failure(Step):
    """A failed step, in words that a user may read. `status` is the HTTP status that it becomes."""

    step: str
    dependency: str
    status: int
    detail: str


class Outcome(Step):
    """The end of a message's workflow, for the steps that record it."""

    message: Message
    instance_id: str
    answered: Answered | None = None
    remembered: list[str] = []
    failure: Failure | None = None
