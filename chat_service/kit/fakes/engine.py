"""A workflow engine in memory, behind the gRPC API that the SDK's worker and client call.

It keeps histories as the runtime does: a turn is a WorkflowStarted event, the events that arrived, and the actions that
the workflow then took. Its clock stands still until a test lets time pass, unless `real_time` is set.
"""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import dapr.ext.workflow._durabletask.internal.protos as pb
import grpc
from dapr.ext.workflow._durabletask.internal.orchestrator_service_pb2_grpc import (
    TaskHubSidecarServiceServicer,
    add_TaskHubSidecarServiceServicer_to_server,  # pyright: ignore[reportUnknownVariableType]
)
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue

ENDED = {pb.ORCHESTRATION_STATUS_COMPLETED, pb.ORCHESTRATION_STATUS_FAILED, pb.ORCHESTRATION_STATUS_TERMINATED}
_POLL_SECONDS = 0.005


@dataclass
class Instance:
    """A workflow instance: its history, the events that it has not seen yet, and its timers."""

    instance_id: str
    name: str
    input: str
    parent: tuple[str, int] | None = None
    traceparent: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    history: list[Any] = field(default_factory=list[Any])
    inbox: list[Any] = field(default_factory=list[Any])
    turn: list[Any] | None = None
    timers: dict[int, tuple[datetime, Any]] = field(default_factory=dict[int, tuple[datetime, Any]])
    status: Any = pb.ORCHESTRATION_STATUS_PENDING
    custom_status: str = ""
    output: str = ""
    failure: Any = None

    @property
    def ended(self) -> bool:
        """Return whether it has completed, failed or was terminated."""
        return self.status in ENDED


