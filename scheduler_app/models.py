"""What goes over the scheduler app's wire, and what each word of it means.

lateness_ms, of a run: from the moment at which the job was due to the moment at which its callback arrived here. Due is
a one-shot at its due time; `@every` at the latest of base + n * interval, where base is the due time, or without one
the moment at which this app asked for the job (a few ms before the scheduler's own); cron at the latest second that
matches. So a retry of a one-shot is late by all the time since, a retry of a repeated job since its latest tick; a tick
that comes more than an interval late counts from a later one. null: the app did not schedule this job itself, or
cannot read its schedule. Both clocks are compared: on two machines lateness has their difference in it.
"""

import json
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

import schedules

DEFAULT_SCHEDULE = "@every 10s"
DEFAULT_DATA: dict[str, str] = {"message": "Hello from Python Job!"}
DATA_BYTES = 8_192
# Dapr keeps the numbers of a job's data as doubles.
LARGEST_INTEGER = 2**53 - 1


def _job_name(name: str) -> str:
    # Dapr writes a name unescaped into the path of the callback, so `a%b` would never arrive.
    if not re.fullmatch(r"[A-Za-z0-9._~-]{1,64}", name):
        raise PydanticCustomError("job_name", "must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -")
    if name in (".", ".."):
        raise PydanticCustomError("job_name", "would be a step in a path")
    if name == "stream":
        raise PydanticCustomError("job_name", "is taken by GET /runs/stream")
    return name


JobName = Annotated[str, AfterValidator(_job_name)]
JobNamePath = Annotated[JobName, Path(description="[A-Za-z0-9._~-]{1,64}", examples=["report"])]
# A callback is recorded whatever its name: it was scheduled past this app.
CalledName = Annotated[str, Path(min_length=1, max_length=512, examples=["report"])]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most")]
Before = Annotated[
    int | None, Query(ge=0, le=2**53, description="`next` of an answer: go on from there, to older ones")
]


TAUGHT_EXAMPLES: list[JsonValue] = [
    {"schedule": "@every 10s", "repeats": 3, "data": {"message": "Hello from Python Job!"}},
    {"schedule": "0 30 8 * * MON-FRI", "repeats": None},
    {"due_time": "30s", "data": {"order": 17}, "failure_policy": {"drop": {}}},
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Drop(_Strict):
    """A failed firing is not tried again."""


class Constant(_Strict):
    """A failed firing is tried again, at one interval."""

    model_config = ConfigDict(validate_by_name=True)

    interval: str = Field(default="1s", max_length=24, pattern=r"^\d{1,9}(\.\d{1,9})?s$", examples=["2s", "0.5s"])
    max_retries: int | None = Field(
        default=None, alias="maxRetries", ge=0, le=2**31, description="Retries after the first try; null: for ever"
    )


class FailurePolicy(_Strict):
    """What the scheduler does when a callback fails, in Dapr's own form. Without one: 3 retries, 1 s apart."""

    drop: Drop | None = None
    constant: Constant | None = None

    @field_validator("constant")
    @classmethod
    def _one_of_both(cls, constant: Constant | None, info: ValidationInfo) -> Constant | None:
        if constant and info.data.get("drop"):
            raise PydanticCustomError("policy", "a policy is either drop or constant")
        return constant


class JobOrder(_Strict):
    """A job to schedule; a field that is left out has the taught default."""

    model_config = ConfigDict(json_schema_extra={"examples": TAUGHT_EXAMPLES})

    schedule: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="`@every 1m30s`, `@hourly` …, or cron with six fields, seconds first, in UTC (or after "
        "`TZ=Europe/Berlin `). Default: `@every 10s`, or none when there is a due_time: a one-shot",
    )
    due_time: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="When it fires first: RFC 3339, or from now a Go (`90s`) or ISO 8601 (`PT90S`) duration",
    )
    repeats: int | None = Field(default=3, ge=1, le=2**31, description="How often it fires; null: for ever")
    ttl: str | None = Field(
        default=None, min_length=1, max_length=64, description="When a repeated job ends; as due_time, and from it"
    )
    data: Any = Field(
        default=DEFAULT_DATA, description="Any JSON of up to 8 KiB; the callback gets it. Dapr keeps numbers as doubles"
    )
    overwrite: bool = Field(default=False, description="Replaces a job of that name, instead of 409")
    failure_policy: FailurePolicy | None = None

    @field_validator("schedule")
    @classmethod
    def _harmless(cls, schedule: str | None) -> str | None:
        if schedule and (why := schedules.harm(schedule)):
            raise PydanticCustomError("schedule", "{why}", {"why": why})
        return schedule

    @field_validator("repeats")
    @classmethod
    def _repeats_a_schedule(cls, repeats: int | None, info: ValidationInfo) -> int | None:
        one_shot = info.data.get("due_time") and not info.data.get("schedule")
        if one_shot and repeats and repeats > 1:
            raise PydanticCustomError("repeats", "a one-shot (a due_time without a schedule) fires once")
        return repeats

    @field_validator("data")
    @classmethod
    def _carried_unchanged(cls, data: Any) -> Any:
        try:
            text = json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise PydanticCustomError("data", "cannot be written as JSON") from error
        if len(text) > DATA_BYTES:
            raise PydanticCustomError("data", "must have at most 8192 bytes as JSON")
        if any(abs(number) > LARGEST_INTEGER for number in _integers(data)):
            raise PydanticCustomError("data", "has an integer beyond 2^53, which Dapr would change: send it as text")
        return data

    @property
    def effective_schedule(self) -> str | None:
        """The schedule, or the default one; None for a one-shot."""
        return self.schedule or (None if self.due_time else DEFAULT_SCHEDULE)

    def wire(self) -> dict[str, Any]:
        """The job as Dapr's Jobs API wants it. Always with data: a job without any never reaches an HTTP app."""
        schedule = self.effective_schedule
        policy = self.failure_policy and self.failure_policy.model_dump(by_alias=True, exclude_none=True)
        optional = {
            "schedule": schedule,
            "dueTime": self.due_time,
            "repeats": self.repeats if schedule else None,
            "ttl": self.ttl,
            "failurePolicy": policy or None,
        }
        present = {name: value for name, value in optional.items() if value is not None}
        return {"data": self.data, "overwrite": self.overwrite, **present}


