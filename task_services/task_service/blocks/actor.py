"""Actor: the reminder of one task. Dapr runs each actor on one replica, and gives it one call at a time.

A reminder is kept by the scheduler, and survives the death of app and sidecar. A timer lives in the sidecar, and ends
with it. Only times are passed here: the SDK's JSON takes any text that looks like a date or a duration for one.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from dapr.actor import Actor, ActorInterface, ActorReminderFailurePolicy, Remindable

from blocks.state import TaskState
from kit.edge.faults import Faults
from kit.sidecar.events import Publisher

REMINDER, SNOOZE, NOW = "reminder", "snooze", timedelta()
# By default Dapr retries a reminder 3 times, 1 s apart, and then drops it.
FOR_AN_HOUR = ActorReminderFailurePolicy.constant_policy(timedelta(seconds=2), max_retries=1_800)


class TaskCalls(ActorInterface):
    """The calls of a TaskActor. A reminder is `{"due_at", "status"}`, and empty if there is none."""

    async def remind(self, due_at: datetime) -> dict[str, Any]: ...
    async def get_reminder(self) -> dict[str, Any]: ...
    async def forget(self) -> bool: ...
    async def snooze(self, until: datetime) -> None: ...
    async def wake(self) -> None: ...


class TaskActor(Actor, TaskCalls, Remindable):
    """The actor of the task whose id it has. Its state is saved after each call that raised no error."""

    def __init__(self, ctx: Any, actor_id: Any, tasks: TaskState, publisher: Publisher, faults: Faults) -> None:
        super().__init__(ctx, actor_id)
        self._tasks, self._publisher, self._faults = tasks, publisher, faults
        self._state: Any = self._state_manager  # pyright: ignore[reportUnknownMemberType]

    async def remind(self, due_at: datetime) -> dict[str, Any]:
        await self._faults.strike()
        reminder = await self.get_reminder()
        if reminder.get("due_at") != due_at:
            reminder = {"due_at": due_at, "status": "scheduled"}
            mark, after = due_at.isoformat().encode(), max(due_at - datetime.now(UTC), NOW)
            await self.register_reminder(REMINDER, mark, after, failure_policy=FOR_AN_HOUR)
            await self._state.set_state(REMINDER, reminder)
        return reminder

    async def get_reminder(self) -> dict[str, Any]:
        return (await self._state.try_get_state(REMINDER))[1] or {}

    async def forget(self) -> bool:
        await self.unregister_reminder(REMINDER)
        return await self._state.try_remove_state(REMINDER)

    async def receive_reminder(
        self, name: str, state: bytes, due_time: timedelta, period: timedelta, ttl: timedelta | None = None
    ) -> None:
        reminder = await self.get_reminder()
        # A reminder that was moved as it fired is not due.
        if reminder.get("status") == "scheduled" and reminder["due_at"].isoformat().encode() == state:
            await self._publish("reminders", "task.due", reminder["due_at"])
            await self._state.set_state(REMINDER, reminder | {"status": "fired"})

    async def snooze(self, until: datetime) -> None:
        await self.register_timer(SNOOZE, self.on_snooze_over, None, max(until - datetime.now(UTC), NOW), NOW)
        await self._state.set_state(SNOOZE, until)

    async def wake(self) -> None:
        await self.unregister_timer(SNOOZE)

    async def on_snooze_over(self, _: Any) -> None:
        await self._publish("snoozes", "task.snooze_over", await self._state.get_state(SNOOZE))

    async def _publish(self, topic: str, kind: str, at: datetime) -> None:
        """Publish that a pending task is due. A repeated call publishes the same event id, which counts once."""
        pending = [task for task in await self._tasks.read_many([self.id.id]) if task.status == "pending"]
        for task in pending:
            data = {"task_id": task.id, "title": task.title, "due_at": at.isoformat()}
            await self._publisher.publish(topic, kind, data, id=f"{topic}-{task.id}-{at.isoformat()}")
