"""The state store behind this app's sidecar: JSON values, each guarded by its own ETag.

On Redis an ETag guards one key, and a transaction does not roll back. A write with the ETag of a key that was deleted
since succeeds, and brings the key back. So values that must change together are one value, and code that deletes looks
again after its last write. A key must not contain `||`: Dapr puts the app id and `||` before it.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dapr.aio.clients import DaprClient
from dapr.clients.grpc._state import Concurrency, Consistency, StateItem, StateOptions
from pydantic import TypeAdapter, ValidationError

from kit.sidecar.client import SdkClient
from kit.sidecar.unavailable import Unavailable

T = TypeVar("T")
K = TypeVar("K")
Object = dict[str, Any]

# First-write on every write: on Redis the first one marks the key, and without the mark the next is not refused.
GUARDED = StateOptions(consistency=Consistency.strong, concurrency=Concurrency.first_write)
# The SDK translates its options for save_state, but not for save_bulk_state.
GUARDED_IN_BULK: Any = GUARDED.get_proto()
# Redis answers with an ETag ABORTED and without one INTERNAL, both to a conflict and when it is read-only or full. In a
# conflict the key has changed.
REFUSED = ("ABORTED", "INTERNAL")
# Each failed attempt means that another writer succeeded, so this many writers of one key are served at once.
ATTEMPTS = 60
PAUSE_SECONDS = 0.003
REQUEST_BYTES = 1_000_000
# A value that is there, by Dapr's words, but not to be decrypted with this key.
UNDECRYPTABLE = ("message authentication failed", "could not decrypt data")
OTHER_KEY = "OTHER_KEY"
KEY_CHECK = "key-check"


class Conflict(Exception):
    """Another writer was first: read the key again, and decide again."""


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A key as it was read. Without a value, and then without an ETag, it does not exist."""

    key: str
    value: T | None
    etag: str | None
    data: bytes | str = b""


@dataclass(frozen=True, slots=True)
class Write(Generic[T]):
    """One of many to `save`."""

    key: str
    value: T
    etag: str | None
    ttl: int | None = None


_ahead: ContextVar[dict[str, tuple[bytes | str, str]] | None] = ContextVar("ahead", default=None)


