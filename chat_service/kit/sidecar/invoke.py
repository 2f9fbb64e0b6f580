"""Other apps, invoked through this app's sidecar. Retries are the sidecar's and the workflow's, not this module's."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from yarl import URL

from kit.sidecar.unavailable import Unavailable, sidecar_down, too_slow

# The app is there, and says that it cannot serve now.
BUSY = (408, 429, 503)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an app answered: 2xx, 3xx or 4xx."""

    status: int
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    @property
    def reason(self) -> str:
        """Why the app refused, in its own words."""
        return str(self.json.get("detail") or self.json.get("message") or "no detail given")[:300]


class Invoker:
    """Call the routes of other apps. Methods raise Unavailable if the app, or the way to it, fails."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session, self._port = session, port

    async def get(self, app_id: str, path: str, *, seconds: float | None = None) -> Answer:
        """GET `/path`, which must be encoded already."""
        return await self._call("GET", app_id, path, None, seconds)

    async def post(self, app_id: str, path: str, body: Any, *, seconds: float | None = None) -> Answer:
        """POST a JSON body to `/path`, which must be encoded already."""
        return await self._call("POST", app_id, path, body, seconds)

    async def _call(self, verb: str, app_id: str, path: str, body: Any, seconds: float | None) -> Answer:
        url = URL(f"http://127.0.0.1:{self._port}/v1.0/invoke/{app_id}/method/{path.lstrip('/')}", encoded=True)
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.request(verb, url, json=body, allow_redirects=False) as response,
            ):
                answer = Answer(response.status, await response.read())
        except TimeoutError as error:
            raise too_slow(app_id, seconds or 0) from error
        except aiohttp.ClientError as error:
            raise sidecar_down(type(error).__name__) from error
        if failure := _failure(app_id, answer):
            raise failure
        return answer


def _failure(app_id: str, answer: Answer) -> Unavailable | None:
    told = answer.json
    # Only Dapr's own errors have both members; those of apps are problem details.
    if "errorCode" in told and "message" in told:
        return Unavailable(503, app_id, f"{app_id} cannot be reached.", str(told["errorCode"]), str(told["message"]))
    if answer.status >= 500 or answer.status in BUSY:
        status = 503 if answer.status in BUSY else 504 if answer.status == 504 else 502
        return Unavailable(status, app_id, f"{app_id} answered {answer.status}: {answer.reason}", told.get("errorCode"))
    if answer.status == 200 and not answer.body:
        # Of two calls at once to an app that is down, Dapr may answer one so.
        return Unavailable(502, app_id, f"{app_id} answered 200 and nothing else.")
    return None
