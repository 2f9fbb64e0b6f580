"""A run: one arrival of a job's callback.

`lateness_ms` is the time from the moment at which the job was due until its callback arrived here.

- A one-shot is due at its due time.
- `@every` is due at base + n * interval. The base is the due time. Without one it is the moment at which this app asked
  for the job, a few ms before the scheduler's own.
- Cron is due at each second that matches.

The latest such moment counts. So a retry of a one-shot is late by all the time since. A retry of a repeated job is late
by the time since its latest tick. A tick that arrives more than an interval late counts from a later one. Lateness is
null if the app did not schedule this job or cannot read its schedule. On two machines it includes their clocks'
difference.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from kit.sidecar.pages import Slice
from kit.sidecar.store import Object
from models import DEFAULT_DATA


class Outcome(StrEnum):
    """The outcome of a run."""

    succeeded = "succeeded"
    failed = "failed"


class Run(BaseModel):
    """One arrival of a job's callback."""

    job_name: str = Field(examples=["report"])
    fired_at: datetime = Field(description="When the callback arrived")
    lateness_ms: float | None = Field(description="Time since it was due; null if unknown", examples=[4.2])
    data: Any = Field(
        description="Data of more than 30,000 characters is cut to its first 4,000, as text", examples=[DEFAULT_DATA]
    )
    attempt: int = Field(description="1, or one more than the failed run before it if this is its retry", examples=[1])
    outcome: Outcome


class RunPage(BaseModel):
    """Runs, newest first."""

    runs: list[Run]
    next: int | None = Field(description="`before` of the next page; null at the end", examples=[None])

    @classmethod
    def of(cls, found: Slice[Object]) -> "RunPage":
        """Return the page that the list of runs has."""
        return cls.model_validate({"runs": [run for _, run in found.entries], "next": found.next})
