"""Dapr's Jobs API, as the sidecar serves it at /v1.0/jobs/{name} (/v1.0-alpha1/jobs is the same)."""

import asyncio
import json
from typing import Any, cast

import aiohttp
from pydantic_core import to_json

from kit.edge.problems import Refused
from kit.sidecar.unavailable import SIDECAR, Unavailable, sidecar_down, too_slow
from models import JobOrder
from scheduling import PlacedOrder, unwrap, wrap

SCHEDULER = "Dapr scheduler"
JSON = {"content-type": "application/json"}
# The scheduler keeps a job's data as protobuf. Over HTTP the sidecar shows it in an envelope that names its type.
ENVELOPE = "type.googleapis.com/google.protobuf.Value"
# The scheduler's reasons (go-etcd-cron, internal/scheduler/builder.go) name fields in words.
FIELD_OF_REASON = {"due time format": "due_time", "ttl": "ttl", "repeat": "repeats", "HTTP body": "data"}
# The sidecar cannot write a job without data as JSON, so over HTTP no more of it can be read.
NO_DATA = "none of the oneof fields is set"
# Dapr answers most failures with 500. Its text says which of them pass.
PASSING = ("Unavailable", "connection refused", "cron is closed")

Answer = dict[str, Any]


class JobMissing(Refused):
    """The scheduler has no job of that name."""

    def __init__(self) -> None:
        super().__init__(404, "job_name: there is no such job.")


class JobExists(Refused):
    """The scheduler has a job of that name and was not asked to replace it."""

    def __init__(self) -> None:
        super().__init__(409, 'job_name: there is a job of this name; "overwrite": true replaces it.')


class JobRefused(Refused):
    """The scheduler cannot read the job, for the reason that it gives."""

    def __init__(self, reason: str) -> None:
        field = next((field for words, field in FIELD_OF_REASON.items() if words in reason), "schedule")
        self.reason = reason
        super().__init__(422, f"{field}: {reason}", errors=[{"field": field, "message": reason}])


class Jobs:
    """Schedule, get and delete jobs of this app. Methods raise Unavailable if the scheduler does not answer in time."""

    def __init__(self, session: aiohttp.ClientSession, port: int, seconds: float) -> None:
        self._session, self._seconds = session, seconds
        self._base = f"http://127.0.0.1:{port}/v1.0/jobs/"

    async def schedule(self, name: str, order: JobOrder) -> None:
        """Schedule a job. Raise JobExists, or JobRefused with the scheduler's reason."""
        status, answer = await self._call("POST", name, to_json(order.wire() | {"data": wrap(order)}))
        message = str(answer.get("message", ""))
        if status == 409:
            raise JobExists
        # 400: the sidecar cannot read the JSON as protobuf. What the scheduler refuses arrives as 500.
        if status == 400 or "failed validation: " in message:
            raise JobRefused(message.rpartition("failed validation: ")[2][:500])
        _check(status, answer)

    async def get(self, name: str) -> Answer:
        """Return the job in Dapr's words, with the data that the user gave it. Raise JobMissing."""
        found = await self._get(name)
        return found | {"data": unwrap(found.get("data"))[0]}

    async def has(self, name: str, order: JobOrder) -> bool:
        """Return whether the job of that name is the one that this order asks for: its times, policy and data."""
        try:
            data, placed = unwrap((await self._get(name)).get("data"))
        except JobMissing:
            return False
        if placed is None:
            return False
        return placed == PlacedOrder.of(order, placed.scheduled_at) and data == order.data

    async def delete(self, name: str) -> bool:
        """Delete a job. Return False if it does not exist, which Dapr does not say itself."""
        try:
            await self._get(name)
        except JobMissing:
            return False
        _check(*await self._call("DELETE", name))
        return True

    async def _get(self, name: str) -> Answer:
        status, answer = await self._call("GET", name)
        message = str(answer.get("message", ""))
        if status == 500 and "code = NotFound" in message:
            raise JobMissing
        if status == 500 and NO_DATA in message:
            return {"name": name, "data": None}
        _check(status, answer)
        data: Answer = answer["data"] if isinstance(answer.get("data"), dict) else {}
        return answer | {"data": data.get("value")} if data.get("@type") == ENVELOPE else answer

    async def _call(self, method: str, name: str, body: bytes | None = None) -> tuple[int, Answer]:
        # A name has no character that a URL would have to encode: models.JobName.
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._session.request(method, self._base + name, data=body, headers=JSON) as response,
            ):
                return response.status, _object(await response.read())
        except TimeoutError as error:
            raise too_slow(SCHEDULER, self._seconds) from error
        except aiohttp.ClientError as error:
            raise sidecar_down(error) from error


def _check(status: int, answer: Answer) -> None:
    if status < 300:
        return
    if status == 401:
        raise Unavailable(502, SIDECAR, "The Dapr sidecar refuses this app's DAPR_API_TOKEN.")
    code, message = answer.get("errorCode") or None, str(answer.get("message", ""))
    if status in (503, 504) or any(words in message for words in PASSING):
        raise Unavailable(503, SCHEDULER, f"{SCHEDULER} cannot be reached.", code, message, retry_after=1)
    raise Unavailable(502, SCHEDULER, f"{SCHEDULER} failed.", code, message)


def _object(body: bytes) -> Answer:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return cast("Answer", found) if isinstance(found, dict) else {}
