"""State: read, save and delete values by key, each guarded by an ETag.

On Redis the ETag of a key counts its writes. A write with the ETag of a key that was deleted since brings the key back.
"""

from collections.abc import Sequence

from dapr.clients.grpc._state import Concurrency, Consistency, StateItem, StateOptions

from kit.edge.problems import Refused
from kit.sidecar.client import SdkClient
from kit.sidecar.unavailable import Unavailable
from models import Task

# First-write marks a key: from then on Redis refuses a write without an ETag too.
FIRST_WRITE = StateOptions(consistency=Consistency.strong, concurrency=Concurrency.first_write)
STALE = "If-Match: this is not the task's present version; read it again."


class TaskState:
    """The tasks, each under the key `task-{id}`. Methods raise Unavailable, and Refused (404, 412)."""

    def __init__(self, sdk: SdkClient, store: str) -> None:
        self._sdk, self._store = sdk, store

    async def read(self, task_id: str) -> tuple[Task, str]:
        """Return a task and its ETag."""
        async with self._sdk.calling(self._store) as client:
            found = await client.get_state(self._store, f"task-{task_id}", state_metadata={})
        if not found.data:
            raise Refused(404, "Task not found")
        return Task.model_validate_json(found.data), found.etag

    async def read_many(self, task_ids: Sequence[str]) -> list[Task]:
        """Return those of the tasks that exist, by one call, in this order."""
        keys = [f"task-{task_id}" for task_id in dict.fromkeys(task_ids)]
        async with self._sdk.calling(self._store) as client:
            answer = await client.get_bulk_state(self._store, keys, 20, states_metadata={})
        # The call itself does not fail: each key has its own error.
        for reason in (item.error for item in answer.items if item.error):
            raise Unavailable(503, self._store, f"{self._store} cannot be used now.", "INTERNAL", reason)
        found = {item.key: item.data for item in answer.items}
        return [Task.model_validate_json(found[key]) for key in keys if found[key]]

    async def save(self, task: Task, etag: str) -> tuple[Task, str]:
        """Save over the version with this ETag. Return the stored task, with its own ETag."""
        key, value = f"task-{task.id}", task.model_dump_json()
        try:
            async with self._sdk.calling(self._store) as client:
                await client.save_state(self._store, key, value, etag, FIRST_WRITE, state_metadata={})
        except Unavailable as error:
            raise await self._reason(task.id, etag, error) from error
        stored, version = await self.read(task.id)
        if etag.isdecimal() and int(version) <= int(etag):
            # Redis: another request has deleted it just before the write, so this write began a new count.
            await self.delete(task.id, version)
            raise Refused(404, "Task not found")
        return stored, version

    async def delete(self, task_id: str, etag: str) -> None:
        """Delete the version with this ETag."""
        try:
            async with self._sdk.calling(self._store) as client:
                await client.delete_state(self._store, f"task-{task_id}", etag, FIRST_WRITE, state_metadata={})
        except Unavailable as error:
            raise await self._reason(task_id, etag, error) from error

    async def save_new(self, tasks: Sequence[Task], ttls: Sequence[int | None]) -> None:
        """Save new tasks by one call, each with the seconds until it expires (None: never)."""
        items = [StateItem(f"task-{task.id}", task.model_dump_json()) for task in tasks]
        for item, ttl in zip(items, ttls, strict=True):
            item.metadata = {"ttlInSeconds": str(ttl)} if ttl else {}
        async with self._sdk.calling(self._store) as client:
            await client.save_bulk_state(self._store, items)

    async def _reason(self, task_id: str, etag: str, error: Unavailable) -> Exception:
        # Redis answers ABORTED to a stale ETag, and also while it refuses all writes. A UUID is no ETag of Redis.
        is_stale = error.error_code in ("ABORTED", "INVALID_ARGUMENT") and (await self.read(task_id))[1] != etag
        return Refused(412, STALE, code="STALE") if is_stale else error
