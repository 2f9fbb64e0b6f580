"""What this service asks of Dapr besides state: events to publish, and jobs to be called back for."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import grpc
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._jobs import ConstantFailurePolicy, Job
from pydantic import BaseModel

from failures import DependencyFailed
from sdk_client import SdkClient

T = TypeVar("T")

# Tried again until it is done: what it is for was promised to a user.
UNTIL_DONE = ConstantFailurePolicy(max_retries=None, interval_seconds=1)


class DaprCalls:
    """Publishes events and schedules jobs. Raises DependencyFailed."""

    def __init__(self, sdk: SdkClient, pubsub: str, timeout_seconds: float) -> None:
        self._sdk = sdk
        self._pubsub = pubsub
        self._seconds = timeout_seconds

    async def publish(self, topic: str, data: BaseModel, event_type: str) -> None:
        """One event; Dapr gives it its id."""
        client = await self._sdk.get()
        body = data.model_dump_json()
        metadata = {"cloudevent.type": event_type}
        await self._call(
            self._pubsub,
            client.publish_event(
                self._pubsub, topic, body, publish_metadata=metadata, data_content_type="application/json"
            ),
        )

    async def schedule(self, name: str, due_in_seconds: int, again_every_seconds: int = 0, times: int = 1) -> None:
        """Has Dapr call `POST /job/{name}`; a job of that name that is there already is replaced."""
        client = await self._sdk.get()
        job = Job(name=name, due_time=f"{due_in_seconds}s", failure_policy=UNTIL_DONE)
        if times > 1:
            job.schedule, job.repeats = f"@every {again_every_seconds}s", times
        await self._call("Dapr scheduler", client.schedule_job(job, overwrite=True))

    async def _call(self, dependency: str, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                return await call
        except TimeoutError as error:
            detail = f"{dependency} did not answer within {self._seconds:g} s."
            raise DependencyFailed(504, dependency, detail) from error
        except DaprGrpcError as error:
            cause = error.__cause__
            code = cause.code().name if isinstance(cause, grpc.aio.AioRpcError) else None
            raise DependencyFailed(503, dependency, f"{dependency} cannot be used now.", code, str(error)) from error
