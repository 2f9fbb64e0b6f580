"""Small JSON documents in the Dapr state store, each guarded by its ETag."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeVar

from dapr.aio.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError, DaprInternalError
from dapr.clients.grpc._state import Concurrency, Consistency, StateOptions
from grpc import StatusCode
from grpc.aio import AioRpcError
from pydantic import BaseModel

from sdk_client import SdkClient

Document = TypeVar("Document", bound=BaseModel)
FIRST_WRITE = StateOptions(consistency=Consistency.strong, concurrency=Concurrency.first_write)


class Conflict(Exception):
    """Somebody else wrote the key since it was read."""


class StoreFailed(Exception):
    """The state store, or the way to it, failed; whether a write was done is not known."""

    def __init__(self, store_name: str, status: int) -> None:
        super().__init__(f"The state store {store_name} does not answer now.")
        self.store_name, self.status = store_name, status


class Store:
    """Reads and writes documents. Raises StoreFailed, or SidecarNotReady while the sidecar has never been up."""

    def __init__(self, sdk: SdkClient, store_name: str, seconds: float) -> None:
        self._sdk, self._name, self._seconds = sdk, store_name, seconds

    async def read(self, key: str, kind: type[Document]) -> tuple[Document | None, str | None]:
        """The document and its ETag; (None, None) when there is none."""
        async with self._client() as client:
            found = await client.get_state(self._name, key)
        if not found.data:
            return None, None
        return kind.model_validate_json(found.data), found.etag

    async def write(self, key: str, document: BaseModel, etag: str | None) -> None:
        """Writes the document if the key still has this ETag, or with None, if there is no such key. Else Conflict.

        A document that two may write at once must say who wrote it: one that is there already is taken for this write.
        """
        async with self._client() as client:
            try:
                await client.save_state(self._name, key, document.model_dump_json(), etag=etag, options=FIRST_WRITE)
            except DaprInternalError as error:
                # The SDK keeps the status only in the cause. Redis answers a first write of a key that exists with
                # INTERNAL, as it does when it fails: only the key itself tells which it was.
                cause = error.__cause__
                outdated = isinstance(cause, AioRpcError) and cause.code() is StatusCode.ABORTED
                if not outdated and etag is not None:
                    raise
                there = (await client.get_state(self._name, key)).data
                # When only the answer to a write is lost, whoever repeats it finds the write itself in the way.
                if there and type(document).model_validate_json(there) == document:
                    return
                if outdated or there:
                    raise Conflict(key) from error
                raise

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[DaprClient]:
        try:
            async with asyncio.timeout(self._seconds), self._sdk.lent() as client:
                yield client
        except TimeoutError as error:
            raise StoreFailed(self._name, 504) from error
        except (DaprGrpcError, DaprInternalError) as error:
            raise StoreFailed(self._name, 503) from error
