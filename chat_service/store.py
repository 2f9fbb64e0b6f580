"""State behind Dapr: one JSON value a key, each guarded by its own ETag.

On Redis an ETag guards one key, and a transaction is not rolled back: what must change together is one value here.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TypeVar

import grpc
from dapr.aio.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError, DaprInternalError
from dapr.clients.grpc._state import Concurrency, Consistency, StateOptions
from pydantic import BaseModel

from failures import Unreachable, within
from sdk_client import SdkClient

M = TypeVar("M", bound=BaseModel)

FIRST_WRITE = StateOptions(consistency=Consistency.strong, concurrency=Concurrency.first_write)
# Each failed attempt means that somebody else's succeeded, so so many writers at once are served.
ATTEMPTS = 50


# Data and ETag of the keys that are read already.
_ahead: ContextVar[dict[str, tuple[bytes | str, str]] | None] = ContextVar("ahead", default=None)


class Conflict(Exception):
    """The key was written, or made, by somebody else since it was read."""


class Store:
    """Reads and writes models; raises Unreachable or TooSlow when the state store cannot do its part."""

    def __init__(self, client: SdkClient, name: str, seconds: float) -> None:
        self._client, self._name, self._seconds = client, name, seconds

    @asynccontextmanager
    async def read_ahead(self, *keys: str) -> AsyncGenerator[None]:
        """Reads these keys in one call; within the block, each counts as read until it is written.

        Nothing depends on their being of one moment: a write of one that has changed meanwhile is a Conflict, and the
        read after that asks the store.
        """
        async with self._calling() as client:
            answer = await client.get_bulk_state(self._name, keys, parallelism=len(keys))
            if failed := next((item.error for item in answer.items if item.error), None):
                raise Unreachable(self._name, f"it cannot be read ({failed}).")
        before = _ahead.set({item.key: (item.data, item.etag) for item in answer.items})
        try:
            yield
        finally:
            _ahead.reset(before)

    async def read(self, key: str, model: type[M]) -> tuple[M | None, str]:
        """The value of a key and its ETag; None and an empty one when there is none."""
        ahead = _ahead.get() or {}
        data, etag = ahead[key] if key in ahead else await self._get(key)
        return (model.model_validate_json(data) if data else None), etag

    async def write(self, key: str, value: BaseModel, etag: str, ttl_seconds: int = 0) -> None:
        """Writes over the value that had this ETag; with an empty one, only where nothing is. Raises Conflict."""
        metadata = {"ttlInSeconds": str(ttl_seconds)} if ttl_seconds else {}
        (_ahead.get() or {}).pop(key, None)
        async with self._calling() as client:
            try:
                await client.save_state(
                    self._name, key, value.model_dump_json(), etag or None, FIRST_WRITE, state_metadata=metadata
                )
            except DaprInternalError as error:
                # A stale ETag is ABORTED. For one that should not have been there Redis' component has only a general
                # failure, so the key itself has to be asked.
                if _code(error) is grpc.StatusCode.ABORTED:
                    raise Conflict(key) from error
                if not etag and (await client.get_state(self._name, key)).data:
                    raise Conflict(key) from error
                raise

    async def update(
        self, key: str, model: type[M], change: Callable[[M | None], M | None], ttl_seconds: int = 0
    ) -> M | None:
        """Reads, changes and writes until nobody came between; `change` returns None to leave all as it is."""
        for attempt in range(ATTEMPTS):
            value, etag = await self.read(key, model)
            changed = change(value)
            if changed is None:
                return value
            try:
                await self.write(key, changed, etag, ttl_seconds)
            except Conflict:
                await asyncio.sleep(0.002 * attempt)
            else:
                return changed
        raise Unreachable(self._name, "too many writers at once.")

    async def delete(self, key: str) -> None:
        """Removes a key, whether or not it is there."""
        async with self._calling() as client:
            await client.delete_state(self._name, key)

    async def _get(self, key: str) -> tuple[bytes | str, str]:
        async with self._calling() as client:
            found = await client.get_state(self._name, key)
        return found.data, found.etag

    @asynccontextmanager
    async def _calling(self) -> AsyncGenerator[DaprClient]:
        async with within(self._name, self._seconds):
            try:
                yield await self._client.get()
            except (DaprInternalError, DaprGrpcError, grpc.aio.AioRpcError) as error:
                code = _code(error)
                raise Unreachable(self._name, f"Dapr answers {code.name if code else 'with an error'}.") from error


def _code(error: BaseException) -> grpc.StatusCode | None:
    """The gRPC status behind an error of the SDK, whose save_state keeps it as the cause only."""
    for one in (error, error.__cause__):
        if isinstance(one, (grpc.aio.AioRpcError, DaprGrpcError)):
            return one.code()
    return None
