"""The other pizza services, invoked through this app's sidecar with one pooled session."""

import asyncio
import json
from typing import Any, cast

import aiohttp
from yarl import URL


class PeerFailed(Exception):
    """A service or the way to it failed; another attempt may succeed."""

    def __init__(self, app_id: str, detail: str, error_code: str | None = None) -> None:
        super().__init__(f"{app_id} {detail}")
        self.app_id, self.error_code = app_id, error_code


class NonRetryableError(Exception):
    """A service refused the call (4xx). Dapr's workers know this class by its name, and make no further attempt."""


class NotFound(Exception):
    """A service answered 404; `told` is its problem."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(str(told.get("detail")))
        self.told = told


class Peers:
    """Invokes the other services. Retries and their limits are the sidecar's and the workflow's, not this class's."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session, self._port = session, port

    async def post(self, app_id: str, method: str, body: dict[str, Any], trace: str | None) -> dict[str, Any]:
        """The answer of `POST /{method}`. Raises NonRetryableError (4xx) or PeerFailed (everything else)."""
        status, told = await self._ask("POST", app_id, method, body, trace)
        if status < 300:
            return told
        detail = f"answered {status} to {method}: {_reason(told)}"
        if 400 <= status < 500 and status not in (408, 429):
            raise NonRetryableError(f"{app_id} {detail}")
        raise PeerFailed(app_id, detail, told.get("errorCode"))

    async def get(self, app_id: str, method: str, seconds: float) -> dict[str, Any]:
        """The answer of `GET /{method}`. Raises NotFound (404) or PeerFailed (everything else, or too slow)."""
        try:
            async with asyncio.timeout(seconds):
                status, told = await self._ask("GET", app_id, method, None, None)
        except TimeoutError as error:
            raise PeerFailed(app_id, f"did not answer {method} within {seconds:g} s") from error
        if status == 404:
            raise NotFound(told)
        if status >= 300:
            raise PeerFailed(app_id, f"answered {status} to {method}: {_reason(told)}", told.get("errorCode"))
        return told

    async def _ask(
        self, verb: str, app_id: str, method: str, body: dict[str, Any] | None, trace: str | None
    ) -> tuple[int, dict[str, Any]]:
        url = URL(f"http://127.0.0.1:{self._port}/v1.0/invoke/{app_id}/method/{method}", encoded=True)
        headers = {"traceparent": trace} if trace else {}
        try:
            async with self._session.request(verb, url, json=body, headers=headers, allow_redirects=False) as response:
                status, told = response.status, _object(await response.read())
        except aiohttp.ClientError as error:
            raise PeerFailed("Dapr sidecar", f"cannot be reached ({type(error).__name__})") from error
        if status < 300 and not told:
            # Of two calls at once to an app that is down, Dapr 1.18.0 may answer one so (tests/runtime/pizza).
            raise PeerFailed(app_id, f"answered {status} to {method} and nothing else")
        return status, told


def _reason(told: dict[str, Any]) -> str:
    return str(told.get("detail") or told.get("message") or "no detail given")[:300]


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
