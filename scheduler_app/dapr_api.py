"""The HTTP API of this app's sidecar: one session, one way to call, one reading of its errors."""

import asyncio
import io
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from yarl import URL

import failures
from settings import Settings


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sidecar answered: its status, and the JSON of the body or None."""

    status: int
    body: Any

    @property
    def error_code(self) -> str | None:
        """Dapr's code of an error."""
        return self._member("errorCode") or None

    @property
    def message(self) -> str:
        """Dapr's text of an error."""
        return self._member("message")

    def _member(self, name: str) -> str:
        body = self.body
        return str(cast("dict[str, Any]", body).get(name, "")) if isinstance(body, dict) else ""


class DaprApi:
    """Calls the sidecar over a session that lives as long as the process."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.session = session
        self.port = port

    async def call(self, method: str, path: str, dependency: str, seconds: float, body: object = None) -> Answer:
        """One call; `path` is encoded already, as is a body of bytes.

        Raises DependencyFailed when there is no answer within `seconds`. Nothing is tried again here: a caller knows
        whether that would do harm.
        """
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        encoded = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        # Not bytes, which aiohttp writes in one go however many they are: a page of large entries has some MB.
        data = encoded and io.BytesIO(encoded)
        try:
            async with asyncio.timeout(seconds), self.session.request(method, url, data=data) as response:
                return Answer(response.status, _json(await response.read()))
        except TimeoutError as error:
            raise failures.too_slow(dependency, seconds) from error
        except aiohttp.ClientError as error:
            raise failures.sidecar_down(error) from error


@asynccontextmanager
async def connected(settings: Settings) -> AsyncGenerator[DaprApi]:
    """Opens the session and yields the API; needs no sidecar yet."""
    headers = {"content-type": "application/json"}
    if token := settings.dapr_api_token:
        headers["dapr-api-token"] = token.get_secret_value()
    # The time limit is each call's own.
    no_limit = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar(), timeout=no_limit) as session:
        yield DaprApi(session, settings.dapr_http_port)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
