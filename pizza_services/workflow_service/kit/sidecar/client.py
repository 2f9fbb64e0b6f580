"""The Dapr SDK's client: made at its first use, replaced after its sidecar was lost, with one reading of its errors."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from dapr.aio.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError, DaprInternalError
from dapr.conf import settings as sdk_settings
from grpc import StatusCode
from grpc.aio import (
    AioRpcError,
    Metadata,
    StreamStreamClientInterceptor,
    UnaryStreamClientInterceptor,
    UnaryUnaryClientInterceptor,
)

from kit.edge import trace
from kit.edge.settings import ServiceSettings
from kit.edge.token import HEADER
from kit.sidecar.ready import check_ready
from kit.sidecar.unavailable import SIDECAR, Unavailable, sidecar_down, too_slow

# Many values read at once are more than gRPC's default for answers. What Dapr accepts in one call, it limits itself.
MESSAGE_BYTES = 64 * 1024 * 1024
# The component does not exist, or not for this app. Another attempt would fail alike.
SET_UP_WRONGLY = {StatusCode.INVALID_ARGUMENT, StatusCode.FAILED_PRECONDITION, StatusCode.PERMISSION_DENIED}


class OnCalls(UnaryUnaryClientInterceptor):
    """Keep the single calls of a channel in the present trace. The SDK shows the token on these itself."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        with trace.call(_name(client_call_details)) as span:
            call = await continuation(_with(client_call_details), request)
            if span.is_recording():
                await call
            return call


class _OnAnswers(UnaryStreamClientInterceptor):
    def __init__(self, token: str | None) -> None:
        self._token = token

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(_with(client_call_details, self._token), request)


class _OnStreams(StreamStreamClientInterceptor):
    def __init__(self, token: str | None) -> None:
        self._token = token

    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(_with(client_call_details, self._token), request_iterator)


def _with(details: Any, token: str | None = None) -> Any:
    more = trace.headers() | ({HEADER: token} if token else {})
    return details._replace(metadata=Metadata(*(details.metadata or ()), *more.items())) if more else details


def _name(details: Any) -> str:
    method = details.method
    return (method.decode() if isinstance(method, bytes) else method).rpartition("/")[2]


class SdkClient:
    """Lend the process's one DaprClient. `seconds` limits each call that sets no other limit.

    DaprClient's constructor asks for the sidecar's health with blocking calls, for up to 60 s. In the lifespan it would
    keep the service from starting before its sidecar; on the event loop it would stop every other request.
    """

    def __init__(self, settings: ServiceSettings, session: aiohttp.ClientSession, seconds: float = 5.0) -> None:
        self._settings, self._session = settings, session
        self._seconds = self._longest = seconds
        self._client: DaprClient | None = None
        self._lock = asyncio.Lock()
        self._made = 0
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def calling(self, dependency: str, seconds: float | None = None) -> AsyncGenerator[DaprClient]:
        """Lend the client for one call. Raise Unavailable, which names `dependency`, if the call fails or is too slow.

        Its `error_code` is the name of the gRPC status.
        """
        limit = self._seconds if seconds is None else seconds
        self._longest = max(self._longest, limit)
        client = None
        try:
            async with asyncio.timeout(limit):
                client = await self._get()
                yield client
        except TimeoutError as error:
            raise too_slow(dependency, limit) from error
        except (DaprGrpcError, DaprInternalError, AioRpcError) as error:
            # get_secret raises the gRPC error itself; the SDK's own errors have it as their cause, some nowhere else.
            found = error if isinstance(error, AioRpcError) else error.__cause__
            if not isinstance(found, AioRpcError):
                raise
            if found.code() is StatusCode.UNAVAILABLE and client:
                self._drop(client)
            raise _failure(dependency, found.code(), found.details() or "") from error

    async def aclose(self) -> None:
        """Close every client that is still open."""
        for closing in list(self._closing):
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def _get(self) -> DaprClient:
        if self._client is None:
            async with self._lock:
                if self._client is None:
                    try:
                        await check_ready(self._session, self._settings.dapr_http_port)
                    except Unavailable as error:
                        # The answer to a user names no internal address.
                        raise sidecar_down(error) from error
                    self._client = await asyncio.to_thread(self._new_client, asyncio.get_running_loop())
        return self._client

    def _drop(self, client: DaprClient) -> None:
        # gRPC waits longer after each failed attempt, up to 2 minutes, before it looks for the sidecar again. The SDK
        # has no setting for that, so a new client it is.
        if client is self._client:
            self._client = None
            closing = asyncio.create_task(self._close_later(client))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _close_later(self, client: DaprClient) -> None:
        try:
            # Closing cancels the calls in flight; after the longest time limit none is left.
            await asyncio.sleep(self._longest)
        finally:
            await client.close()

    def _new_client(self, loop: asyncio.AbstractEventLoop) -> DaprClient:
        # The SDK has its settings in a module, and sets them in a way that no type checker can follow.
        secret = self._settings.dapr_api_token
        token = secret.get_secret_value() if secret else None
        # The SDK shows the token on single calls only: grpcio takes its interceptor for one kind of call.
        interceptors = [OnCalls(), _OnAnswers(token), _OnStreams(token)]
        sdk_settings.DAPR_HTTP_PORT = self._settings.dapr_http_port  # pyright: ignore[reportAttributeAccessIssue]
        sdk_settings.DAPR_API_TOKEN = token  # pyright: ignore[reportAttributeAccessIssue]
        # Channels with the same options share their connection, and its wait after a failure: so each has its own.
        self._made += 1
        # gRPC ties the client's channel to the event loop of the thread that makes it, so this thread borrows ours.
        asyncio.set_event_loop(loop)
        try:
            address = f"127.0.0.1:{self._settings.dapr_grpc_port}"
            return DaprClient(
                address,
                interceptors=interceptors,  # pyright: ignore[reportArgumentType]
                max_grpc_message_length=MESSAGE_BYTES + self._made,
            )
        finally:
            asyncio.set_event_loop(None)


def _failure(dependency: str, code: StatusCode, reason: str) -> Unavailable:
    if code is StatusCode.UNAVAILABLE:
        return sidecar_down(reason)
    if code is StatusCode.UNAUTHENTICATED:
        return Unavailable(502, SIDECAR, "The Dapr sidecar refuses this app's DAPR_API_TOKEN.", code.name, reason)
    if code in SET_UP_WRONGLY:
        return Unavailable(502, dependency, f"{dependency} is not usable as it is set up.", code.name, reason)
    return Unavailable(503, dependency, f"{dependency} cannot be used now.", code.name, reason)
