"""Dapr jobs of this app: the scheduler calls `POST /job/{name}` when one is due."""

from typing import Any

from dapr.clients.grpc._jobs import ConstantFailurePolicy, Job
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from grpc import StatusCode

from kit.sidecar.client import SdkClient
from kit.sidecar.unavailable import Unavailable

SCHEDULER = "Dapr scheduler"


class Jobs:
    """Schedule and delete jobs. Methods raise Unavailable, which names the scheduler."""

    def __init__(self, sdk: SdkClient) -> None:
        self._sdk = sdk

    async def schedule(
        self,
        name: str,
        due: str,
        *,
        schedule: str | None = None,
        repeats: int | None = None,
        data: Any = None,
        max_retries: int | None = None,
        overwrite: bool = True,
    ) -> None:
        """Schedule a job, or replace the one of that name (with `overwrite=False`, leave it). `data` is its JSON body.

        due: when the first call is due, such as `5s`. schedule: when the later calls are. repeats: how many calls there
        are in all. A call that fails is retried each second, without end unless `max_retries` is given.
        """
        message = AnyMessage()
        # A job without data reaches no app over HTTP, so there is always some: null.
        message.Pack(ParseDict(data, Value()))
        policy = ConstantFailurePolicy(max_retries=max_retries, interval_seconds=1)
        job = Job(name, schedule, repeats, due, data=message, failure_policy=policy)
        try:
            async with self._sdk.calling(SCHEDULER) as client:
                await client.schedule_job(job, overwrite=overwrite)
        except Unavailable as error:
            if overwrite or error.error_code != StatusCode.ALREADY_EXISTS.name:
                raise

    async def delete(self, name: str) -> None:
        """Delete a job, if it exists."""
        async with self._sdk.calling(SCHEDULER) as client:
            await client.delete_job(name)
