"""The Dapr SDK's client, made at its first use and again after its sidecar was lost, without holding up the loop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import ceil

import aiohttp
from dapr.aio.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError, DaprInternalError
from dapr.conf import settings as sdk_settings
from grpc import StatusCode
from grpc.aio import AioRpcError

from settings import Settings
from sidecar import check_ready

MESSAGE_BYTES = 4 * 1024 * 1024  # gRPC's own default


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
        self._made = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._tell_the_sdk()

    @asynccontextmanager
    async def lent(self) -> AsyncGenerator[DaprClient]:
        """The client; the first call makes it, and so does the next one after its sidecar was lost."""
        client = await self._get()
        try:
            yield client
        except (DaprGrpcError, DaprInternalError) as error:
            if isinstance(error.__cause__, AioRpcError) and error.__cause__.code() is StatusCode.UNAVAILABLE:
                self._forget(client)
            raise

    async def aclose(self) -> None:
        """Closes every client that there still is."""
        for closing in list(self._closing):
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def _get(self) -> DaprClient:
        if self._client is None:
            async with self._lock:
                if self._client is None:
                    await check_ready(self._session, self._settings.dapr_http_port)
                    self._client = await asyncio.to_thread(self._new_client, asyncio.get_running_loop())
        return self._client

    def _forget(self, client: DaprClient) -> None:
        # Left to itself gRPC waits longer and longer, up to 2 minutes, before it looks for the sidecar again, and the
        # SDK has no setting for that.
        if client is self._client:
            self._client = None
            closing = asyncio.create_task(self._close_later(client))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _close_later(self, client: DaprClient) -> None:
        try:
            # Closing cancels what is in flight; after its time limit no call is.
            await asyncio.sleep(self._settings.call_timeout_seconds)
        finally:
            await client.close()

    def _tell_the_sdk(self) -> None:
        # It reads settings of its own from the environment, and sets them in a way no type checker can follow.
        token = self._settings.dapr_api_token
        sdk_settings.DAPR_HTTP_PORT = self._settings.dapr_http_port  # pyright: ignore[reportAttributeAccessIssue]
        sdk_settings.DAPR_API_TOKEN = token and token.get_secret_value()  # pyright: ignore[reportAttributeAccessIssue]

    def _new_client(self, loop: asyncio.AbstractEventLoop) -> DaprClient:
        # They are the process's, and in the tests one process has several of this.
        self._tell_the_sdk()
        address = f"127.0.0.1:{self._settings.dapr_grpc_port}"
        # The SDK's own limit (60 s) is moved out of the way of the one that this app's calls have.
        seconds = ceil(self._settings.call_timeout_seconds) + 1
        # Channels with the same options share their connection, and its wait after a failure too: so each has its own.
        self._made += 1
        largest = MESSAGE_BYTES + self._made
        # gRPC ties the client's channel to the event loop of the thread that makes it, so this thread borrows ours.
        asyncio.set_event_loop(loop)
        try:
            return DaprClient(address, http_timeout_seconds=seconds, max_grpc_message_length=largest)
        finally:
            asyncio.set_event_loop(None)
