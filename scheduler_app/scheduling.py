"""Schedule jobs. Store the order of each, from which a run's lateness follows, and the events that asked for it.

The head of a job's list of runs (key `job:x`) holds both. `remembered` is the order. `events` are the marks of the last
events that asked for a job of that name. They outlive the job, because a redelivered event must not schedule it again.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, Field, ValidationError

import schedules
from jobs import JobExists, JobMissing, JobRefused, Jobs
from kit.sidecar.store import Object
from models import JobOrder
from runs.heads import Heads

# What Dapr does without a failure policy (go-etcd-cron, internal/scheduler/builder.go).
DEFAULT_RETRIES, DEFAULT_INTERVAL_SECONDS = 3, 1.0
# Dapr redelivers an event within minutes, and more events than this for one job name are not expected in that time.
LAST_EVENTS = 50
# The longest time that a key may be kept: Dapr reads it as 32 bits.
LONGEST_SECONDS = 2**31 - 1


class JobRecord(BaseModel):
    """The order of a job, with the moment at which this app placed it."""

    id: str = Field(default_factory=lambda: uuid4().hex)
    order: JobOrder
    scheduled_at: datetime

    @classmethod
    def of(cls, head: Object | None) -> "JobRecord | None":
        """Return the record in the head of a job's list. None if there is none, or an older version's rules made it."""
        with suppress(ValidationError):
            return cls.model_validate(head["remembered"]) if head and head.get("remembered") else None
        return None

    def stored(self) -> Object:
        """Return the record as it is stored: without the defaults, which need not suit the rest of the order."""
        order = self.order.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return {"id": self.id, "order": order, "scheduled_at": self.scheduled_at.isoformat()}

    @property
    def plan(self) -> schedules.Plan:
        """The times at which the job is due."""
        due = schedules.moment(self.order.due_time, self.scheduled_at) if self.order.due_time else None
        return schedules.Plan(self.order.effective_schedule, due, due or self.scheduled_at)

    @property
    def retries(self) -> tuple[int | None, float]:
        """The number of retries of a failed call (None: without end), and the seconds before each."""
        policy = self.order.failure_policy
        if policy and policy.constant:
            return policy.constant.max_retries, float(policy.constant.interval.removesuffix("s"))
        return (0, 0.0) if policy and policy.drop else (DEFAULT_RETRIES, DEFAULT_INTERVAL_SECONDS)


def list_of(job_name: str) -> str:
    """Return the key of a job's list of runs."""
    return f"job:{job_name}"


def seconds_until_due(head: Object) -> float:
    """Return how long the head of a list is needed before its job is due next; 0 for any other list."""
    job = JobRecord.of(head)
    now = datetime.now(UTC)
    due = job.plan.next(now) if job else None
    return (due - now).total_seconds() if due else 0


class Scheduling:
    """Schedule, get and delete jobs. Methods raise what Jobs raises, and Unavailable for the state store."""

    def __init__(self, jobs: Jobs, heads: Heads) -> None:
        self._jobs, self._heads = jobs, heads

    async def schedule(self, name: str, order: JobOrder) -> None:
        """Schedule a job. Raise JobExists or JobRefused."""
        job, earlier = JobRecord(order=order, scheduled_at=datetime.now(UTC)), None

        def replace(there: JobRecord | None) -> JobRecord:
            nonlocal earlier
            earlier = earlier if _same(there, job) else there
            return job

        # Remembered first, because a job that is due at once may be called before the scheduler's answer arrives.
        await self._change(name, replace, is_new=not order.overwrite)
        try:
            await self._jobs.schedule(name, order)
        except (JobExists, JobRefused):
            await self._change(name, lambda there: earlier if _same(there, job) else there)
            raise

    async def schedule_once(self, name: str, order: JobOrder, mark: str) -> None:
        """Schedule the job that an event asks for. `mark` identifies the event, which may be delivered repeatedly.

        Raise JobExists if another job has the name, or JobRefused.
        """
        if mark in _events(await self._heads.get(list_of(name))):
            return
        try:
            await self.schedule(name, order)
        except JobExists:
            # Another replica handles the same event at the same time, or was killed before it stored the mark.
            there = JobRecord.of(await self._heads.get(list_of(name)))
            if there is None or there.order != order:
                raise
        # Only now: an event whose job could not be scheduled must be retried.
        await self._heads.change(list_of(name), lambda head: head | {"events": _with_mark(head, mark)})

    async def get(self, name: str) -> dict[str, Any]:
        """Return the job as the scheduler has it. Raise JobMissing."""
        return await self._jobs.get(name)

    async def delete(self, name: str) -> bool:
        """Delete a job and its record, but not its runs. Return False if it does not exist."""
        before = JobRecord.of(await self._heads.get(list_of(name)))
        with suppress(JobMissing):
            await self._jobs.get(name)
            await self._jobs.delete(name)
            # A job that was scheduled under this name since then keeps its record.
            await self._change(name, lambda there: None if before and _same(there, before) else there)
            return True
        return False

    async def _change(
        self, name: str, change: Callable[[JobRecord | None], JobRecord | None], *, is_new: bool = False
    ) -> None:
        def edit(head: Object) -> Object:
            job = change(JobRecord.of(head))
            return head | {"remembered": job.stored() if job else None}

        await self._heads.change(list_of(name), edit, is_new=is_new)


def _events(head: Object) -> list[str]:
    return head.get("events", [])


def _with_mark(head: Object, mark: str) -> list[str]:
    return [*(event for event in _events(head) if event != mark), mark][-LAST_EVENTS:]


def _same(one: JobRecord | None, other: JobRecord) -> bool:
    return one is not None and one.id == other.id
