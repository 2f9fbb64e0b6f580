"""Keys: from Dapr's secret stores, or, where those have none, from the environment and `.env`."""

import asyncio

import grpc
from dapr.clients.exceptions import DaprGrpcError
from pydantic import SecretStr

from failures import NonRetryableError, Unreachable, within
from sdk_client import SIDECAR, SdkClient
from settings import Settings

# The sidecar itself is not there, or does not know us: whether there is such a secret is then unknown.
NO_ANSWER = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.DEADLINE_EXCEEDED}


class Secrets:
    """Reads each key once; one that is missing is looked for again when it is needed."""

    def __init__(self, settings: Settings, client: SdkClient) -> None:
        self._settings, self._client = settings, client
        self._found: dict[str, SecretStr] = {}
        self._lock = asyncio.Lock()

    async def get(self, name: str) -> SecretStr | None:
        """The secret of that name, such as GEMINI_API_KEY; None when nobody has it. Raises Unreachable or TooSlow."""
        if name not in self._found:
            async with self._lock:
                if name not in self._found and (secret := await self._look_for(name)):
                    self._found[name] = secret
        return self._found.get(name)

    async def need(self, name: str) -> SecretStr:
        """The secret of that name. Raises NonRetryableError, which says where it may be put, when nobody has it."""
        if secret := await self.get(name):
            return secret
        raise NonRetryableError("secret store", f"{name} is in none of {', '.join(self._settings.secret_stores)}.")

    async def _look_for(self, name: str) -> SecretStr | None:
        client = await self._client.get()
        for store in self._settings.secret_stores:
            async with within(store, self._settings.state_seconds):
                try:
                    found = (await client.get_secret(store, name)).secret.get(name)
                except (DaprGrpcError, grpc.aio.AioRpcError) as error:
                    # A missing secret, a missing store and one that may not be read all look alike in Dapr.
                    if error.code() in NO_ANSWER:
                        raise Unreachable(SIDECAR, "it cannot be reached.") from error
                    continue
            if found:
                return SecretStr(found)
        return getattr(self._settings, name.lower(), None)