class JobEvent(JobOrder):
    """The payload of an event of topic schedule-job (asyncapi.yaml)."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"job_name": "report", "schedule": "@every 10s", "repeats": 2}]}
    )

    job_name: JobName


class Done(BaseModel):
    """What became of a request."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "SUCCESS", "message": "Job 'report' scheduled successfully."}]}
    )

    status: str = "SUCCESS"
    message: str


class JobFound(BaseModel):
    """A job as the scheduler knows it, in Dapr's own words."""

    status: str = "SUCCESS"
    job_details: dict[str, Any] = Field(
        examples=[{"name": "report", "schedule": "@every 10s", "repeats": 3, "data": DEFAULT_DATA}]
    )


class JobReceived(BaseModel):
    """The answer to Dapr's callback."""

    status: str = "SUCCESS"
    received_at: datetime
    data: Any = Field(examples=[DEFAULT_DATA])


class Outcome(StrEnum):
    """How a run went."""

    succeeded = "succeeded"
    failed = "failed"


class Run(BaseModel):
    """One arrival of a job's callback."""

    job_name: str = Field(examples=["report"])
    fired_at: datetime = Field(description="When the callback arrived")
    lateness_ms: float | None = Field(
        description="How long after it was due; null if that cannot be told", examples=[4.2]
    )
    data: Any = Field(
        description="Of data of more than 30,000 characters the first 4,000, as text", examples=[DEFAULT_DATA]
    )
    attempt: int = Field(description="1, or one more than the failed run before it, if this is its retry", examples=[1])
    outcome: Outcome


class RunPage(BaseModel):
    """Runs, newest first."""

    runs: list[Run]
    next: int | None = Field(description="`before` of the next page; null at the end", examples=[None])


class DeadLetter(BaseModel):
    """An event of topic schedule-job that was given up."""

    id: str = Field(examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
    event_id: str = Field(description="The CloudEvent's own", examples=["8a6a2ad5-8f9d-4a4c-a1d0-7b2f8b0c3a77"])
    received_at: datetime
    reason: str = Field(examples=["job_name: Field required"])
    event: Any = Field(
        description="The CloudEvent; of one of more than 30,000 characters the first 4,000, as text",
        examples=[{"specversion": "1.0", "id": "8a6a2ad5-…", "source": "billing", "data": {"schedule": "@every 10s"}}],
    )


class DeadLetterPage(BaseModel):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetter]
    next: int | None = Field(description="`before` of the next page; null at the end", examples=[None])


class EventAnswer(BaseModel):
    """What Dapr is to do with the event: SUCCESS and DROP end it, DROP in the dead-letter topic."""

    status: Literal["SUCCESS", "DROP"] = Field(examples=["SUCCESS"])


class Welcome(BaseModel):
    """One line that names the main routes."""

    message: str


class Health(BaseModel):
    """The state of the process, or of what it needs before it can serve."""

    status: str = Field(examples=["ok"])


class FaultOrder(BaseModel):
    """The faults to switch on; a field that is left out is off."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"fail_next": 2}]})

    fail_next: int = Field(default=0, ge=0, le=1_000_000, description="How many of the next callbacks fail")
    delay_ms: int = Field(default=0, ge=0, le=30_000, description="How long every callback waits, in milliseconds")
    status: int = Field(default=500, ge=400, le=599, description="The HTTP status of those that fail")


class FaultState(FaultOrder):
    """The faults that are on, and how many callbacks arrived since the start."""

    calls: int = Field(description="Callbacks since the process started, failed ones too")


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["schedule"])
    message: str = Field(examples=["expected exactly 6 fields, found 5: [0 * * * *]"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it; the last two fields tell of something this app needs that failed."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["schedule: expected exactly 6 fields, found 5: [0 * * * *]"])
    errors: list[FieldError] | None = Field(default=None, description="For invalid input: one entry a field")
    dependency: str | None = Field(default=None, description="What failed", examples=["Dapr scheduler"])
    errorCode: str | None = Field(default=None, description="Dapr's code", examples=["DAPR_SCHEDULER_SCHEDULE_JOB"])


def _integers(data: Any) -> list[int]:
    waiting, found = [data], list[int]()
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting.extend(part.values())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        elif isinstance(part, list):
            waiting.extend(part)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(part, int):
            found.append(part)
    return found
