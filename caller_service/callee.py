"""callee, invoked through this app's Dapr sidecar in four ways."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import grpc
from dapr.clients.exceptions import DaprHttpError
from pydantic import ValidationError
from yarl import URL

import failures
from greeter_pb2 import GreetRequest
from greeter_pb2_grpc import GreeterStub
from models import Greeting, Via
from paths import greet_path
from sdk_client import SdkClient
from settings import Settings
from sidecar import SidecarNotReady, check_ready

CHANNEL_OPTIONS = [
    # After a lost sidecar gRPC waits longer and longer, up to 2 minutes, before it looks for it again.
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A proxy for the way out (http_proxy) is none for the way to the sidecar.
    ("grpc.enable_http_proxy", 0),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """A greeting, and how often callee saw the request (None if it did not say)."""

    message: str
    attempts: int | None


class Callee:
    """Asks callee for greetings, through clients that live as long as the process."""

    def __init__(
        self, settings: Settings, session: aiohttp.ClientSession, channel: grpc.aio.Channel, sdk: SdkClient
    ) -> None:
        self._port = settings.dapr_http_port
        self._app_id, self._grpc_app_id = settings.callee_app_id, settings.callee_grpc_app_id
        self._token = token_header(settings)
        self._limit = settings.call_timeout_seconds
        self._session, self._channel, self._sdk = session, channel, sdk
        self._greeter = GreeterStub(channel)
        self._ways = {
            Via.url: self._by_url,
            Via.header: self._by_header,
            Via.sdk: self._by_sdk,
            Via.grpc: self._by_grpc,
        }

    async def greet(self, name: str, via: Via, headers: Mapping[str, str]) -> Answer:
        """Asks for a greeting; `headers` go with the call. Raises CallFailed."""
        try:
            async with asyncio.timeout(self._limit):
                return await self._ways[via](name, headers)
        except TimeoutError as error:
            raise failures.too_slow(self._grpc_app_id if via is Via.grpc else self._app_id, self._limit) from error
        except (aiohttp.ClientError, SidecarNotReady) as error:
            raise failures.sidecar_down(error) from error

    async def check_sidecar(self) -> None:
        """Returns when the sidecar can carry calls out; raises SidecarNotReady when it cannot."""
        await check_ready(self._session, self._port)

    async def _by_url(self, name: str, headers: Mapping[str, str]) -> Answer:
        return await self._get(f"/v1.0/invoke/{self._app_id}/method{greet_path(name)}", headers)

    async def _by_header(self, name: str, headers: Mapping[str, str]) -> Answer:
        return await self._get(greet_path(name), {**headers, "dapr-app-id": self._app_id})

    async def _get(self, path: str, headers: Mapping[str, str]) -> Answer:
        # `encoded`, so that the path goes out exactly as it is written here.
        url = URL(f"http://127.0.0.1:{self._port}{path}", encoded=True)
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            body, attempts = await response.read(), _number(response.headers.get("x-attempt"))
        if response.status != 200:
            raise failures.from_http(self._app_id, response.status, body, attempts)
        return self._answer(body, attempts)

    async def _by_sdk(self, name: str, headers: Mapping[str, str]) -> Answer:
        client = await self._sdk.get()
        path, metadata = greet_path(name).removeprefix("/"), tuple(headers.items())
        try:
            response = await client.invoke_method(self._app_id, path, http_verb="GET", metadata=metadata)
        except DaprHttpError as error:
            # Of an error answer the SDK keeps the status and the body, but not the headers: no attempts.
            raise failures.from_http(self._app_id, error.status_code or 502, error.raw_response_bytes or b"") from error
        told = {name.lower(): value for name, value in response.get_headers()}
        return self._answer(response.data, _number(told.get("x-attempt")))

    async def _by_grpc(self, name: str, headers: Mapping[str, str]) -> Answer:
        metadata = {**headers, **self._token, "dapr-app-id": self._grpc_app_id}
        call = self._greeter.Greet(GreetRequest(name=name), metadata=tuple(metadata.items()))
        try:
            reply = await call
        except grpc.aio.AioRpcError as error:
            if self._channel.get_state() is not grpc.ChannelConnectivity.READY:
                raise failures.sidecar_down(error.details()) from error
            raise failures.from_grpc(self._grpc_app_id, error, _last_attempt(error.trailing_metadata())) from error
        return Answer(reply.message, _last_attempt(await call.trailing_metadata()))

    def _answer(self, body: bytes, attempts: int | None) -> Answer:
        try:
            return Answer(Greeting.model_validate_json(body).message, attempts)
        except ValidationError as error:
            raise failures.bad_greeting(self._app_id, attempts) from error


@asynccontextmanager
async def connected(settings: Settings) -> AsyncGenerator[Callee]:
    """Opens the clients and yields a Callee; needs no sidecar yet. Closes them in the end."""
    session = aiohttp.ClientSession(
        headers=token_header(settings),
        # Every header is carried through two sidecars, so those that callee does not read are left out.
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
        cookie_jar=aiohttp.DummyCookieJar(),
        # The one time limit on calls is the one in `Callee.greet`, whichever way they go.
        timeout=aiohttp.ClientTimeout(total=None),
    )
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{settings.dapr_grpc_port}", CHANNEL_OPTIONS)
    async with (
        session,
        channel,
        aclosing(SdkClient(settings, session)) as sdk,
    ):
        yield Callee(settings, session, channel, sdk)


def token_header(settings: Settings) -> dict[str, str]:
    """What the sidecar must be shown with each call, if Dapr was given a DAPR_API_TOKEN."""
    token = settings.dapr_api_token
    return {"dapr-api-token": token.get_secret_value()} if token else {}


def _number(told: object) -> int | None:
    return int(told) if isinstance(told, str) and told.isdecimal() else None


def _last_attempt(trailers: Iterable[tuple[str, str | bytes]]) -> int | None:
    # Dapr hands on the trailers of all attempts, one after the other.
    told = [value for name, value in trailers if name == "x-attempt"]
    return _number(told[-1]) if told else None
