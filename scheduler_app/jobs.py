"""Dapr's Jobs API, as the sidecar serves it at /v1.0/jobs/{name} (/v1.0-alpha1/jobs is the same)."""

from typing import Any, cast

import failures
from dapr_api import Answer, DaprApi
from failures import SCHEDULER, JobExists, JobMissing, JobRefused
from models import JobOrder

# How HTTP tells the type of a job's data, which the scheduler keeps as protobuf.
WRAPPED = "type.googleapis.com/google.protobuf.Value"


class Jobs:
    """Schedules, gets and deletes jobs of this app. Each raises DependencyFailed when the scheduler does not answer."""

    def __init__(self, dapr: DaprApi, timeout_seconds: float) -> None:
        self._dapr = dapr
        self._limit = timeout_seconds

    async def schedule(self, name: str, order: JobOrder) -> None:
        """Raises JobExists, or JobRefused with the scheduler's reason."""
        answer = await self._call("POST", name, order.wire())
        if answer.status == 409:
            raise JobExists
        # 400 is the sidecar's own: JSON that its protobuf has no place for. What the scheduler refuses comes as 500.
        if answer.status == 400 or "failed validation: " in answer.message:
            raise JobRefused(answer.message.rpartition("failed validation: ")[2][:500])
        self._check(answer)

    async def get(self, name: str) -> dict[str, Any]:
        """The job in Dapr's words. Raises JobMissing."""
        answer = await self._call("GET", name)
        if answer.status == 500 and "code = NotFound" in answer.message:
            raise JobMissing
        self._check(answer)
        job = cast("dict[str, Any]", answer.body or {})
        data = cast("dict[str, Any]", job["data"]) if isinstance(job.get("data"), dict) else {}
        return job | {"data": data.get("value")} if data.get("@type") == WRAPPED else job

    async def delete(self, name: str) -> None:
        """Deletes the job, also one that is not there: Dapr tells no difference."""
        self._check(await self._call("DELETE", name))

    async def _call(self, method: str, name: str, body: object = None) -> Answer:
        # A name has no character that a URL would have to encode: models.JobName.
        return await self._dapr.call(method, f"/v1.0/jobs/{name}", SCHEDULER, self._limit, body)

    def _check(self, answer: Answer) -> None:
        if answer.status >= 300:
            raise failures.bad_answer(SCHEDULER, answer.status, answer.error_code, answer.message)
