"""Record and replay the histories of orders. The SDK has no public way to do either.

`python tests/histories.py FILE INSTANCE_ID` writes the history of an instance from the sidecar at DAPR_GRPC_PORT.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import dapr.ext.workflow._durabletask.internal.protos as pb
import grpc
from dapr.ext.workflow import WorkflowRuntime
from dapr.ext.workflow._durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceStub
from dapr.ext.workflow._durabletask.worker import _OrchestrationExecutor
from google.protobuf.json_format import MessageToDict, ParseDict
from pydantic import BaseModel

# The decisions of a workflow, by their events. All other events of a history arrived.
DECISIONS = {
    "taskScheduled": "scheduleTask",
    "timerCreated": "createTimer",
    "childWorkflowInstanceCreated": "createChildWorkflow",
    "executionCompleted": "completeWorkflow",
}


class Differs(AssertionError):
    """A workflow decided otherwise than in the history."""


def record(path: Path, instance_id: str, port: int) -> None:
    """Write the history of an instance, without the parts that name a machine or differ each time."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = pb.GetInstanceHistoryRequest(instanceId=instance_id)
        events = TaskHubSidecarServiceStub(channel).GetInstanceHistory(request).events
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


def replay(runtime: WorkflowRuntime, history: list[Any]) -> None:
    """Let the workflow of `runtime` take each turn of the history again. Raise Differs.

    Each turn is a moment at which a deployment may have caught the order.
    """
    registry = runtime._WorkflowRuntime__worker._registry  # type: ignore[attr-defined]
    starts = [number for number, event in enumerate(history) if event.HasField("workflowStarted")]
    for start, end in zip(starts, [*starts[1:], len(history)], strict=True):
        arrived = [event for event in history[start:end] if event.WhichOneof("eventType") not in DECISIONS]
        decided = [_decision(event) for event in history[start:end] if event.WhichOneof("eventType") in DECISIONS]
        executor = _OrchestrationExecutor(registry, logging.getLogger("replay"))
        actions = executor.execute("replayed", history[:start], arrived).actions
        again = [_action(action) for action in actions]
        if again != decided:
            failures = [action.completeWorkflow.failureDetails.errorMessage for action in actions]
            raise Differs(f"after {start} events it decided\n{decided}\nand now\n{again}\n{''.join(failures)}")


def give_inputs(models: dict[str, type[BaseModel]], history: list[Any]) -> None:
    """Read the input of each activity in the history by the model of its name. Raise KeyError or ValidationError.

    Each may be running when a version is deployed. The new one then executes it, with the input of the old one.
    """
    for task in (event.taskScheduled for event in history if event.HasField("taskScheduled")):
        models[task.name].model_validate_json(task.input.value)


def _decision(event: Any) -> str:
    kind = event.WhichOneof("eventType")
    return _line(DECISIONS[kind], event.eventId, getattr(event, kind))


def _action(action: Any) -> str:
    kind = action.WhichOneof("workflowActionType")
    return _line(kind, action.id, getattr(action, kind))


def _line(kind: str, number: int, decision: Any) -> str:
    if kind == "completeWorkflow":
        return f"{kind} {pb.OrchestrationStatus.Name(decision.workflowStatus)}"
    # A timer's name is that of the event it limits, if any; the time itself may differ.
    return f"{number} {kind} {decision.name if kind != 'createTimer' else decision.externalEvent.name}"


if __name__ == "__main__":
    record(Path(sys.argv[1]), sys.argv[2], int(os.environ["DAPR_GRPC_PORT"]))
