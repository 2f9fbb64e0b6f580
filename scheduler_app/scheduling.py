"""Schedules jobs, and remembers what it asked for, so that lateness and repeated events can be told.

What is remembered of job `x` lies in the head of its log (key `job:x`): recording a run of it then reads one key. Its
member `remembered` is the job as it was asked for, `events` the marks of the last events that asked for one of that
name. They outlive the job, for an event that comes again must not bring it back.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, Field

import schedules
from failures import JobExists, JobMissing, JobRefused
from jobs import Jobs
from models import JobOrder
from paged_log import Logs, Value

# What Dapr does without a failure policy (go-etcd-cron, internal/scheduler/builder.go).
DEFAULT_RETRIES, DEFAULT_INTERVAL_SECONDS = 3, 1.0
# An event comes again within minutes; that so many others ask for the same name in between is not foreseen.
LAST_EVENTS = 50


class Remembered(BaseModel):
    """A job as this app asked for it."""

    id: str = Field(default_factory=lambda: uuid4().hex)
    order: JobOrder
    scheduled_at: datetime

    def kept(self) -> dict[str, Any]:
        """As it is stored: of the order only what was asked for, because a default may not suit what was."""
        order = self.order.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return self.model_dump(mode="json", exclude={"order"}) | {"order": order}

    @property
    def plan(self) -> schedules.Plan:
        """When it is due."""
        due = schedules.moment(self.order.due_time, self.scheduled_at) if self.order.due_time else None
        return schedules.Plan(self.order.effective_schedule, due, due or self.scheduled_at)

    @property
    def retries(self) -> tuple[int | None, float]:
        """How often the scheduler tries a failed firing again (None: for ever), and after how many seconds."""
        policy = self.order.failure_policy
        if policy and policy.constant:
            return policy.constant.max_retries, float(policy.constant.interval.removesuffix("s"))
        return (0, 0.0) if policy and policy.drop else (DEFAULT_RETRIES, DEFAULT_INTERVAL_SECONDS)


def log_of(job_name: str) -> str:
    """The key of a job's log."""
    return f"job:{job_name}"


def remembered(value: Value | None) -> Remembered | None:
    """What the head of a job's log tells of the job itself."""
    told = (value or {}).get("remembered")
    return Remembered.model_validate(told) if told else None


def seconds_until_due(value: Value) -> float:
    """How long the head of a log is needed before its job fires next; 0 for any other log."""
    job = remembered(value)
    now = datetime.now(UTC)
    due = job.plan.next(now) if job else None
    return (due - now).total_seconds() if due else 0


class Scheduling:
    """Schedules, gets and deletes. Raises what Jobs raises, and DependencyFailed for the state store."""

    def __init__(self, jobs: Jobs, logs: Logs) -> None:
        self._jobs = jobs
        self._logs = logs

    async def schedule(self, name: str, order: JobOrder) -> None:
        """Raises JobExists, JobRefused."""
        await self._schedule(name, Remembered(order=order, scheduled_at=datetime.now(UTC)))

    async def schedule_once(self, name: str, order: JobOrder, event: str) -> None:
        """Schedules the job that an event asks for, once however often the event comes; it is known by its mark.

        Raises JobExists when another job has the name, JobRefused.
        """
        if event in _events(await self._logs.head(log_of(name))):
            return
        try:
            await self.schedule(name, order)
        except JobExists:
            # Another replica handles the same event just now, or one did and was killed before it could note that.
            there = await self._remembered(name)
            if there is None or there.order != order:
                raise
        # Only now: an event whose job could not be scheduled must be tried again.
        await self._logs.change(log_of(name), lambda head: head | {"events": [*_events(head), event][-LAST_EVENTS:]})

    async def get(self, name: str) -> dict[str, Any]:
        """The job as the scheduler has it. Raises JobMissing."""
        return await self._jobs.get(name)

    async def delete(self, name: str) -> bool:
        """Deletes the job and what is remembered of it, but not its runs. False: there was none."""
        before = await self._remembered(name)
        with suppress(JobMissing):
            await self._jobs.get(name)
            await self._jobs.delete(name)
            # Whoever schedules the name anew in this moment is remembered, and not what was deleted.
            await self._change(name, lambda there: None if before and _same(there, before) else there)
            return True
        return False

    async def _schedule(self, name: str, job: Remembered) -> None:
        # Remembered first, as a job that is due at once may fire before the scheduler's answer is here.
        earlier: Remembered | None = None

        def replace(there: Remembered | None) -> Remembered:
            nonlocal earlier
            earlier = there
            return job

        await self._change(name, replace)
        try:
            await self._jobs.schedule(name, job.order)
        except (JobExists, JobRefused):
            await self._change(name, lambda there: earlier if _same(there, job) else there)
            raise

    async def _remembered(self, name: str) -> Remembered | None:
        return remembered(await self._logs.head(log_of(name)))

    async def _change(self, name: str, change: Callable[[Remembered | None], Remembered | None]) -> None:
        def change_value(value: Value) -> Value:
            job = change(remembered(value))
            return value | {"remembered": job.kept() if job else None}

        await self._logs.change(log_of(name), change_value)


def _events(head: Value | None) -> list[str]:
    return (head or {}).get("events", [])


def _same(one: Remembered | None, other: Remembered) -> bool:
    return one is not None and one.id == other.id
