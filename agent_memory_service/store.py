"""JSON objects in the Dapr state store, each guarded by its ETag.

On Redis an ETag guards one key, a transaction does not roll back, and a write with the ETag of a key that was deleted
meanwhile succeeds and brings the key back (components-contrib 1.18, state/redis). So nothing here writes two keys and
hopes, and what forgets a user looks again afterwards (forgetting.py).
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from dapr.clients.exceptions import DaprGrpcError, DaprInternalError
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._state import Concurrency, Consistency, StateOptions

from failures import Conflict, DependencyFailed
from sdk_client import SdkClient

T = TypeVar("T")
Object = dict[str, Any]

# First-write on every write: on Redis the first one marks the key, and without the mark the next is not held back.
GUARDED = StateOptions(consistency=Consistency.strong, concurrency=Concurrency.first_write)
# Far more than two replicas that work on one key at once ever need.
ATTEMPTS = 60
PAUSE_SECONDS = 0.003
DELETED_AT_ONCE = 100
# Dapr's word for a key that does not expire, and no longer does if it was to.
NEVER = -1


@dataclass(frozen=True)
class Stored:
    """A key as it was read; without a value, and then without an ETag, when there is none."""

    key: str
    value: Object | None
    etag: str | None


_ahead: ContextVar[dict[str, Stored] | None] = ContextVar("ahead", default=None)


class StateStore:
    """Reads and writes JSON objects. Raises Conflict when somebody was faster, DependencyFailed when it cannot work."""

    def __init__(self, sdk: SdkClient, name: str, timeout_seconds: float) -> None:
        self._sdk = sdk
        self._name = name
        self._seconds = timeout_seconds

    @asynccontextmanager
    async def read_ahead(self, *keys: str) -> AsyncGenerator[None]:
        """Reads these keys in one call; within the block, the first `get` of each is answered from that.

        Nothing depends on the values' being of one moment: a write of one that has changed meanwhile is a Conflict, and
        the `get` after that asks the store.
        """
        before = _ahead.set({one.key: one for one in await self.get_many(*keys)})
        try:
            yield
        finally:
            _ahead.reset(before)

    async def get(self, key: str) -> Stored:
        """One key."""
        ahead = _ahead.get()
        if ahead and key in ahead:
            return ahead.pop(key)
        client = await self._sdk.get()
        answer = await self._call(client.get_state(self._name, key, state_metadata={}))
        return _stored(key, answer.data, answer.etag)

    async def get_many(self, *keys: str) -> list[Stored]:
        """Several keys in one call, in the order in which they were asked for; not a snapshot of all at once."""
        client = await self._sdk.get()
        answer = await self._call(client.get_bulk_state(self._name, keys, parallelism=10, states_metadata={}))
        found = {item.key: item for item in answer.items}
        if failed := next((item.error for item in answer.items if item.error), None):
            raise self._failure("INTERNAL", failed)
        return [_stored(key, found[key].data, found[key].etag) for key in keys]

    async def save(self, key: str, value: Object, etag: str | None, ttl: int | None = None) -> None:
        """Writes over what had this ETag; with None, only where there is nothing yet.

        ttl: seconds until the key expires, or NEVER; with None that stays as it was.
        """
        client = await self._sdk.get()
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        metadata = {} if ttl is None else {"ttlInSeconds": str(ttl)}
        save = client.save_state(self._name, key, body, etag=etag, options=GUARDED, state_metadata=metadata)
        try:
            await self._call(save)
        except DependencyFailed as error:
            # A first write over an existing key is answered INTERNAL, as is a store that is down. Whether the key is
            # there tells them apart.
            if etag is None and error.error_code == "INTERNAL" and (await self.get(key)).value is not None:
                raise Conflict(key) from error
            raise

    async def change(
        self, key: str, edit: Callable[[Object | None], Object | None], ttl: int | None = None
    ) -> Object | None:
        """Writes what `edit` makes of the value, as often as others are faster; `edit` returns None to leave it.

        Returns what is stored afterwards, or None when `edit` left it.
        """
        async for _ in attempts(key):
            stored = await self.get(key)
            value = edit(stored.value)
            if value is None or value == stored.value:
                return value
            try:
                await self.save(key, value, stored.etag, ttl)
            except Conflict:
                continue
            return value
        raise AssertionError("attempts() ends by raising")

    async def delete(self, key: str, etag: str) -> None:
        """Deletes what had this ETag."""
        client = await self._sdk.get()
        await self._call(client.delete_state(self._name, key, etag=etag, options=GUARDED, state_metadata={}))

    async def delete_all(self, keys: list[str]) -> None:
        """Deletes these keys, whatever they hold; missing ones too. May be repeated when it failed half-way."""
        client = await self._sdk.get()
        for start in range(0, len(keys), DELETED_AT_ONCE):
            operations = [
                TransactionalStateOperation(key=key, operation_type=TransactionOperationType.delete)
                for key in keys[start : start + DELETED_AT_ONCE]
            ]
            await self._call(client.execute_state_transaction(self._name, operations, transactional_metadata={}))

    async def _call(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                return await call
        except TimeoutError as error:
            detail = f"The state store {self._name} did not answer within {self._seconds:g} s."
            raise DependencyFailed(504, self._name, detail) from error
        except (DaprGrpcError, DaprInternalError) as error:
            # The SDK's save_state drops the code of what it wraps.
            cause = error.__cause__
            code = cause.code().name if isinstance(cause, grpc.aio.AioRpcError) else "UNKNOWN"
            if code == "ABORTED":
                raise Conflict(str(error)) from error
            raise self._failure(code, str(error)) from error

    def _failure(self, code: str, reason: str) -> DependencyFailed:
        detail = f"The state store {self._name} cannot be used now."
        return DependencyFailed(503, self._name, detail, code, reason)


async def attempts(key: str) -> AsyncIterator[int]:
    """Yields until the loop around it is left; raises DependencyFailed when that takes too many turns."""
    for attempt in range(ATTEMPTS):
        yield attempt
        # Writers that lost against each other must not meet again at the same time.
        await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * min(attempt + 1, 20)))
    raise DependencyFailed(503, "statestore", "Too many writers at once; try again.", "ABORTED", key)


def _stored(key: str, data: bytes | str, etag: str) -> Stored:
    if not data:
        return Stored(key, None, None)
    return Stored(key, json.loads(data), etag)