class Engine(TaskHubSidecarServiceServicer):
    """The engine, with switches for the faults of the real one (kit/engine/FAULTS.md)."""

    def __init__(self, *, real_time: bool = False) -> None:
        self.lock = threading.RLock()
        self.real_time = real_time
        self.workers: list[queue.Queue[Any]] = []
        # Work items in flight by completion token: the instance, and the worker.
        self._in_flight: dict[str, tuple[Instance, queue.Queue[Any] | None]] = {}
        self._tokens = count()
        self.reset()

    def reset(self) -> None:
        """Forget everything but the connected workers."""
        with self.lock:
            self.instances: dict[str, Instance] = {}
            self._in_flight = {token: item for token, item in self._in_flight.items() if item[1]}
            self.now = datetime.now(UTC)
            # Activities and child workflows of other apps, by app id and name. An app that is missing has no worker.
            self.other_apps: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {}
            self._waiting: list[Any] = []
            # The calls that reached the engine.
            self.scheduled: list[str] = []
            self.activities: list[tuple[str, Any]] = []
            self.completed: set[int] = set()
            self.steered: list[tuple[str, str]] = []
            self.tokens: set[str | None] = set()
            self.pings = 0
            # Faults. Each call waits while `down` is set. Those that reach an actor wait while `blocked` is set, until
            # a worker leaves. Those to an instance in `deadlocked` wait in the same way.
            self.down, self.blocked = threading.Event(), threading.Event()
            self.deadlocked: set[str] = set()
            self.holds_starts = threading.Event()
            self.refuses_starts = False
            self.holds_first_turns = False
            # The next call of each of these kinds fails, and does nothing: "pause", "resume", "event", "terminate".
            self.unheard: list[str] = []
            # Reads that still find an instance half saved, and instances that stay so.
            self.half_saved = 0
            self.lost: set[str] = set()

    # Controls of a test.

    def add_to(self, server: grpc.Server) -> None:
        """Serve the engine's API on this gRPC server."""
        add_TaskHubSidecarServiceServicer_to_server(self, server)

    def pass_time(self, seconds: float) -> None:
        """Advance the clock, and fire the timers that are due by then, in order."""
        with self.lock:
            end = self.now + timedelta(seconds=seconds)
            while due := [
                (at, each.instance_id, number)
                for each in self.instances.values()
                if not each.ended
                for number, (at, _) in each.timers.items()
                if at <= end
            ]:
                self.now, instance_id, number = min(due)
                self._fire(self.instances[instance_id], number)
            self.now = end

    def connect_other_app(self, app_id: str, name: str, activity: Callable[[dict[str, Any]], Any]) -> None:
        """Make an activity of another app callable, and dispatch the turns that waited for it."""
        with self.lock:
            self.other_apps[app_id, name] = activity
            for instance in list(self.instances.values()):
                self._next_turn(instance)

    def dispatch_first_turns(self) -> None:
        """Dispatch the turns that `holds_first_turns` kept, as the runtime does once it has placement and a worker."""
        with self.lock:
            self.holds_first_turns = False
            for instance in list(self.instances.values()):
                self._next_turn(instance)

    def start(self, instance: Instance) -> None:
        """Start an instance without a client."""
        with self.lock:
            self.instances[instance.instance_id] = instance
            instance.inbox.append(self._started(instance))
            self._next_turn(instance)

    def deliver(self, instance_id: str, **event: Any) -> None:
        """Put an event into an instance's inbox, and dispatch its next turn."""
        with self.lock:
            instance = self.instances[instance_id]
            instance.inbox.append(self._event(**event))
            self._next_turn(instance)

    def end(self, instance_id: str, status: str = "FAILED") -> None:
        """End an instance as a fault in its code or in the engine would."""
        with self.lock:
            ended = pb.CompleteWorkflowAction(workflowStatus=getattr(pb, f"ORCHESTRATION_STATUS_{status}"))
            self._completeWorkflow(self.instances[instance_id], 99, ended)

    def purge(self, instance_id: str) -> None:
        """Remove an instance, as the state retention policy does."""
        with self.lock:
            del self.instances[instance_id]

    def repeat(self, activity: str, arguments: dict[str, Any], instance_id: str) -> None:
        """Execute an activity again, as task 99, as a sidecar may after a crash."""
        again = pb.ActivityRequest(
            name=activity, taskId=99, input=StringValue(value=json.dumps(arguments)),
            workflowInstance=pb.WorkflowInstance(instanceId=instance_id),
        )  # fmt: skip
        with self.lock:
            self._send(pb.WorkItem(activityRequest=again), self.instances[instance_id])

    def connected(self) -> int:
        """Return the number of connected workers."""
        return len(self.workers)

    def runs(self, activity: str) -> int:
        """Return how many times an activity was scheduled."""
        return sum(name == activity for name, _ in self.activities)

    def is_idle(self) -> bool:
        """Return whether no worker has a work item."""
        with self.lock:
            return not self._in_flight

    # The client's calls.

    def Hello(self, request: Any, context: Any) -> Any:
        return Empty()

    def StartInstance(self, request: Any, context: Any) -> Any:
        self._arrive(context)
        self._wait_while(self.blocked.is_set, context)
        self._load(request.instanceId, context)
        if self.refuses_starts:
            context.abort(grpc.StatusCode.UNKNOWN, "the scheduler is not there")
        with self.lock:
            old = self.instances.get(request.instanceId)
            if old and not old.ended:
                text = f"an active workflow with ID '{request.instanceId}' already exists"
                context.abort(grpc.StatusCode.UNKNOWN, text)
        # The caller may give up while it waits, and the instance starts all the same.
        while self.holds_starts.is_set() and context.is_active():
            threading.Event().wait(_POLL_SECONDS)
        with self.lock:
            self.scheduled.append(request.instanceId)
            traceparent = dict(context.invocation_metadata()).get("traceparent", "")
            self.start(Instance(request.instanceId, request.name, request.input.value, traceparent=traceparent))
        return pb.CreateInstanceResponse(instanceId=request.instanceId)

    def GetInstance(self, request: Any, context: Any) -> Any:
        self._arrive(context)
        with self.lock:
            self._load(request.instanceId, context)
            return self._state_of(request.instanceId)

    def WaitForInstanceCompletion(self, request: Any, context: Any) -> Any:
        self._arrive(context)
        while context.is_active():
            with self.lock:
                self._load(request.instanceId, context)
                found = self.instances.get(request.instanceId)
                if found and found.ended:
                    break
            threading.Event().wait(_POLL_SECONDS)
        return self._state_of(request.instanceId)

    def GetInstanceHistory(self, request: Any, context: Any) -> Any:
        with self.lock:
            return pb.GetInstanceHistoryResponse(events=self._existing(request, context).history)

    def RaiseEvent(self, request: Any, context: Any) -> Any:
        event = pb.EventRaisedEvent(name=request.name, input=request.input)
        return self._steer(request, context, "event", eventRaised=event)

    def TerminateInstance(self, request: Any, context: Any) -> Any:
        event = pb.ExecutionTerminatedEvent(input=request.output, recurse=request.recursive)
        return self._steer(request, context, "terminate", executionTerminated=event)

    def SuspendInstance(self, request: Any, context: Any) -> Any:
        return self._steer(request, context, "pause", executionSuspended=pb.ExecutionSuspendedEvent())

    def ResumeInstance(self, request: Any, context: Any) -> Any:
        return self._steer(request, context, "resume", executionResumed=pb.ExecutionResumedEvent())

    def PurgeInstances(self, request: Any, context: Any) -> Any:
        with self.lock:
            instance = self._existing(request, context)
            if not instance.ended:
                context.abort(grpc.StatusCode.UNKNOWN, "orchestration has not yet completed")
            del self.instances[instance.instance_id]
        return pb.PurgeInstancesResponse(deletedInstanceCount=1)

    # The worker's calls.

    def GetWorkItems(self, request: Any, context: Any) -> Iterator[Any]:
        self._note_token(context)
        mine: queue.Queue[Any] = queue.Queue()
        with self.lock:
            self.workers.append(mine)
            waiting, self._waiting = self._waiting, []
            for item in waiting:
                self._send(item, self._in_flight.pop(item.completionToken)[0])
        # The SDK's worker is connected once the stream's first answer has arrived. By then it must be known here.
        context.send_initial_metadata(())
        if not context.add_callback(lambda: self._disconnect(mine)):
            # The worker has left already, so nobody would call this.
            self._disconnect(mine)
        while (item := mine.get()) is not None:
            yield item

    def CompleteOrchestratorTask(self, request: Any, context: Any) -> Any:
        with self.lock:
            instance = self._instance_of(request)
            if instance and not instance.ended and instance.instance_id not in self.lost:
                self._take(instance, request)
        return pb.CompleteTaskResponse()

    CompleteWorkflowTask = CompleteOrchestratorTask

    def CompleteActivityTask(self, request: Any, context: Any) -> Any:
        with self.lock:
            self.completed.add(request.taskId)
            instance = self._instance_of(request)
            if instance and not instance.ended:
                number = request.taskId
                if request.HasField("failureDetails"):
                    failed = pb.TaskFailedEvent(taskScheduledId=number, failureDetails=request.failureDetails)
                    self.deliver(instance.instance_id, taskFailed=failed)
                else:
                    done = pb.TaskCompletedEvent(taskScheduledId=number, result=request.result)
                    self.deliver(instance.instance_id, taskCompleted=done)
        return pb.CompleteTaskResponse()

    # The engine itself. The lock is held, except where a call waits.

    def _disconnect(self, worker: queue.Queue[Any]) -> None:
        self.blocked.clear()
        self.deadlocked.clear()
        with self.lock:
            self.workers.remove(worker)
            # Work items that it had not begun are dispatched to the next worker. Those in its hands are given up.
            for item in list(worker.queue):
                instance, _ = self._in_flight.pop(item.completionToken, (None, None))
                if instance and self.instances.get(instance.instance_id) is instance:
                    self._send(item, instance)
            self._in_flight = {token: item for token, item in self._in_flight.items() if item[1] is not worker}
        worker.put(None)

    def _arrive(self, context: Any) -> None:
        self._note_token(context)
        self._wait_while(self.down.is_set, context)

    def _note_token(self, context: Any) -> None:
        self.tokens.add(dict(context.invocation_metadata()).get("dapr-api-token"))

    def _wait_while(self, condition: Callable[[], bool], context: Any) -> None:
        while condition():
            if not context.is_active():
                context.abort(grpc.StatusCode.CANCELLED, "the caller has given up")
            threading.Event().wait(_POLL_SECONDS)

    def _load(self, instance_id: str, context: Any) -> None:
        # The runtime loads an instance before it does anything with it, also to start, end or purge it.
        if self.half_saved or instance_id in self.lost:
            self.half_saved = max(self.half_saved - 1, 0)
            text = f"workflow '{instance_id}': inbox key 'inbox-000000' declared in metadata "
            context.abort(grpc.StatusCode.UNKNOWN, text + "but missing from state store")

    def _existing(self, request: Any, context: Any) -> Instance:
        self._load(request.instanceId, context)
        if request.instanceId not in self.instances:
            context.abort(grpc.StatusCode.UNKNOWN, "no such instance exists")
        return self.instances[request.instanceId]

    def _state_of(self, instance_id: str) -> Any:
        found = self.instances.get(instance_id)
        if found is None:
            return pb.GetInstanceResponse(exists=False)
        state = pb.WorkflowState(
            instanceId=found.instance_id, name=found.name, workflowStatus=found.status,
            # The runtime does not return the input before the first turn.
            input=StringValue(value=found.input if found.history else ""), output=StringValue(value=found.output),
            customStatus=StringValue(value=found.custom_status), failureDetails=found.failure,
        )  # fmt: skip
        state.createdTimestamp.FromDatetime(found.created)
        state.lastUpdatedTimestamp.FromDatetime(found.created)
        return pb.GetInstanceResponse(exists=True, workflowState=state)

    def _steer(self, request: Any, context: Any, kind: str, **event: Any) -> Any:
        self.pings += request.instanceId == "nobody"
        self._arrive(context)
        self._wait_while(lambda: self.blocked.is_set() or request.instanceId in self.deadlocked, context)
        with self.lock:
            if kind in self.unheard:
                self.unheard.remove(kind)
                context.abort(grpc.StatusCode.UNKNOWN, "failed to invoke: the actor's host is gone")
            instance = self._existing(request, context)
            self.steered.append((kind, request.instanceId))
            if not instance.ended:
                self.deliver(instance.instance_id, **event)
        answers = {
            "event": pb.RaiseEventResponse, "terminate": pb.TerminateResponse,
            "pause": pb.SuspendResponse, "resume": pb.ResumeResponse,
        }  # fmt: skip
        return answers[kind]()

    def _event(self, number: int = -1, **kind: Any) -> Any:
        event = pb.HistoryEvent(eventId=number, **kind)
        event.timestamp.FromDatetime(datetime.now(UTC) if self.real_time else self.now)
        return event

    def _started(self, instance: Instance) -> Any:
        started = pb.ExecutionStartedEvent(
            name=instance.name, input=StringValue(value=instance.input),
            workflowInstance=pb.WorkflowInstance(instanceId=instance.instance_id),
        )  # fmt: skip
        return self._event(executionStarted=started)

    def _next_turn(self, instance: Instance) -> None:
        if instance.ended or instance.turn is not None or not instance.inbox or instance.instance_id in self.lost:
            return
        if self.holds_first_turns and not instance.history:
            return
        instance.turn = [self._event(workflowStarted=pb.WorkflowStartedEvent()), *instance.inbox]
        request = pb.WorkflowRequest(
            instanceId=instance.instance_id, pastEvents=instance.history, newEvents=instance.turn
        )
        self._send(pb.WorkItem(workflowRequest=request), instance)

    def _instance_of(self, response: Any) -> Instance | None:
        # None for an instance that was purged, or started again, since the work item was dispatched.
        instance, _ = self._in_flight.pop(response.completionToken, (None, None))
        return instance if instance and self.instances.get(instance.instance_id) is instance else None

    def _send(self, item: Any, instance: Instance) -> None:
        worker = self.workers[-1] if self.workers else None
        item.completionToken = str(next(self._tokens))
        self._in_flight[item.completionToken] = (instance, worker)
        if worker:
            worker.put(item)
        else:
            self._waiting.append(item)

    def _take(self, instance: Instance, response: Any) -> None:
        turn = instance.turn or []
        if any(self._is_away(action) for action in response.actions):
            # As the runtime does: the whole turn is dropped, and dispatched again when the other app has a worker.
            instance.turn = None
            return
        turn[0].workflowStarted.version.MergeFrom(response.version)
        del instance.inbox[: len(turn) - 1]
        instance.history += turn
        instance.custom_status = response.customStatus.value
        instance.status = _status_after(instance)
        for action in response.actions:
            kind = action.WhichOneof("workflowActionType")
            getattr(self, f"_{kind}")(instance, action.id, getattr(action, kind))
        # Only now: the events that an action causes at once belong to the turn after all actions of this one.
        instance.turn = None
        self._next_turn(instance)

    def _is_away(self, action: Any) -> bool:
        task = action.scheduleTask if action.HasField("scheduleTask") else action.createChildWorkflow
        app_id = task.router.targetAppID
        return bool(app_id) and (app_id, task.name) not in self.other_apps

    # The actions of a workflow, by their names in the protocol.

    def _scheduleTask(self, instance: Instance, number: int, task: Any) -> None:
        scheduled = pb.TaskScheduledEvent(name=task.name, input=task.input, taskExecutionId=task.taskExecutionId)
        instance.history.append(self._event(number, taskScheduled=scheduled))
        arguments: Any = json.loads(task.input.value) if task.input.value else None
        self.activities.append((task.name, arguments))
        if app_id := task.router.targetAppID:
            result = StringValue(value=json.dumps(self.other_apps[app_id, task.name](arguments)))
            done = pb.TaskCompletedEvent(taskScheduledId=number, result=result)
            self.deliver(instance.instance_id, taskCompleted=done)
            return
        request = pb.ActivityRequest(
            name=task.name, input=task.input, taskId=number,
            workflowInstance=pb.WorkflowInstance(instanceId=instance.instance_id),
            parentTraceContext=pb.TraceContext(traceParent=instance.traceparent),
        )  # fmt: skip
        self._send(pb.WorkItem(activityRequest=request), instance)

    def _createTimer(self, instance: Instance, number: int, timer: Any) -> None:
        created = pb.TimerCreatedEvent(fireAt=timer.fireAt, name=timer.name)
        for origin in ("createTimer", "externalEvent", "activityRetry", "childWorkflowRetry"):
            if timer.HasField(origin):
                getattr(created, origin).CopyFrom(getattr(timer, origin))
        instance.history.append(self._event(number, timerCreated=created))
        at = timer.fireAt.ToDatetime(tzinfo=UTC)
        instance.timers[number] = (at, timer.fireAt)
        if timer.HasField("activityRetry"):
            self._fire(instance, number)
        elif self.real_time and (wait := (at - datetime.now(UTC)).total_seconds()) < threading.TIMEOUT_MAX:
            later = threading.Timer(max(0.0, wait), self._fire_if_pending, (instance, number))
            later.daemon = True
            later.start()

    def _fire_if_pending(self, instance: Instance, number: int) -> None:
        with self.lock:
            if self.instances.get(instance.instance_id) is instance and not instance.ended:
                self._fire(instance, number)

    def _fire(self, instance: Instance, number: int) -> None:
        _, fire_at = instance.timers.pop(number)
        self.deliver(instance.instance_id, timerFired=pb.TimerFiredEvent(timerId=number, fireAt=fire_at))

    def _createChildWorkflow(self, instance: Instance, number: int, child: Any) -> None:
        created = pb.ChildWorkflowInstanceCreatedEvent(instanceId=child.instanceId, name=child.name, input=child.input)
        instance.history.append(self._event(number, childWorkflowInstanceCreated=created))
        parent = (instance.instance_id, number)
        if app_id := child.router.targetAppID:
            result = StringValue(value=json.dumps(self.other_apps[app_id, child.name](json.loads(child.input.value))))
            done = pb.ChildWorkflowInstanceCompletedEvent(taskScheduledId=number, result=result)
            self.deliver(instance.instance_id, childWorkflowInstanceCompleted=done)
            return
        self.start(Instance(child.instanceId, child.name, child.input.value, parent, instance.traceparent))

    def _completeWorkflow(self, instance: Instance, number: int, end: Any) -> None:
        if end.workflowStatus == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
            instance.inbox[:0] = end.carryoverEvents
            instance.input, instance.history, instance.timers = end.result.value, [], {}
            instance.inbox.insert(0, self._started(instance))
            return
        completed = pb.ExecutionCompletedEvent(
            workflowStatus=end.workflowStatus, result=end.result, failureDetails=end.failureDetails
        )
        instance.history.append(self._event(number, executionCompleted=completed))
        instance.status, instance.output = end.workflowStatus, end.result.value
        instance.failure = end.failureDetails if end.HasField("failureDetails") else None
        if not instance.parent or self.instances[instance.parent[0]].ended:
            return
        parent, task = instance.parent
        if end.workflowStatus == pb.ORCHESTRATION_STATUS_COMPLETED:
            done = pb.ChildWorkflowInstanceCompletedEvent(taskScheduledId=task, result=end.result)
            self.deliver(parent, childWorkflowInstanceCompleted=done)
        else:
            failed = pb.ChildWorkflowInstanceFailedEvent(taskScheduledId=task, failureDetails=end.failureDetails)
            self.deliver(parent, childWorkflowInstanceFailed=failed)


def _status_after(instance: Instance) -> int:
    suspended = False
    for event in instance.history:
        suspended = (suspended or event.HasField("executionSuspended")) and not event.HasField("executionResumed")
    return pb.ORCHESTRATION_STATUS_SUSPENDED if suspended else pb.ORCHESTRATION_STATUS_RUNNING
