"""Record and replay the histories of orders. The SDK has no public way to do either.

`python tests/histories.py FILE INSTANCE_ID` writes the history of an instance from the sidecar at DAPR_GRPC_PORT.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dapr.ext.workflow._durabletask.internal.protos as pb
import grpc
from dapr.ext.workflow import WorkflowRuntime
from dapr.ext.workflow._durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceStub
from dapr.ext.workflow._durabletask.worker import _OrchestrationExecutor
from google.protobuf.json_format import MessageToDict, ParseDict
from pydantic import BaseModel, ValidationError

Turn = tuple[list[Any], list[Any], list[str]]
# The decisions of a workflow. All other events of a history arrived.
DECISIONS = {
    "taskScheduled": "scheduleTask",
    "timerCreated": "createTimer",
    "childWorkflowInstanceCreated": "createChildWorkflow",
    "executionCompleted": "completeWorkflow",
}


class Differs(AssertionError):
    """A workflow decided otherwise than in the history."""


class Unusable(AssertionError):
    """An activity does not accept its input of the history."""


def write(path: Path, events: list[Any]) -> None:
    """Write a history as JSON, without the parts that name a machine or differ each time."""
    rows = [MessageToDict(event) for event in events]
    for row in rows:
        for kind in row.values():
            if isinstance(kind, dict):
                kind.pop("parentTraceContext", None)
                kind.get("failureDetails", {}).pop("stackTrace", None)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> list[Any]:
    """Return the events of a history that was written."""
    return [ParseDict(row, pb.HistoryEvent()) for row in json.loads(path.read_text())]


def fetch(instance_id: str, port: int) -> list[Any]:
    """Return the events of an instance, from a sidecar."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = pb.GetInstanceHistoryRequest(instanceId=instance_id)
        return list(TaskHubSidecarServiceStub(channel).GetInstanceHistory(request).events)


def turns(history: list[Any]) -> Iterator[Turn]:
    """Yield for each turn of the workflow the events before it, those that arrived, and its decisions."""
    starts = [number for number, event in enumerate(history) if event.HasField("workflowStarted")]
    for start, end in zip(starts, [*starts[1:], len(history)], strict=True):
        came = [event for event in history[start:end] if event.WhichOneof("eventType") not in DECISIONS]
        decided = [event for event in history[start:end] if event.WhichOneof("eventType") in DECISIONS]
        yield history[:start], came, [_decision(event) for event in decided]


def replay(runtime: WorkflowRuntime, history: list[Any]) -> None:
    """Let the workflow of `runtime` take each turn of the history again. Raise Differs.

    Each turn is a moment at which a deployment may have caught the order.
    """
    registry = runtime._WorkflowRuntime__worker._registry  # type: ignore[attr-defined]
    for past, came, decided in turns(history):
        result = _OrchestrationExecutor(registry, logging.getLogger("replay")).execute("replayed", past, came)
        again = [_action(action) for action in result.actions]
        if again != decided:
            failures = [action.completeWorkflow.failureDetails.errorMessage for action in result.actions]
            told = "\n".join(filter(None, failures))
            raise Differs(f"after {len(past)} events it decided\n{decided}\nand now\n{again}\n{told}")


def hand_out(models: dict[str, type[BaseModel]], history: list[Any]) -> None:
    """Read the input of each activity in the history by the model of its name. Raise Unusable.

    Each may be running when a version is deployed. The new one then executes it, with the input of the old one.
    """
    for task in (event.taskScheduled for event in history if event.HasField("taskScheduled")):
        if task.name not in models:
            raise Unusable(f"there is no activity {task.name} any more")
        try:
            models[task.name].model_validate_json(task.input.value)
        except ValidationError as error:
            raise Unusable(f"{task.name}: {error}") from error


def _decision(event: Any) -> str:
    kind = event.WhichOneof("eventType")
    return _line(DECISIONS[kind], event.eventId, getattr(event, kind))


def _action(action: Any) -> str:
    kind = action.WhichOneof("workflowActionType")
    return _line(kind, action.id, getattr(action, kind))


def _line(kind: str, number: int, what: Any) -> str:
    if kind == "completeWorkflow":
        return f"{kind} {pb.OrchestrationStatus.Name(what.workflowStatus)}"
    # A timer's name is that of the event it limits, if any; the time itself may differ.
    return f"{number} {kind} {what.name if kind != 'createTimer' else what.externalEvent.name}"


if __name__ == "__main__":
    write(Path(sys.argv[1]), fetch(sys.argv[2], int(os.environ["DAPR_GRPC_PORT"])))
