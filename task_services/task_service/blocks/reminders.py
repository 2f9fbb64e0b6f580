"""Actor: the routes of a task's reminder and snooze, which call its TaskActor by proxy."""

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter

from kit.edge.problems import Refused, documented
from models import DueDate, ReminderState, Snooze, Snoozed, TaskId
from wiring import ServicesDep

NO_REMINDER = "task_id: this task has no reminder."

router = APIRouter(prefix="/tasks/{task_id}", tags=["actors"], responses=documented(404, 422, 502, 503, 504))


@router.put("/reminder")
async def set_reminder(task_id: TaskId, order: DueDate, services: ServicesDep) -> ReminderState:
    """Remind of a task when it is due. A later call moves the reminder."""
    await services.state.read(task_id)
    return ReminderState(task_id=task_id, **await services.actors.of(task_id).remind(order.due_at))


@router.get("/reminder")
async def get_reminder(task_id: TaskId, services: ServicesDep) -> ReminderState:
    """Return the reminder of a task, also after it fired."""
    # First: a call of an actor starts one for any id, and the actor of a deleted task still has its state.
    await services.state.read(task_id)
    if not (reminder := await services.actors.of(task_id).get_reminder()):
        raise Refused(404, NO_REMINDER)
    return ReminderState(task_id=task_id, **reminder)


@router.delete("/reminder", status_code=204)
async def delete_reminder(task_id: TaskId, services: ServicesDep) -> None:
    """Delete the reminder of a task."""
    await services.state.read(task_id)
    if not await services.actors.of(task_id).forget():
        raise Refused(404, NO_REMINDER)


@router.post("/snooze", status_code=202)
async def snooze(task_id: TaskId, order: Snooze, services: ServicesDep) -> Snoozed:
    """Snooze a task. The timer is forgotten when the sidecar ends."""
    await services.state.read(task_id)
    until = datetime.now(UTC) + timedelta(seconds=order.seconds)
    await services.actors.of(task_id).snooze(until)
    return Snoozed(task_id=task_id, until=until)


@router.delete("/snooze", status_code=204)
async def wake(task_id: TaskId, services: ServicesDep) -> None:
    """End the snooze of a task, if there is one."""
    await services.state.read(task_id)
    await services.actors.of(task_id).wake()
