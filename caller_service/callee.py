"""Invoke callee through this app's Dapr sidecar, in four ways."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from urllib.parse import quote

import aiohttp
import grpc
from dapr.clients.exceptions import DaprHttpError
from yarl import URL

from answers import Answer, Answers
from kit.edge import trace
from kit.sidecar.client import SdkClient
from kit.sidecar.unavailable import sidecar_down, too_slow
from models import Via
from protos.greeter_pb2 import GreetRequest
from protos.greeter_pb2_grpc import GreeterStub
from settings import Settings

# Dapr decodes the path of an invocation and reads the result as a path again, so characters with a meaning there are
# encoded twice. Encoded once, the name `../healthz` would call callee's /healthz.
ENCODED_TWICE = {ord(char): f"%{ord(char):02X}" for char in ["%", "/", "?", "#", *map(chr, range(32)), "\x7f"]}

CHANNEL_OPTIONS = [
    # After a lost sidecar gRPC waits longer after each attempt, up to 2 minutes.
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A proxy for the way out (http_proxy) must not carry calls to the sidecar.
    ("grpc.enable_http_proxy", 0),
]


class Callee:
    """Ask callee for greetings, through clients that live as long as the process."""

    def __init__(
        self, settings: Settings, session: aiohttp.ClientSession, channel: grpc.aio.Channel, sdk: SdkClient
    ) -> None:
        self._settings, self._session, self._channel, self._sdk = settings, session, channel, sdk
        self._greeter = GreeterStub(channel)
        self._answers = Answers(settings.callee_app_id, settings.retry_after_seconds)
        self._greeters_answers = Answers(settings.callee_grpc_app_id, settings.retry_after_seconds)
        self._ways = {
            Via.url: self._by_url,
            Via.header: self._by_header,
            Via.sdk: self._by_sdk,
            Via.grpc: self._by_grpc,
        }

    async def greet(self, name: str, via: Via, headers: Mapping[str, str]) -> Answer:
        """Ask for a greeting; `headers` go with the call. Raise CallFailed or Unavailable."""
        limit = self._settings.call_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._ways[via](name, headers)
        except TimeoutError as error:
            raise too_slow(self._greeters_answers.app_id if via is Via.grpc else self._answers.app_id, limit) from error
        except aiohttp.ClientError as error:
            raise sidecar_down(error) from error

    async def _by_url(self, name: str, headers: Mapping[str, str]) -> Answer:
        return await self._get(f"/v1.0/invoke/{self._answers.app_id}/method{greet_path(name)}", headers)

    async def _by_header(self, name: str, headers: Mapping[str, str]) -> Answer:
        return await self._get(greet_path(name), {**headers, "dapr-app-id": self._answers.app_id})

    async def _get(self, path: str, headers: Mapping[str, str]) -> Answer:
        # `encoded`, so that the path is sent exactly as it is written here.
        url = URL(f"http://127.0.0.1:{self._settings.dapr_http_port}{path}", encoded=True)
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            body, attempts = await response.read(), _number(response.headers.get("x-attempt"))
        if response.status != 200:
            raise self._answers.http_failure(response.status, body, attempts)
        return self._answers.greeting(body, attempts)

    async def _by_sdk(self, name: str, headers: Mapping[str, str]) -> Answer:
        app_id, path, metadata = self._answers.app_id, greet_path(name).removeprefix("/"), tuple(headers.items())
        # Just above the limit of all calls, which is the one that counts. Without one the SDK gives up after 60 s.
        limit = int(self._settings.call_timeout_seconds) + 1
        async with self._sdk.calling(app_id, limit) as client:
            try:
                response = await client.invoke_method(app_id, path, http_verb="GET", metadata=metadata, timeout=limit)
            except DaprHttpError as error:
                # The SDK keeps the status and the body of an error answer, but not its headers: no attempts.
                body = error.raw_response_bytes or b""
                raise self._answers.http_failure(error.status_code or 502, body) from error
        found = {header.lower(): value for header, value in response.get_headers()}
        return self._answers.greeting(response.data, _number(found.get("x-attempt")))

    async def _by_grpc(self, name: str, headers: Mapping[str, str]) -> Answer:
        answers, token = self._greeters_answers, self._settings.dapr_api_token
        metadata = {**headers, "dapr-app-id": answers.app_id}
        if token:
            metadata["dapr-api-token"] = token.get_secret_value()
        call = self._greeter.Greet(GreetRequest(name=name), metadata=tuple(metadata.items()))
        try:
            reply = await call
        except grpc.aio.AioRpcError as error:
            if self._channel.get_state() is not grpc.ChannelConnectivity.READY:
                raise sidecar_down(error.details()) from error
            raise answers.grpc_failure(error, _last_attempt(error.trailing_metadata())) from error
        return Answer(reply.message, _last_attempt(await call.trailing_metadata()))


@asynccontextmanager
async def connected(settings: Settings, session: aiohttp.ClientSession) -> AsyncGenerator[Callee]:
    """Open the clients and yield a Callee; close them at the end. No sidecar is needed yet."""
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{settings.dapr_grpc_port}", CHANNEL_OPTIONS)
    async with channel, aclosing(SdkClient(settings, session)) as sdk:
        yield Callee(settings, session, channel, sdk)


def greet_path(name: str) -> str:
    """Return callee's path for `name`, as it is written in a request to the sidecar."""
    # A name of dots alone would be a step up the path.
    once = name.translate(ENCODED_TWICE) if name.strip(".") else name.replace(".", "%2E")
    return f"/greet/{quote(once, safe='')}"


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of an incoming request that belong on the calls it leads to.

    The request id lets callee count the attempts of one request. The other two (W3C trace context) keep the call in the
    same trace. gRPC metadata is ASCII, so other values are left out.
    """
    found = {name: headers.get(name, "") for name in ("x-request-id", "tracestate")}
    fitting = {name: value for name, value in found.items() if value and value.isascii() and value.isprintable()}
    return fitting | trace.headers()


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, str) and value.isdecimal() else None


def _last_attempt(trailers: Iterable[tuple[str, str | bytes]]) -> int | None:
    # Dapr passes on the trailers of all attempts, one after the other.
    found = [value for name, value in trailers if name == "x-attempt"]
    return _number(found[-1]) if found else None
