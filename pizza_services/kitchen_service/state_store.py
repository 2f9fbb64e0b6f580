"""The state store behind this app's sidecar: a value is saved only if nobody has changed it since it was read."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from dapr.aio.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError, DaprInternalError
from dapr.clients.grpc._helpers import to_bytes
from dapr.clients.grpc._state import Concurrency, StateOptions
from grpc import StatusCode
from grpc.aio import AioRpcError

from sdk_client import SdkClient
from settings import Settings
from sidecar import SidecarNotReady, check_ready

FIRST_WRITE = StateOptions(concurrency=Concurrency.first_write)


@dataclass(eq=False)
class StoreFailed(Exception):
    """The store could not be used; `status` and `detail` are what the caller is told, `reason` is for the log."""

    status: int
    dependency: str
    detail: str
    error_code: str | None = None
    reason: str = ""

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class Stored:
    """What a key holds, and the ETag to save it with; both are empty if it holds nothing."""

    value: bytes
    etag: str


class StateStore:
    """Reads and saves values by key. A key must not have `||` in it: Dapr puts the app id before it so.

    Keys are never deleted: on Redis a save with an ETag is let through when its key is gone.
    """

    def __init__(self, name: str, sdk: SdkClient, session: aiohttp.ClientSession, settings: Settings) -> None:
        self._name = name
        self._sdk = sdk
        self._session = session
        self._http_port = settings.dapr_http_port
        self._limit = settings.store_timeout_seconds

    async def read(self, key: str) -> Stored:
        """The value of a key. Raises StoreFailed."""
        async with self._call() as client:
            answer = await client.get_state(self._name, key)
        return Stored(answer.data, answer.etag)

    async def read_many(self, keys: Sequence[str]) -> list[bytes]:
        """The values of these keys, in their order, without those that hold nothing. Raises StoreFailed."""
        if not keys:
            return []
        async with self._call() as client:
            answer = await client.get_bulk_state(self._name, list(keys), parallelism=10)
        if failed := next((item.error for item in answer.items if item.error), None):
            raise self._failed(StatusCode.INTERNAL, failed)
        found = {item.key: to_bytes(item.data) for item in answer.items if item.data}
        return [found[key] for key in keys if key in found]

    async def save(self, key: str, value: bytes, etag: str) -> bool:
        """Saves a value over the one that was read with this ETag; False if somebody else was faster.

        An empty ETag saves only if the key holds nothing. Raises StoreFailed: then the value may be saved or not.
        """
        try:
            async with self._call() as client:
                await client.save_state(self._name, key, value, etag or None, FIRST_WRITE)
        except StoreFailed as failure:
            if failure.error_code == StatusCode.ABORTED.name:
                return False
            # Without an ETag Dapr 1.18 calls a conflict INTERNAL, like any fault of the store: a look tells them apart.
            if etag or failure.error_code != StatusCode.INTERNAL.name or not (await self.read(key)).value:
                raise
            return False
        return True

    async def check_sidecar(self) -> None:
        """Returns when the sidecar can carry calls out; raises SidecarNotReady when it cannot."""
        await check_ready(self._session, self._http_port)

    @asynccontextmanager
    async def _call(self) -> AsyncGenerator[DaprClient]:
        client = None
        try:
            async with asyncio.timeout(self._limit):
                client = await self._sdk.get()
                yield client
        except TimeoutError as error:
            raise StoreFailed(504, self._name, f"{self._name} did not answer within {self._limit:g} s.") from error
        except SidecarNotReady as error:
            raise _sidecar_down(error) from error
        except (DaprGrpcError, DaprInternalError) as error:
            # Of the SDK's errors save_state's keeps no code, so both are asked for the gRPC error below them.
            if not isinstance(error.__cause__, AioRpcError):
                raise
            code, reason = error.__cause__.code(), error.__cause__.details() or ""
            if code is StatusCode.UNAVAILABLE and client:
                self._sdk.forget(client)
                raise _sidecar_down(reason) from error
            raise self._failed(code, reason) from error

    def _failed(self, code: StatusCode, reason: str) -> StoreFailed:
        if code is StatusCode.UNAUTHENTICATED:
            return StoreFailed(
                502, self._name, "The Dapr sidecar refuses this app's DAPR_API_TOKEN.", code.name, reason
            )
        if code in (StatusCode.INVALID_ARGUMENT, StatusCode.FAILED_PRECONDITION):
            return StoreFailed(502, self._name, f"{self._name} is not usable as it is set up.", code.name, reason)
        return StoreFailed(503, self._name, f"{self._name} cannot be used now.", code.name, reason)


def _sidecar_down(reason: object) -> StoreFailed:
    return StoreFailed(503, "Dapr sidecar", "The Dapr sidecar of this app cannot be reached.", reason=str(reason))


@asynccontextmanager
async def connected(name: str, settings: Settings) -> AsyncGenerator[StateStore]:
    """Opens the clients and yields the store of that name; needs no sidecar yet. Closes them in the end."""
    async with aiohttp.ClientSession() as session, aclosing(SdkClient(settings, session)) as sdk:
        yield StateStore(name, sdk, session, settings)
