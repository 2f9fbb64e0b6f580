"""Outbox: a task and its event in one transaction, so that neither exists without the other.

Redis does not roll back, and Dapr publishes the event of a transaction that Redis refused. So nothing here can be
refused: each task has a new key, and a deletion names no ETag.
"""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType

from kit.edge import trace
from kit.sidecar.client import SdkClient
from kit.sidecar.pages import Pages
from models import NewTask, Task, TaskEvent


class Outbox:
    """Create tasks. Dapr publishes an event for each, about a second later."""

    def __init__(self, sdk: SdkClient, store: str, pages: Pages) -> None:
        self._sdk, self._store, self._pages = sdk, store, pages

    async def create(self, new: Sequence[NewTask], deleted: Sequence[str] = ()) -> list[Task]:
        """Create tasks and delete others in one transaction. A deletion publishes nothing."""
        tasks = [Task(id=str(uuid4()), title=one.title) for one in new]
        # First: an id without a task is passed over, but a task without an id would never be found.
        await asyncio.gather(*(self._pages.add("tasks", {"id": task.id}) for task in tasks))
        operations: list[TransactionalStateOperation] = []
        for task, one in zip(tasks, new, strict=True):
            operations += _operations(task, one.expires_in)
        operations += [
            TransactionalStateOperation(f"task-{task_id}", operation_type=TransactionOperationType.delete)
            for task_id in deleted
        ]
        async with self._sdk.calling(self._store) as client:
            await client.execute_state_transaction(self._store, operations, transactional_metadata={})
        return tasks


def _operations(task: Task, ttl: int | None) -> list[TransactionalStateOperation]:
    event = TaskEvent(event_type="task.created", task_id=task.id, title=task.title)
    # Dapr makes attributes of the event of these. Without a traceparent it would begin a trace (docs/dapr-faults.md).
    about = {"type": event.event_type} | trace.headers() | ({"ttlInSeconds": str(ttl)} if ttl else {})
    projection = {"outbox.projection": "true", "contentType": "application/json"}
    return [
        # The event, which must be before its state: otherwise two of them end the sidecar (docs/dapr-faults.md).
        TransactionalStateOperation(f"task-{task.id}", event.model_dump_json(), metadata=projection),
        TransactionalStateOperation(f"task-{task.id}", task.model_dump_json(), metadata=about),
    ]
