"""Small JSON documents in the Dapr state store, each guarded by its ETag."""

from typing import TypeVar

from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._state import Concurrency, Consistency, StateOptions
from grpc import StatusCode
from pydantic import BaseModel

from sdk_client import SdkClient

Document = TypeVar("Document", bound=BaseModel)
FIRST_WRITE = StateOptions(consistency=Consistency.strong, concurrency=Concurrency.first_write)


class Conflict(Exception):
    """Somebody else wrote the key since it was read."""


class Store:
    """Reads and writes documents. Raises DaprGrpcError or SidecarNotReady when the store cannot be reached."""

    def __init__(self, sdk: SdkClient, store_name: str) -> None:
        self._sdk, self._name = sdk, store_name

    async def read(self, key: str, kind: type[Document]) -> tuple[Document | None, str | None]:
        """The document and its ETag; (None, None) when there is none."""
        client = await self._sdk.get()
        found = await client.get_state(self._name, key)
        if not found.data:
            return None, None
        return kind.model_validate_json(found.data), found.etag

    async def write(self, key: str, document: BaseModel, etag: str | None) -> None:
        """Writes the document if the key still has this ETag, or with None, if there is no such key. Else Conflict."""
        client = await self._sdk.get()
        try:
            await client.save_state(self._name, key, document.model_dump_json(), etag=etag, options=FIRST_WRITE)
        except DaprGrpcError as error:
            if error.code() is StatusCode.ABORTED:
                raise Conflict(key) from error
            # Redis answers a first write of a key that exists with INTERNAL, as it does when it fails.
            if etag is None and (await client.get_state(self._name, key)).data:
                raise Conflict(key) from error
            raise
