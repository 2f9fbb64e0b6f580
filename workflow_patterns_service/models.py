"""The requests and answers of workflow-patterns. The input of each pattern is in its own file (`patterns/`)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from kit.engine.context import retry
from kit.engine.stalled_engine import NOBODY

ID = "^[A-Za-z0-9_-]{1,64}$"


def _is_free(instance_id: str) -> str:
    if instance_id == NOBODY:
        raise PydanticCustomError("instance_id", "is reserved for the check of the engine")
    return instance_id


InstanceId = Annotated[str, Field(pattern=ID), AfterValidator(_is_free)]
# Both are called id in the path, because to OpenAPI two names at one place are two paths.
InstancePath = Annotated[str, Path(alias="id", pattern=ID, description="A run's id", examples=["trip-1"])]
NamePath = Annotated[
    str, Path(alias="id", min_length=1, max_length=64, description="A pattern's name", examples=["saga"])
]
EventPath = Annotated[str, Path(min_length=1, max_length=64, examples=["decision"])]
Limit = Annotated[int, Query(ge=1, le=100, description="Page size")]
Before = Annotated[int | None, Query(ge=0, le=2**53, description="`next` of the page before")]
Times = Annotated[int, Field(ge=1, le=100)]
StepName = Annotated[str, Field(min_length=1, max_length=64)]


class Strict(BaseModel):
    """A request: other fields and other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Step(BaseModel):
    """The input of an activity: which step of which run, how long it takes, and how often it fails first."""

    run: str
    name: str
    seconds: float
    fails: int = 0
    # The step is not done if this one was: its compensation was faster.
    unless: str | None = None


class PatternInput(Strict):
    """The fields that the inputs of all patterns have. They are the rules of the run: a replay reads no setting."""

    instance_id: InstanceId | None = Field(default=None, description="The run's id. Default: a new one")
    seconds: float = Field(default=0.3, ge=0, le=10, description="How long each step takes")
    attempts: int = Field(default=4, ge=1, le=20, description="Attempts of each step, the first one included")
    fail: dict[StepName, Times] = Field(
        default={}, max_length=10, description="Steps whose first attempts fail, and how many of them"
    )

    STEPS: ClassVar[Sequence[str]] = ()

    def steps(self) -> Sequence[str]:
        """Return the names that `fail` may have."""
        return self.STEPS

    def step(self, name: str, unless: str | None = None) -> Step:
        """Return the input of the activity that does this step."""
        assert self.instance_id
        fails = self.fail.get(name, 0)
        return Step(run=self.instance_id, name=name, seconds=self.seconds, fails=fails, unless=unless)

    @property
    def policy(self) -> Any:
        """The retry policy of each step."""
        return retry(self.attempts, first_seconds=0.2, longest_seconds=5.0)


class Started(BaseModel):
    """A run that has started."""

    instance_id: str = Field(examples=["trip-1"])
    pattern: str = Field(examples=["saga"])


class Accepted(BaseModel):
    """An event that was raised for a run."""

    instance_id: str = Field(examples=["expense-1"])
    event: str = Field(examples=["decision"])


class PatternShown(BaseModel):
    """One of the patterns."""

    name: str = Field(examples=["saga"])
    about: str = Field(description="The first line of its file")
    events: list[str] = Field(description="Events that a run waits for")
    input: dict[str, Any] = Field(description="JSON Schema of the body of POST /patterns/{name}")


class PatternList(BaseModel):
    """All patterns."""

    patterns: list[PatternShown] = Field(
        examples=[[{"name": "saga", "about": "All steps or none", "events": [], "input": {"type": "object"}}]]
    )


class Run(BaseModel):
    """A run: the engine's state of its workflow, and what its activities recorded in the state store."""

    instance_id: str = Field(examples=["trip-1"])
    pattern: str = Field(examples=["saga"])
    status: Literal[
        "pending", "running", "suspended", "stalled", "completed", "failed", "terminated", "not_started", "removed"
    ] = Field(description="`removed`: it ended, and Dapr deleted its history. `stalled`: no worker knows its version")
    note: str | None = Field(default=None, description="Where the workflow says it is (its custom status)")
    attempts: dict[str, int] = Field(description="The attempts of each step, failed ones included")
    deeds: list[str] = Field(description="The steps that were done, in order, each once")
    result: Any = None
    error: str | None = None


class DeadLetter(BaseModel):
    """A message of the topic expenses that could not be processed."""

    id: str = Field(examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
    event_id: str = Field(description="The CloudEvent's own id", examples=["8a6a2ad5-8f9d-4a4c-a1d0-7b2f8b0c3a77"])
    received_at: datetime
    reason: str = Field(examples=["approved: Field required"])
    event: Any = Field(
        description="The CloudEvent; one of more than 250,000 characters is cut to its first 4,000, as text",
        examples=[{"specversion": "1.0", "id": "8a6a2ad5-…", "source": "desk", "data": {"instance_id": "expense-1"}}],
    )


class DeadLetterPage(BaseModel):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetter]
    next: int | None = Field(description="`before` of the next page; null at the end", examples=[None])


class EventAnswer(BaseModel):
    """The answer to an event from a topic, in Dapr's words."""

    status: Literal["SUCCESS", "DROP"] = Field(examples=["SUCCESS"])
