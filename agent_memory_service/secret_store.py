"""Secrets: from Dapr's secret stores, or, where those have none, from the environment and `.env`."""

import asyncio

import grpc

from failures import DependencyFailed
from sdk_client import SdkClient
from settings import Settings

# A store that is not there, does not have the secret (INTERNAL, of the file store), or keeps it from this app: the next
# one is asked.
ASK_ON = {
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
}


class SecretStore:
    """Looks a secret up: in each secret store in turn, then in the settings.

    chat-service asks in the same order. With another USER_HASH_KEY in the environment than in a store the two would
    otherwise hash a user differently, and chat would keep what memory tells it to forget.
    """

    def __init__(self, settings: Settings, sdk: SdkClient) -> None:
        self._settings = settings
        self._sdk = sdk

    async def get(self, name: str) -> str | None:
        """The secret of that name; None when nobody has it. Raises DependencyFailed when nobody can be asked."""
        for store in self._settings.secret_stores:
            if value := await self._ask(store, name):
                return value
        given = getattr(self._settings, name.lower(), None)
        return given.get_secret_value() if given else None

    async def _ask(self, store: str, name: str) -> str | None:
        client = await self._sdk.get()
        try:
            async with asyncio.timeout(self._settings.sidecar_timeout_seconds):
                answer = await client.get_secret(store, name)
        except grpc.aio.AioRpcError as error:
            if error.code() in ASK_ON:
                return None
            raise DependencyFailed(
                503, store, f"The secret store {store} cannot be read.", error.code().name
            ) from error
        except TimeoutError as error:
            raise DependencyFailed(504, store, f"The secret store {store} did not answer.") from error
        return answer.secret.get(name)
