"""A stand-in for Dapr's workflow engine that is real where chat meets it: gRPC, histories, replay, timers, events.

It keeps everything in memory and runs one worker. What it answers to misuse was seen on Dapr 1.18.0.
"""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from dapr.ext.workflow._durabletask.internal import protos as pb
from dapr.ext.workflow._durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceServicer
from google.protobuf import empty_pb2

ENDED = (pb.ORCHESTRATION_STATUS_COMPLETED, pb.ORCHESTRATION_STATUS_FAILED, pb.ORCHESTRATION_STATUS_TERMINATED)


@dataclass
class Instance:
    """A workflow, its history and what waits to be told to it."""

    id: str
    name: str
    input: Any
    status: int = pb.ORCHESTRATION_STATUS_RUNNING
    history: list[Any] = field(default_factory=list)
    pending: list[Any] = field(default_factory=list)
    given: list[Any] | None = None
    output: Any = None
    custom_status: Any = None
    failure: Any = None


def event(**what: Any) -> Any:
    """A history event of now."""
    made = pb.HistoryEvent(eventId=what.pop("event_id", -1), **what)
    made.timestamp.FromDatetime(datetime.now(UTC))
    return made


class WorkflowEngine(TaskHubSidecarServiceServicer):
    """Instances, and the queue of work for the worker that is connected."""

    def __init__(self) -> None:
        self.instances: dict[str, Instance] = {}
        self.started: list[str] = []
        self.activities: list[tuple[str, str]] = []
        self.hold_starts = False
        # What standstill.py is there for: calls to workflows wait until the worker has left.
        self.blocked = threading.Event()
        self.workers, self.connected = 0, 0
        self.pings = 0
        self.torn_reads = 0
        # Instances that are not loaded any more, because a part of their state is missing.
        self.lost: set[str] = set()
        self._work: queue.Queue[Any] = queue.Queue()
        self._changed = threading.Condition(threading.RLock())

    def Hello(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def GetWorkItems(self, request: Any, context: Any) -> Iterator[Any]:
        ended = threading.Event()
        context.add_callback(ended.set)
        context.add_callback(self.blocked.clear)
        context.add_callback(self._left)
        with self._changed:
            self.workers += 1
            self.connected += 1
        # The SDK takes its worker for connected when the first answer of the stream is there.
        context.send_initial_metadata(())
        while not ended.is_set():
            try:
                item = self._work.get(timeout=0.02)
            except queue.Empty:
                continue
            if ended.is_set():
                self._work.put(item)  # for the worker that comes next
            else:
                yield item

    def _left(self) -> None:
        with self._changed:
            self.connected -= 1

    def StartInstance(self, request: Any, context: Any) -> Any:
        self._reach(context)
        with self._changed:
            known = self.instances.get(request.instanceId)
            if known and known.status not in ENDED:
                context.abort(grpc.StatusCode.UNKNOWN, f"an active workflow with ID '{known.id}' already exists")
            if self.hold_starts:
                self._changed.wait_for(lambda: not self.hold_starts or not context.is_active(), 5)
            self.started.append(request.instanceId)
            instance = Instance(request.instanceId, request.name, request.input)
            self.instances[instance.id] = instance
            started = pb.ExecutionStartedEvent(
                name=request.name,
                input=request.input,
                workflowInstance=pb.WorkflowInstance(instanceId=instance.id),
            )
            self._tell(instance, event(executionStarted=started))
        return pb.CreateInstanceResponse(instanceId=instance.id)

    def GetInstance(self, request: Any, context: Any) -> Any:
        self._load(request.instanceId, context)
        with self._changed:
            if self.torn_reads:
                self.torn_reads -= 1
                missing = "inbox key 'inbox-000000' declared in metadata (inboxLength=1) but missing from state store"
                context.abort(grpc.StatusCode.UNKNOWN, f"workflow '{request.instanceId}': {missing}")
            return self._state(request.instanceId)

    def WaitForInstanceCompletion(self, request: Any, context: Any) -> Any:
        self._load(request.instanceId, context)
        with self._changed:
            while context.is_active():
                instance = self.instances.get(request.instanceId)
                if instance and instance.status in ENDED:
                    break
                self._changed.wait(0.1)
            return self._state(request.instanceId)

    def RaiseEvent(self, request: Any, context: Any) -> Any:
        self.pings += request.instanceId == "nobody"
        self._reach(context)
        self._load(request.instanceId, context)
        with self._changed:
            instance = self._existing(request.instanceId, context)
            self._tell(instance, event(eventRaised=pb.EventRaisedEvent(name=request.name, input=request.input)))
        return pb.RaiseEventResponse()

    def TerminateInstance(self, request: Any, context: Any) -> Any:
        with self._changed:
            instance = self._existing(request.instanceId, context)
            if instance.status not in ENDED:
                instance.status, instance.output = pb.ORCHESTRATION_STATUS_TERMINATED, request.output
            self._changed.notify_all()
        return pb.TerminateResponse()

    def PurgeInstances(self, request: Any, context: Any) -> Any:
        with self._changed:
            instance = self._existing(request.instanceId, context)
            if instance.status not in ENDED:
                context.abort(grpc.StatusCode.UNKNOWN, "orchestration has not yet completed")
            del self.instances[instance.id]
        return pb.PurgeInstancesResponse(deletedInstanceCount=1)

    def CompleteActivityTask(self, request: Any, context: Any) -> Any:
        with self._changed:
            instance = self.instances.get(request.instanceId)
            if instance and instance.id not in self.lost:
                if request.HasField("failureDetails"):
                    failed = pb.TaskFailedEvent(taskScheduledId=request.taskId, failureDetails=request.failureDetails)
                    self._tell(instance, event(taskFailed=failed))
                else:
                    done = pb.TaskCompletedEvent(taskScheduledId=request.taskId, result=request.result)
                    self._tell(instance, event(taskCompleted=done))
        return pb.CompleteTaskResponse()

    def CompleteOrchestratorTask(self, request: Any, context: Any) -> Any:
        with self._changed:
            instance = self.instances.get(request.instanceId)
            if instance and instance.status not in ENDED and instance.given is not None:
                instance.history += instance.given
                instance.given = None
                if request.HasField("customStatus"):
                    instance.custom_status = request.customStatus
                for action in request.actions:
                    self._act(instance, action)
                self._dispatch(instance)
                self._changed.notify_all()
        return pb.CompleteTaskResponse()

    CompleteWorkflowTask = CompleteOrchestratorTask

    def release_starts(self) -> None:
        """Lets the starts that hang go on."""
        with self._changed:
            self.hold_starts = False
            self._changed.notify_all()

    def runs(self, activity: str) -> int:
        """How often an activity was given to the worker."""
        return sum(name == activity for _, name in self.activities)

    def _act(self, instance: Instance, action: Any) -> None:
        if action.HasField("scheduleTask"):
            task = action.scheduleTask
            scheduled = pb.TaskScheduledEvent(name=task.name, input=task.input)
            instance.history.append(event(event_id=action.id, taskScheduled=scheduled))
            self.activities.append((instance.id, task.name))
            request = pb.ActivityRequest(
                name=task.name,
                input=task.input,
                taskId=action.id,
                workflowInstance=pb.WorkflowInstance(instanceId=instance.id),
            )
            self._work.put(pb.WorkItem(activityRequest=request))
        elif action.HasField("createTimer"):
            fire_at = action.createTimer.fireAt
            created = pb.TimerCreatedEvent(fireAt=fire_at)
            instance.history.append(event(event_id=action.id, timerCreated=created))
            fired = event(timerFired=pb.TimerFiredEvent(fireAt=fire_at, timerId=action.id))
            if action.createTimer.HasField("externalEvent"):
                return  # the SDK's note that it waits for an event without a time limit
            seconds = fire_at.ToDatetime(tzinfo=UTC).timestamp() - datetime.now(UTC).timestamp()
            timer = threading.Timer(max(0.0, seconds), self._fire, (instance, fired))
            timer.daemon = True
            timer.start()
        elif action.HasField("completeWorkflow"):
            done = action.completeWorkflow
            instance.status, instance.output = done.workflowStatus, done.result
            if done.HasField("failureDetails"):
                instance.failure = done.failureDetails
        else:
            raise AssertionError(f"an action that this stand-in does not know: {action}")

    def _fire(self, instance: Instance, fired: Any) -> None:
        with self._changed:
            self._tell(instance, fired)

    def _tell(self, instance: Instance, what: Any) -> None:
        instance.pending.append(what)
        self._dispatch(instance)

    def _dispatch(self, instance: Instance) -> None:
        if instance.given is None and instance.pending and instance.status not in ENDED:
            instance.given = [event(workflowStarted=pb.WorkflowStartedEvent()), *instance.pending]
            instance.pending = []
            request = pb.WorkflowRequest(instanceId=instance.id, pastEvents=instance.history, newEvents=instance.given)
            self._work.put(pb.WorkItem(workflowRequest=request))

    def _load(self, instance_id: str, context: Any) -> None:
        if instance_id in self.lost:
            missing = "history key 'history-000002' declared in metadata but missing from state store"
            context.abort(grpc.StatusCode.UNKNOWN, f"workflow '{instance_id}': {missing}")

    def _reach(self, context: Any) -> None:
        while self.blocked.is_set():
            if not context.is_active():
                context.abort(grpc.StatusCode.CANCELLED, "whoever asked has given up")
            threading.Event().wait(0.01)

    def _existing(self, instance_id: str, context: Any) -> Instance:
        if instance_id not in self.instances:
            context.abort(grpc.StatusCode.UNKNOWN, "no such instance exists")
        return self.instances[instance_id]

    def _state(self, instance_id: str) -> Any:
        instance = self.instances.get(instance_id)
        if instance is None:
            return pb.GetInstanceResponse(exists=False)
        state = pb.WorkflowState(
            instanceId=instance.id,
            name=instance.name,
            workflowStatus=instance.status,
            input=instance.input,
            output=instance.output,
            customStatus=instance.custom_status,
            failureDetails=instance.failure,
        )
        state.createdTimestamp.FromDatetime(datetime.now(UTC))
        return pb.GetInstanceResponse(exists=True, workflowState=state)
