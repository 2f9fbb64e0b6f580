"""A stand-in for the sidecar's workflow engine: hands activities to the worker that connects, and takes results."""

import json
import queue
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
from dapr.ext.workflow._durabletask.internal import orchestration_pb2 as orchestration
from dapr.ext.workflow._durabletask.internal import orchestrator_service_pb2 as pb
from dapr.ext.workflow._durabletask.internal import orchestrator_service_pb2_grpc as stubs
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue


class Engine(stubs.TaskHubSidecarServiceServicer):
    """Calls activities of the worker, as the workflow of another app does."""

    def __init__(self) -> None:
        self.closed = False
        self.connected = 0
        self._work: queue.Queue[pb.WorkItem] = queue.Queue()
        self._answers: queue.Queue[pb.ActivityResponse] = queue.Queue()

    def add_to(self, server: grpc.Server) -> None:
        """Serves this engine there."""
        stubs.add_TaskHubSidecarServiceServicer_to_server(self, server)

    def call(self, name: str, given: object) -> tuple[Any, str | None]:
        """The result of an activity, and the words of its failure."""
        instance = orchestration.WorkflowInstance(instanceId="pizza-order-123")
        request = pb.ActivityRequest(name=name, taskId=1, workflowInstance=instance)
        request.input.CopyFrom(StringValue(value=json.dumps(given)))
        self._work.put(pb.WorkItem(activityRequest=request, completionToken="token"))
        answer = self._answers.get(timeout=10)
        failed = answer.failureDetails.errorMessage if answer.HasField("failureDetails") else None
        return (json.loads(answer.result.value) if answer.result.value else None), failed

    def Hello(self, *_: Any) -> Any:
        return Empty()

    def GetWorkItems(self, _: Any, context: Any) -> Iterator[Any]:
        if self.closed:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        # In short waits: a worker that has gone must not take the work of the next one with it.
        self.connected += 1
        try:
            while context.is_active():
                with suppress(queue.Empty):
                    yield self._work.get(timeout=0.02)
        finally:
            self.connected -= 1

    def CompleteActivityTask(self, answer: Any, _: Any) -> Any:
        self._answers.put(answer)
        return pb.CompleteTaskResponse()