class StateStore(Generic[T]):
    """Read and write values of one kind. Any method may raise Unavailable; then it is unknown whether it wrote.

    ttl: of each write that has no other.
    """

    def __init__(self, sdk: SdkClient, name: str, kind: type[T] = Object, ttl: int | None = None) -> None:
        self._sdk, self.name, self._ttl = sdk, name, ttl
        self._json = TypeAdapter[T](kind)
        self._is_checked = False

    def of(self, kind: type[K]) -> "StateStore[K]":
        """Return the same store for values of another kind, such as a pydantic model."""
        return StateStore(self._sdk, self.name, kind)

    @asynccontextmanager
    async def read_ahead(self, *keys: str) -> AsyncGenerator[None]:
        """Read these keys in one call. Within the block each read finds them read, until they are written.

        Nothing may depend on when they were read: a write of one that has changed since is a conflict.
        """
        before = _ahead.set(await self._read(keys))
        try:
            yield
        finally:
            _ahead.reset(before)

    async def get(self, key: str, *, fresh: bool = False) -> Stored[T]:
        """Read one key; `fresh` asks the store even within `read_ahead`."""
        ahead = _ahead.get() or {}
        if key in ahead and not fresh:
            return self._stored(key, *ahead[key])
        async with self._reading() as client:
            found = await client.get_state(self.name, key, state_metadata={})
        return self._stored(key, found.data, found.etag)

    async def get_many(self, keys: Sequence[str]) -> list[Stored[T]]:
        """Read several keys in one call, and return them in this order. They need not be of one moment."""
        found = await self._read(keys)
        return [self._stored(key, *found[key]) for key in keys]

    async def save(
        self, key: str, value: T, etag: str | None, ttl: int | None = None, *, is_unique: bool = False
    ) -> None:
        """Save over the value that had this ETag; with None, only if the key does not exist. Raise Conflict.

        ttl: seconds until the key expires; None leaves it as it is.
        is_unique: no other writer ever saves an equal value. So when only the answer to this write was lost, and it is
        repeated, the equal value that is in its way is no conflict.
        """
        if await self.save_many([Write(key, value, etag, ttl)]):
            return
        if not is_unique or (await self.get(key)).value != value:
            raise Conflict(key)

    async def save_many(self, writes: Iterable[Write[T]]) -> bool:
        """Save each on its own, in no order. Return False if any may not be saved: read the keys again, and look."""
        writes, refusal = list(writes), None
        for some in _requests(self._item(one) for one in writes):
            try:
                async with self._sdk.calling(self.name) as client:
                    await client.save_bulk_state(self.name, some)
            except Unavailable as error:
                if error.error_code not in REFUSED:
                    raise
                refusal = error
        if refusal:
            there = await self.get_many([write.key for write in writes])
            if [one.etag for one in there] == [write.etag for write in writes]:
                raise self._refuses_writes(refusal) from refusal
        return refusal is None

    async def change(
        self,
        key: str,
        edit: Callable[[T | None], T | None],
        ttl: int | None = None,
        *,
        first: Callable[[], Awaitable[None]] | None = None,
    ) -> T | None:
        """Save the value that `edit` returns; edit again if another writer was first. Return the stored value.

        edit: gets the stored value or None, and may be called more than once; None leaves the key as it is.
        first: awaited before the key is created.
        """
        async for _ in attempts(self.name, key):
            stored = await self.get(key)
            value = edit(stored.value)
            if value is None or self._json.dump_json(value) == stored.data:
                return stored.value
            if first and stored.value is None:
                await first()
            try:
                await self.save(key, value, stored.etag, ttl)
            except Conflict:
                continue
            return value
        raise AssertionError("attempts() ends by raising")

    async def delete(self, key: str) -> None:
        """Delete a key, if it exists."""
        _written(key)
        async with self._sdk.calling(self.name) as client:
            await client.delete_state(self.name, key, options=GUARDED, state_metadata={})

    async def check_key(self, mark: str = "") -> None:
        """Raise Unavailable if the values in this store were written with another key.

        The first check writes a value for all later ones. `mark`: of a further key, such as that of the users' hashes.
        A store that is down is no reason, because each call reports it. One that refuses the write is.
        """
        if self._is_checked:
            return
        notes = self.of(str)
        try:
            known = (await notes.get(KEY_CHECK)).value
        except Unavailable as error:
            if error.error_code == OTHER_KEY:
                raise
            return
        if known is None:
            known = await notes.change(KEY_CHECK, lambda known: mark if known is None else None)
        if known != mark:
            raise self._other_key("another mark")
        self._is_checked = True

    @asynccontextmanager
    async def _reading(self) -> AsyncGenerator[DaprClient]:
        try:
            async with self._sdk.calling(self.name) as client:
                yield client
        except Unavailable as error:
            if any(words in error.reason for words in UNDECRYPTABLE):
                raise self._other_key(error.reason) from error
            raise

    def _other_key(self, reason: str) -> Unavailable:
        detail = (
            f"The values in {self.name} were written with another key than that in secrets/secrets.json. "
            "Put that file back, or delete the values: ./lab down --forget (in a Redis of your own: redis-cli FLUSHDB)."
        )
        return Unavailable(503, self.name, detail, OTHER_KEY, reason)

    def _refuses_writes(self, error: Unavailable) -> Unavailable:
        detail = f"{self.name} can be read, but refuses this write."
        return Unavailable(503, self.name, detail, error.error_code, error.reason)

    def _item(self, write: Write[T]) -> StateItem:
        _written(write.key)
        ttl = self._ttl if write.ttl is None else write.ttl
        metadata = {} if ttl is None else {"ttlInSeconds": str(ttl)}
        return StateItem(write.key, self._json.dump_json(write.value), write.etag, GUARDED_IN_BULK, metadata)

    async def _read(self, keys: Sequence[str]) -> dict[str, tuple[bytes | str, str]]:
        ahead = _ahead.get() or {}
        wanted = [key for key in dict.fromkeys(keys) if key not in ahead]
        if not wanted:
            return ahead
        async with self._reading() as client:
            answer = await client.get_bulk_state(self.name, wanted, 20, states_metadata={})
            for failed in (item.error for item in answer.items if item.error):
                raise Unavailable(503, self.name, f"{self.name} cannot be used now.", "INTERNAL", failed)
        return ahead | {item.key: (item.data, item.etag) for item in answer.items}

    def _stored(self, key: str, data: bytes | str, etag: str) -> Stored[T]:
        if not data:
            return Stored(key, None, None)
        try:
            return Stored(key, self._json.validate_json(data), etag, data)
        except ValidationError:
            # Not the error's words: they repeat the value.
            raise Unavailable(502, self.name, f"{self.name} holds a value that this app cannot read.") from None


async def attempts(dependency: str, key: str) -> AsyncIterator[int]:
    """Yield until the loop around it is left; raise Unavailable after too many turns."""
    for attempt in range(ATTEMPTS):
        yield attempt
        # Writers that lost against each other must not meet again at the same time.
        await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * min(attempt + 1, 20)))
    raise Unavailable(503, dependency, "Too many writers at once; try again.", "ABORTED", key, retry_after=1)


def _written(key: str) -> None:
    (_ahead.get() or {}).pop(key, None)


def _requests(items: Iterable[StateItem]) -> Iterable[list[StateItem]]:
    """Split items into requests that Dapr accepts (up to 4 MiB)."""
    request: list[StateItem] = []
    size = 0
    for item in items:
        if request and size + len(item.value) > REQUEST_BYTES:
            yield request
            request, size = [], 0
        request.append(item)
        size += len(item.value)
    if request:
        yield request
