"""What a job carries to its callback, so that the app knows how late a run is without storing anything.

Dapr's callback has a job's name and data, but no due time. So the app sends `{"order": …, "data": …}` to the scheduler:
the times and the policy of the job beside its data. The callback and GET /get-job unwrap it, so this app's users never
see it. GET /v1.0/jobs/{name} at the sidecar does show it. Any other data belongs to a job that was scheduled at the
sidecar itself. It is taken as it is, and how late such a job is stays unknown.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

import schedules
from models import FailurePolicy, JobOrder

# What Dapr does without a failure policy (go-etcd-cron, internal/scheduler/builder.go).
DEFAULT_RETRIES, DEFAULT_INTERVAL_SECONDS = 3, 1.0


class PlacedOrder(BaseModel):
    """An order as its job carries it, with the moment at which this app placed it. Its data is beside it."""

    model_config = ConfigDict(extra="forbid")

    scheduled_at: AwareDatetime
    schedule: str | None = None
    due_time: str | None = None
    repeats: int | None = None
    ttl: str | None = None
    failure_policy: FailurePolicy | None = None

    @classmethod
    def of(cls, order: JobOrder, scheduled_at: datetime) -> "PlacedOrder":
        """Return an order as its job carries it."""
        return cls(
            scheduled_at=scheduled_at,
            schedule=order.effective_schedule,
            due_time=order.due_time,
            repeats=order.repeats,
            ttl=order.ttl,
            failure_policy=order.failure_policy,
        )

    def due(self, now: datetime) -> datetime | None:
        """Return the last moment up to `now` at which the job was due; None if there is none or it is unknown."""
        first = schedules.moment(self.due_time, self.scheduled_at) if self.due_time else None
        return schedules.latest(self.schedule, first, first or self.scheduled_at, now)

    @property
    def retries(self) -> tuple[int | None, float]:
        """The number of retries of a failed call (None: without end), and the seconds before each."""
        policy = self.failure_policy
        if policy and policy.constant:
            return policy.constant.max_retries, float(policy.constant.interval.removesuffix("s"))
        return (0, 0.0) if policy and policy.drop else (DEFAULT_RETRIES, DEFAULT_INTERVAL_SECONDS)


def wrap(order: JobOrder) -> dict[str, Any]:
    """Return the data of a job that is placed now, for the scheduler."""
    placed = PlacedOrder.of(order, datetime.now(UTC))
    return {"order": placed.model_dump(mode="json", by_alias=True, exclude_none=True), "data": order.data}


def unwrap(found: Any) -> tuple[Any, PlacedOrder | None]:
    """Return the data that the user gave a job, and its order; None for a job that this app did not schedule."""
    if isinstance(found, dict):
        carried = cast("dict[str, Any]", found)
        if carried.keys() == {"order", "data"}:
            with suppress(ValidationError):
                return carried["data"], PlacedOrder.model_validate(carried["order"])
    return cast("Any", found), None


def list_of(job_name: str) -> str:
    """Return the key of a job's list of runs."""
    return f"job:{job_name}"
