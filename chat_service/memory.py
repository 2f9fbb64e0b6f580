"""agent-memory-service, invoked through this app's sidecar: the facts about a user, and the history of a session."""

from pydantic import ValidationError

from failures import Refused
from kit.sidecar.invoke import Invoker
from kit.sidecar.unavailable import Unavailable
from messages import Memory, Message, Said


class Recalled(Memory):
    """The answer of memory: the facts about a user, and the last messages of a session, oldest first."""

    history: list[Said]


class MemoryService:
    """Ask agent-memory-service."""

    def __init__(self, invoker: Invoker, app_id: str, seconds: float) -> None:
        self._invoker, self._app_id, self._seconds = invoker, app_id, seconds

    async def recall(self, message: Message, limit: int) -> Recalled:
        """Return the memory of a user, with the last `limit` messages of a session. Raise Unavailable or Refused.

        An unknown user is a new one, and gets the defaults of the lab.
        """
        user_id = message.user_id
        path = f"/memories/{user_id}?session_id={message.session_id}&limit={limit}"
        try:
            answer = await self._invoker.get(self._app_id, path, seconds=self._seconds)
        except Unavailable as error:
            # Memory's own words, after the colon, are for the log.
            error.detail, error.reason = f"{error.detail.partition(':')[0].rstrip('.')}.", error.reason or error.detail
            raise
        if answer.status == 404:
            summary = f"{user_id} is a new user."
            return Recalled(name=user_id, preferred_style="casual", user_summary=summary, history=[])
        if answer.status != 200:
            raise Refused(502, self._app_id, f"{self._app_id} answered {answer.status}.", reason=answer.reason)
        try:
            return Recalled.model_validate_json(answer.body)
        except ValidationError as error:
            detail = f"The answer of {self._app_id} is not the one that its contract promises."
            raise Unavailable(502, self._app_id, detail) from error
