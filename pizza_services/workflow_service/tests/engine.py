"""A workflow engine in memory, behind the gRPC API that the SDK's worker and client talk to.

It keeps histories as the runtime does (tried on 1.18.0): a turn is a WorkflowStarted event, what came in, and what the
workflow then scheduled. Its clock stands still until a test lets time pass; only pauses between retries cost nothing.
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
from dapr.ext.workflow._durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceServicer
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue

ENDED = {pb.ORCHESTRATION_STATUS_COMPLETED, pb.ORCHESTRATION_STATUS_FAILED, pb.ORCHESTRATION_STATUS_TERMINATED}


@dataclass
class Instance:
    """A workflow instance: its history, what it has not seen yet, and what it waits for."""

    instance_id: str
    name: str
    input: str
    parent: tuple[str, int] | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    history: list[Any] = field(default_factory=list)
    inbox: list[Any] = field(default_factory=list)
    turn: list[Any] | None = None
    timers: dict[int, tuple[datetime, Any]] = field(default_factory=dict)
    status: int = pb.ORCHESTRATION_STATUS_PENDING
    custom_status: str = ""
    output: str = ""
    failure: Any = None

    @property
    def ended(self) -> bool:
        """Whether it has completed, failed or was terminated."""
        return self.status in ENDED


class Engine(TaskHubSidecarServiceServicer):
    """The engine. `other_apps` are activities of other apps, by app id and name; an app that is missing is away."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.workers: list[queue.Queue[Any]] = []
        # What a worker is doing, by its completion token: for which instance, and which worker.
        self.handed_out: dict[str, tuple[Instance, queue.Queue[Any] | None]] = {}
        self._tokens = count()
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        with self.lock:
            self.instances: dict[str, Instance] = {}
            self.handed_out = {token: out for token, out in self.handed_out.items() if out[1]}
            self.now = datetime.now(UTC)
            self.other_apps: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {}
            self.undelivered: list[Any] = []
            self.activities: list[tuple[str, Any]] = []
            self.completed: set[int] = set()
            self.steered: list[tuple[str, str]] = []
            # The next call of each of these kinds fails, and the engine has heard nothing: "pause", "resume".
            self.unheard: list[str] = []
            self.down = threading.Event()
            self.refuses_starts = False
            # What standstill.py is there for: calls to workflows wait until who hosts them changes.
            self.blocked = threading.Event()
            self.pings = 0
            self.half_saved = 0
            self.lost: set[str] = set()
            self.deadlocked: set[str] = set()
            self.holds_first_turns = False
            self.scheduled = 0

    # What a test does.

    def pass_time(self, seconds: float) -> None:
        """Lets time pass, and fires the timers that were due in it, in their order."""
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
        """An activity of another app can be called from now on, and calls that were held back are made."""
        with self.lock:
            self.other_apps[app_id, name] = activity
            for instance in list(self.instances.values()):
                self._next_turn(instance)

    def let_begin(self) -> None:
        """Hands out what `holds_first_turns` held back, as the runtime does while it has no worker or no placement."""
        with self.lock:
            self.holds_first_turns = False
            for instance in list(self.instances.values()):
                self._next_turn(instance)

    def purge(self, instance_id: str) -> None:
        """What the state retention policy does."""
        with self.lock:
            del self.instances[instance_id]

    def repeat(self, activity: str, given: dict[str, Any], instance_id: str) -> None:
        """Has the worker do a step once more, as task 99, as a sidecar may after a crash."""
        again = pb.ActivityRequest(
            name=activity, taskId=99, input=StringValue(value=json.dumps(given)),
            workflowInstance=pb.WorkflowInstance(instanceId=instance_id),
        )  # fmt: skip
        with self.lock:
            self._send(pb.WorkItem(activityRequest=again), self.instances[instance_id])

    def connected(self) -> int:
        """How many workers are connected."""
        return len(self.workers)

    def is_idle(self) -> bool:
        """Whether no worker does anything."""
        with self.lock:
            return not self.handed_out

    # The client's calls.

    def Hello(self, request: Any, context: Any) -> Any:
        return Empty()

    def StartInstance(self, request: Any, context: Any) -> Any:
        self._serve(context)
        self._reach(context)
        self._load(request.instanceId, context)
        if self.refuses_starts:
            context.abort(grpc.StatusCode.UNKNOWN, "the scheduler is not there")
        with self.lock:
            old = self.instances.get(request.instanceId)
            if old and not old.ended:
                text = f"an active workflow with ID '{request.instanceId}' already exists"
                context.abort(grpc.StatusCode.UNKNOWN, text)
            self.scheduled += 1
            self._start(Instance(request.instanceId, request.name, request.input.value))
        return pb.CreateInstanceResponse(instanceId=request.instanceId)

    def GetInstance(self, request: Any, context: Any) -> Any:
        self._serve(context)
        with self.lock:
            self._load(request.instanceId, context)
            found = self.instances.get(request.instanceId)
            if found is None:
                return pb.GetInstanceResponse(exists=False)
            state = pb.WorkflowState(
                instanceId=found.instance_id, name=found.name, workflowStatus=found.status,
                # Not told before the first turn (seen on 1.18.0).
                input=StringValue(value=found.input if found.history else ""), output=StringValue(value=found.output),
                customStatus=StringValue(value=found.custom_status), failureDetails=found.failure,
            )  # fmt: skip
            state.createdTimestamp.FromDatetime(found.created)
            state.lastUpdatedTimestamp.FromDatetime(found.created)
            return pb.GetInstanceResponse(exists=True, workflowState=state)

    def WaitForInstanceCompletion(self, request: Any, context: Any) -> Any:
        while context.is_active():
            with self.lock:
                if self.instances[request.instanceId].ended:
                    return self.GetInstance(request, context)
            threading.Event().wait(0.005)
        return pb.GetInstanceResponse(exists=False)

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

    # The worker's calls.

    def GetWorkItems(self, request: Any, context: Any) -> Iterator[Any]:
        mine: queue.Queue[Any] = queue.Queue()
        with self.lock:
            self.workers.append(mine)
            undelivered, self.undelivered = self.undelivered, []
            for item in undelivered:
                self._send(item, self.handed_out.pop(item.completionToken)[0])
        context.add_callback(lambda: self._disconnect(mine))
        while (item := mine.get()) is not None:
            yield item

    def _disconnect(self, worker: queue.Queue[Any]) -> None:
        self.blocked.clear()
        self.deadlocked.clear()
        with self.lock:
            self.workers.remove(worker)
            self.handed_out = {token: out for token, out in self.handed_out.items() if out[1] is not worker}
        worker.put(None)

    def CompleteOrchestratorTask(self, request: Any, context: Any) -> Any:
        with self.lock:
            if (instance := self._instance_of(request)) and not instance.ended:
                self._take(instance, request)
        return pb.CompleteTaskResponse()

    def CompleteActivityTask(self, request: Any, context: Any) -> Any:
        with self.lock:
            self.completed.add(request.taskId)
            instance = self._instance_of(request)
            if instance and not instance.ended:
                number = request.taskId
                if request.HasField("failureDetails"):
                    failed = pb.TaskFailedEvent(taskScheduledId=number, failureDetails=request.failureDetails)
                    self._tell(instance, taskFailed=failed)
                else:
                    done = pb.TaskCompletedEvent(taskScheduledId=number, result=request.result)
                    self._tell(instance, taskCompleted=done)
        return pb.CompleteTaskResponse()

    # The engine itself; the lock is held.

    def _serve(self, context: Any) -> None:
        while self.down.is_set() and context.is_active():
            threading.Event().wait(0.01)

    def _reach(self, context: Any) -> None:
        while self.blocked.is_set() and context.is_active():
            threading.Event().wait(0.01)

    def _load(self, instance_id: str, context: Any) -> None:
        # The runtime loads an instance before it does anything with it, also to start, end or purge it (1.18.0).
        if self.half_saved or instance_id in self.lost:
            self.half_saved = max(self.half_saved - 1, 0)
            text = f"workflow '{instance_id}': inbox key 'inbox-000000' declared in metadata "
            context.abort(grpc.StatusCode.UNKNOWN, text + "but missing from state store")

    def _existing(self, request: Any, context: Any) -> Instance:
        self._load(request.instanceId, context)
        if request.instanceId not in self.instances:
            context.abort(grpc.StatusCode.UNKNOWN, "no such instance exists")
        return self.instances[request.instanceId]

    def _steer(self, request: Any, context: Any, what: str, **event: Any) -> Any:
        self.pings += request.instanceId == "nobody"
        self._serve(context)
        self._reach(context)
        while request.instanceId in self.deadlocked and context.is_active():
            threading.Event().wait(0.01)
        if not context.is_active():
            context.abort(grpc.StatusCode.CANCELLED, "whoever asked has given up")
        with self.lock:
            if what in self.unheard:
                self.unheard.remove(what)
                context.abort(grpc.StatusCode.UNKNOWN, "failed to invoke: the actor's host is gone")
            instance = self._existing(request, context)
            self.steered.append((what, request.instanceId))
            if not instance.ended:
                self._tell(instance, **event)
        answers = {
            "event": pb.RaiseEventResponse, "terminate": pb.TerminateResponse,
            "pause": pb.SuspendResponse, "resume": pb.ResumeResponse,
        }  # fmt: skip
        return answers[what]()

    def _event(self, number: int = -1, **kind: Any) -> Any:
        event = pb.HistoryEvent(eventId=number, **kind)
        event.timestamp.FromDatetime(self.now)
        return event

    def _tell(self, instance: Instance, **kind: Any) -> None:
        instance.inbox.append(self._event(**kind))
        self._next_turn(instance)

    def _start(self, instance: Instance) -> None:
        self.instances[instance.instance_id] = instance
        started = pb.ExecutionStartedEvent(name=instance.name, input=StringValue(value=instance.input))
        self._tell(instance, executionStarted=started)

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
        # None for one that was purged, or started anew, since the work was handed out.
        instance, _ = self.handed_out.pop(response.completionToken, (None, None))
        return instance if instance and self.instances.get(instance.instance_id) is instance else None

    def _send(self, item: Any, instance: Instance) -> None:
        worker = self.workers[-1] if self.workers else None
        item.completionToken = str(next(self._tokens))
        self.handed_out[item.completionToken] = (instance, worker)
        if worker:
            worker.put(item)
        else:
            self.undelivered.append(item)

    def _take(self, instance: Instance, response: Any) -> None:
        turn = instance.turn or []
        remote = [action for action in response.actions if self._is_away(action)]
        if remote:
            # As the runtime does: nothing of this turn is kept, and it is tried again when the app is there.
            instance.turn = None
            return
        seen = len(turn) - 1
        turn[0].workflowStarted.version.patches.extend(response.version.patches)
        del instance.inbox[:seen]
        instance.history += turn
        instance.custom_status = response.customStatus.value
        instance.status = _status_after(instance)
        for action in response.actions:
            self._act(instance, action)
        # Only now: what an action brings at once belongs to the turn after all actions of this one.
        instance.turn = None
        self._next_turn(instance)

    def _is_away(self, action: Any) -> bool:
        app_id = action.scheduleTask.router.targetAppID
        return bool(app_id) and (app_id, action.scheduleTask.name) not in self.other_apps

    def _act(self, instance: Instance, action: Any) -> None:
        kind = action.WhichOneof("workflowActionType")
        getattr(self, f"_{kind}")(instance, action.id, getattr(action, kind))

    def _scheduleTask(self, instance: Instance, number: int, task: Any) -> None:
        scheduled = pb.TaskScheduledEvent(name=task.name, input=task.input, taskExecutionId=task.taskExecutionId)
        instance.history.append(self._event(number, taskScheduled=scheduled))
        given = json.loads(task.input.value) if task.input.value else None
        self.activities.append((task.name, given))
        if app_id := task.router.targetAppID:
            result = StringValue(value=json.dumps(self.other_apps[app_id, task.name](given)))
            done = pb.TaskCompletedEvent(taskScheduledId=number, result=result)
            self._tell(instance, taskCompleted=done)
            return
        request = pb.ActivityRequest(
            name=task.name, input=task.input, taskId=number,
            workflowInstance=pb.WorkflowInstance(instanceId=instance.instance_id),
        )  # fmt: skip
        self._send(pb.WorkItem(activityRequest=request), instance)

    def _createTimer(self, instance: Instance, number: int, timer: Any) -> None:
        created = pb.TimerCreatedEvent(fireAt=timer.fireAt, name=timer.name)
        for origin in ("createTimer", "externalEvent", "activityRetry", "childWorkflowRetry"):
            if timer.HasField(origin):
                getattr(created, origin).CopyFrom(getattr(timer, origin))
        instance.history.append(self._event(number, timerCreated=created))
        instance.timers[number] = (timer.fireAt.ToDatetime(tzinfo=UTC), timer.fireAt)
        if timer.HasField("activityRetry"):
            self._fire(instance, number)

    def _fire(self, instance: Instance, number: int) -> None:
        _, fire_at = instance.timers.pop(number)
        self._tell(instance, timerFired=pb.TimerFiredEvent(timerId=number, fireAt=fire_at))

    def _createChildWorkflow(self, instance: Instance, number: int, child: Any) -> None:
        created = pb.ChildWorkflowInstanceCreatedEvent(instanceId=child.instanceId, name=child.name, input=child.input)
        instance.history.append(self._event(number, childWorkflowInstanceCreated=created))
        parent = (instance.instance_id, number)
        self._start(Instance(child.instanceId, child.name, child.input.value, parent))

    def _completeWorkflow(self, instance: Instance, number: int, end: Any) -> None:
        completed = pb.ExecutionCompletedEvent(
            workflowStatus=end.workflowStatus, result=end.result, failureDetails=end.failureDetails
        )
        instance.history.append(self._event(number, executionCompleted=completed))
        instance.status, instance.output = end.workflowStatus, end.result.value
        instance.failure = end.failureDetails if end.HasField("failureDetails") else None
        if instance.parent and not self.instances[instance.parent[0]].ended:
            parent, task = self.instances[instance.parent[0]], instance.parent[1]
            if end.workflowStatus == pb.ORCHESTRATION_STATUS_COMPLETED:
                done = pb.ChildWorkflowInstanceCompletedEvent(taskScheduledId=task, result=end.result)
                self._tell(parent, childWorkflowInstanceCompleted=done)
            else:
                failed = pb.ChildWorkflowInstanceFailedEvent(taskScheduledId=task, failureDetails=end.failureDetails)
                self._tell(parent, childWorkflowInstanceFailed=failed)


def _status_after(instance: Instance) -> int:
    suspended = False
    for event in instance.history:
        suspended = (suspended or event.HasField("executionSuspended")) and not event.HasField("executionResumed")
    return pb.ORCHESTRATION_STATUS_SUSPENDED if suspended else pb.ORCHESTRATION_STATUS_RUNNING
