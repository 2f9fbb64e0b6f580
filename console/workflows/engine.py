"""The workflow engine of one app, through the gRPC API of its sidecar.

The SDK's client neither lists instances nor reads their history, so this uses the stubs that the SDK is made of.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import grpc.aio
from dapr.ext.workflow._durabletask.internal import orchestrator_service_pb2 as messages
from dapr.ext.workflow._durabletask.internal.history_events_pb2 import HistoryEvent
from dapr.ext.workflow._durabletask.internal.orchestration_pb2 import WorkflowState
from dapr.ext.workflow._durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceStub
from grpc import StatusCode

from console.labs import UNTRACED, Labs
from labctl.errors import LabError
from labctl.runfile import App
from labctl.up import secure

SECONDS = 5.0  # that a call may take
PAGE_SIZE = 1000
MOST_BYTES = 64 * 1024 * 1024  # of a history; gRPC's default of 4 MiB is less than a few large inputs
OPTIONS = [
    ("grpc.max_receive_message_length", MOST_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.enable_http_proxy", 0),
]
_HALF_SAVED = "missing from state store"


class Unreachable(LabError):
    """The engine did not answer. The text is a sentence for the page."""


class Unloadable(Unreachable):
    """The engine cannot load this instance: a part of it is not saved yet, or lost (kit/engine/FAULTS.md)."""


class Engine:
    """The engine of one app. Any method may raise Unreachable."""

    def __init__(self, labs: Labs, app: App) -> None:
        self.app = app
        self._stack = labs.stack
        self._channel: grpc.aio.Channel | None = None

    async def aclose(self) -> None:
        """Close the connection."""
        if self._channel:
            await self._channel.close()

    @property
    def _stub(self) -> Any:
        # A channel belongs to the event loop that runs as it is made.
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.app.grpc_port}", options=OPTIONS)
        return TaskHubSidecarServiceStub(self._channel)

    async def instance_ids(self, most: int) -> tuple[list[str], bool]:
        """Return up to `most` ids in no useful order, and whether there are more."""
        ids: list[str] = []
        token = ""
        with self._translated():
            while len(ids) < most:
                request = messages.ListInstanceIDsRequest(pageSize=PAGE_SIZE, continuationToken=token or None)
                page = await self._stub.ListInstanceIDs(request, **self._call())
                ids += page.instanceIds
                token = page.continuationToken
                if not token:
                    break
        return ids[:most], len(ids) > most or bool(token)

    async def state(self, instance_id: str, *, payloads: bool = False) -> WorkflowState | None:
        """Return the state of an instance, None if there is none. With `payloads` it has the input and the output."""
        request = messages.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=payloads)
        with self._translated():
            answer = await self._stub.GetInstance(request, **self._call())
        return answer.workflowState if answer.exists else None

    async def history(self, instance_id: str) -> list[HistoryEvent]:
        """Return the events of an instance."""
        request = messages.GetInstanceHistoryRequest(instanceId=instance_id)
        with self._translated():
            answer = await self._stub.GetInstanceHistory(request, **self._call())
        return list(answer.events)

    def _call(self) -> dict[str, Any]:
        token = secure.tokens(self._stack, self.app.app_id).get("DAPR_API_TOKEN")
        return {"timeout": SECONDS, "metadata": (*UNTRACED.items(), *([("dapr-api-token", token)] if token else []))}

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            kind = Unloadable if _HALF_SAVED in (error.details() or "") else Unreachable
            raise kind(_sentence(self.app.app_id, error)) from error


def _sentence(app_id: str, error: grpc.aio.AioRpcError) -> str:
    mend = f"Bring it back: ./lab restart {app_id} --sidecar"
    if error.code() is StatusCode.UNAVAILABLE:
        return f"The sidecar of {app_id} does not run. {mend}"
    if error.code() is StatusCode.DEADLINE_EXCEEDED:
        return f"The sidecar of {app_id} did not answer within {SECONDS:g} s. {mend}"
    reason = error.details() or error.code().name
    if _HALF_SAVED in reason:
        return f"The engine of {app_id} cannot load this instance at the moment: a part of it is not saved, or lost."
    return f"The sidecar of {app_id} refused: {reason}"
