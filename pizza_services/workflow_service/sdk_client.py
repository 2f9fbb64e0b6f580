"""The Dapr SDK's client, made at its first use and without holding up the event loop."""

import asyncio
from math import ceil

import aiohttp
from dapr.aio.clients import DaprClient
from dapr.conf import settings as sdk_settings

from settings import Settings
from sidecar import check_ready


class SdkClient:
    """Hands out the process's one DaprClient; raises SidecarNotReady while the sidecar is not up.

    DaprClient's constructor asks for the sidecar's health with blocking calls, for up to 60 s. In the lifespan it would
    keep the service from starting before its sidecar; on the event loop it would stop every other request.
    """

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        self._client: DaprClient | None = None
        self._lock = asyncio.Lock()
        # The SDK reads settings of its own from the environment, and sets them in a way no type checker can follow.
        token = settings.dapr_api_token
        sdk_settings.DAPR_HTTP_PORT = settings.dapr_http_port  # pyright: ignore[reportAttributeAccessIssue]
        sdk_settings.DAPR_API_TOKEN = token and token.get_secret_value()  # pyright: ignore[reportAttributeAccessIssue]

    async def get(self) -> DaprClient:
        """The client; the first call makes it."""
        async with self._lock:
            if self._client is None:
                await check_ready(self._session, self._settings.dapr_http_port)
                self._client = await asyncio.to_thread(self._new_client, asyncio.get_running_loop())
        return self._client

    async def aclose(self) -> None:
        """Closes the client, if there was ever one."""
        if self._client is not None:
            await self._client.close()

    def _new_client(self, loop: asyncio.AbstractEventLoop) -> DaprClient:
        address = f"127.0.0.1:{self._settings.dapr_grpc_port}"
        # The SDK's own limit (60 s) is moved out of the way of the one that this app's calls have.
        seconds = ceil(self._settings.call_timeout_seconds) + 1
        # gRPC ties the client's channel to the event loop of the thread that makes it, so this thread borrows ours.
        asyncio.set_event_loop(loop)
        try:
            return DaprClient(address, http_timeout_seconds=seconds)
        finally:
            asyncio.set_event_loop(None)
