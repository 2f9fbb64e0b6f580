"""agent-memory-service, invoked through this app's sidecar: what is known of a user, and what was said."""

import aiohttp
from pydantic import BaseModel, ValidationError
from yarl import URL

from failures import BadAnswer, NonRetryableError, Unreachable
from settings import Settings
from turn import Memory, Said


class DaprError(BaseModel):
    """An error of the sidecar's own; those of memory, which it passes on, have no such code."""

    errorCode: str

    @classmethod
    def code(cls, body: bytes) -> str | None:
        """The code in an answer, if the answer is Dapr's."""
        try:
            return cls.model_validate_json(body).errorCode
        except ValidationError:
            return None


class Recalled(Memory):
    """What memory tells in one call: what is known of the user, and what was said last, oldest first."""

    history: list[Said]


class MemoryService:
    """Asks agent-memory-service; raises BadAnswer, Unreachable or NonRetryableError, which name it."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._app_id, self._port, self._session = settings.memory_app_id, settings.dapr_http_port, session

    async def recall(self, user_id: str, session_id: str, limit: int, trace: str) -> Recalled:
        """The memory of a user, with the last `limit` messages of a session.

        One that nobody has told of is new, and gets the defaults of the lab.
        """
        found = await self._get(f"/memories/{user_id}?session_id={session_id}&limit={limit}", trace)
        if found is None:
            summary = f"{user_id} is a new user."
            return Recalled(name=user_id, preferred_style="casual", user_summary=summary, history=[])
        try:
            return Recalled.model_validate_json(found)
        except ValidationError as error:
            raise BadAnswer(self._app_id, "its answer is not what its contract promises.") from error

    async def _get(self, path: str, trace: str) -> bytes | None:
        # `encoded`, so that the path goes out as it is written: ids hold nothing that Dapr reads as more (models.py).
        url = URL(f"http://127.0.0.1:{self._port}/v1.0/invoke/{self._app_id}/method{path}", encoded=True)
        headers = {"traceparent": trace} if trace else {}
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                status, body = response.status, await response.read()
        except aiohttp.ClientError as error:
            raise Unreachable("Dapr sidecar", "it cannot be reached.") from error
        if status == 200:
            return body
        if code := DaprError.code(body):
            raise Unreachable(self._app_id, f"it cannot be reached ({code}).")
        if status == 404:
            return None
        if status in (400, 401, 403, 422):
            raise NonRetryableError(self._app_id, f"it answered {status}.")
        raise (Unreachable if status in (429, 503) else BadAnswer)(self._app_id, f"it answered {status}.")
