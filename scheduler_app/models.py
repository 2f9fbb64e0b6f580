"""The requests and answers of the scheduler app; runs/models.py has those about runs."""

import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

import schedules
from kit.sidecar.events import showable

DEFAULT_SCHEDULE = "@every 10s"
DEFAULT_DATA: dict[str, str] = {"message": "Hello from Python Job!"}
DATA_BYTES = 8_192
NAME = "[A-Za-z0-9._~-]{1,64}"
# Dapr stores the numbers of a job's data as doubles.
LARGEST_INTEGER = 2**53 - 1


def _job_name(name: str) -> str:
    # Dapr writes a name unescaped into the path of the callback, so the callback of `a%b` would never arrive.
    if not re.fullmatch(NAME, name):
        raise PydanticCustomError("job_name", "must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -")
    if name in (".", ".."):
        raise PydanticCustomError("job_name", "would be a step in a path")
    if name == "stream":
        raise PydanticCustomError("job_name", "is taken by GET /runs/stream")
    return name


def _exact_integer(digits: str) -> int:
    if abs(int(digits)) > LARGEST_INTEGER:
        raise PydanticCustomError("data", "has an integer beyond 2^53, which Dapr would change: send it as text")
    return int(digits)


_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False)
_DECODER = json.JSONDecoder(parse_int=_exact_integer)
JobName = Annotated[str, AfterValidator(_job_name)]
JobNamePath = Annotated[
    JobName,
    Path(description="Not `.`, `..` or `stream`", examples=["report"], json_schema_extra={"pattern": f"^{NAME}$"}),
]
# Any name is recorded: a job may be scheduled without this app.
CalledName = Annotated[str, Path(min_length=1, max_length=512, examples=["report"])]
Limit = Annotated[int, Query(ge=1, le=200, description="Page size")]
Before = Annotated[int | None, Query(ge=0, le=2**53, description="`next` of an answer, for the older ones")]


TAUGHT_EXAMPLES: list[JsonValue] = [
    {"schedule": "@every 10s", "repeats": 3, "data": {"message": "Hello from Python Job!"}},
    {"schedule": "0 30 8 * * MON-FRI", "repeats": None},
    {"due_time": "30s", "data": {"order": 17}, "failure_policy": {"drop": {}}},
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Drop(_Strict):
    """Do not retry a failed call."""


class Constant(_Strict):
    """Retry a failed call at one interval."""

    model_config = ConfigDict(validate_by_name=True)

    interval: str = Field(default="1s", max_length=24, pattern=r"^\d{1,9}(\.\d{1,9})?s$", examples=["2s", "0.5s"])
    max_retries: int | None = Field(
        default=None, alias="maxRetries", ge=0, le=2**31, description="Retries after the first call; null: without end"
    )

    @field_validator("interval")
    @classmethod
    def _pauses(cls, interval: str) -> str:
        if float(interval.removesuffix("s")) < schedules.SHORTEST_INTERVAL.total_seconds():
            raise PydanticCustomError("interval", "must be 0.1s or longer")
        return interval


class FailurePolicy(_Strict):
    """Choose what the scheduler does when a call fails, in Dapr's own form. Without a policy: 3 retries, 1 s apart."""

    drop: Drop | None = None
    constant: Constant | None = None

    @field_validator("constant")
    @classmethod
    def _one_of_both(cls, constant: Constant | None, info: ValidationInfo) -> Constant | None:
        if constant and info.data.get("drop"):
            raise PydanticCustomError("policy", "a policy is either drop or constant")
        return constant


class JobOrder(_Strict):
    """A job to schedule. A field that is left out has the taught default."""

    model_config = ConfigDict(json_schema_extra={"examples": TAUGHT_EXAMPLES})

    schedule: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="`@every 1m30s`, `@hourly` …, or cron with six fields, seconds first, in UTC (or after "
        "`TZ=Europe/Berlin `). Default: `@every 10s`; with a due_time none, for a one-shot",
    )
    due_time: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="When the first call is due: RFC 3339, or from now a Go (`90s`) or ISO 8601 (`PT90S`) duration",
    )
    repeats: int | None = Field(default=3, ge=1, le=2**31, description="Number of calls; null: without end")
    ttl: str | None = Field(
        default=None, min_length=1, max_length=64, description="When a repeated job ends: as due_time, and from it"
    )
    data: Any = Field(
        default=DEFAULT_DATA, description="The callback's body: any JSON of up to 8 KiB. Dapr stores numbers as doubles"
    )
    overwrite: bool | None = Field(default=None, description="Replace a job of that name instead of answering 409")
    failure_policy: FailurePolicy | None = None

    @field_validator("schedule")
    @classmethod
    def _is_harmless(cls, schedule: str | None) -> str | None:
        if schedule and (why := schedules.harm(schedule)):
            raise PydanticCustomError("schedule", "{why}", {"why": why})
        return schedule

    @field_validator("due_time", "ttl")
    @classmethod
    def _is_in_the_calendar(cls, time: str | None) -> str | None:
        if time and schedules.is_beyond_calendar(time):
            raise PydanticCustomError("time", "must be in the years 1 to 9999, in UTC")
        return time

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
            text = _ENCODER.encode(showable(data))
        except (ValueError, RecursionError) as error:
            raise PydanticCustomError("data", "cannot be written as JSON") from error
        if len(text.encode()) > DATA_BYTES:
            raise PydanticCustomError("data", "must have at most 8192 bytes as JSON")
        _DECODER.decode(text)
        return data

    @property
    def effective_schedule(self) -> str | None:
        """The schedule or the default one; None for a one-shot."""
        return self.schedule or (None if self.due_time else DEFAULT_SCHEDULE)

    def wire(self) -> dict[str, Any]:
        """Return the job in the form of Dapr's Jobs API, without its data."""
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
        return {"overwrite": bool(self.overwrite), **present}


class JobEvent(JobOrder):
    """The payload of an event of topic schedule-job (asyncapi.yaml)."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"job_name": "report", "schedule": "@every 10s", "repeats": 2}]}
    )

    job_name: JobName


class Done(BaseModel):
    """The result of a request."""

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


class DeadLetter(BaseModel):
    """An event of topic schedule-job that could not be processed."""

    id: str = Field(examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
    event_id: str = Field(description="The CloudEvent's own id", examples=["8a6a2ad5-8f9d-4a4c-a1d0-7b2f8b0c3a77"])
    received_at: datetime
    reason: str = Field(examples=["job_name: Field required"])
    event: Any = Field(
        description="The CloudEvent; one of more than 250,000 characters is cut to its first 4,000, as text",
        examples=[{"specversion": "1.0", "id": "8a6a2ad5-…", "source": "billing", "data": {"schedule": "@every 10s"}}],
    )


class DeadLetterPage(BaseModel):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetter]
    next: int | None = Field(description="`before` of the next page; null at the end", examples=[None])


class EventAnswer(BaseModel):
    """The answer to a delivery: SUCCESS and DROP end it, DROP in the dead-letter topic."""

    status: Literal["SUCCESS", "DROP"] = Field(examples=["SUCCESS"])
