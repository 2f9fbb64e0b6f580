"""The services that do the steps, and the check of their answers."""

from typing import Any

from kit.sidecar.invoke import Invoker
from messages import Done


class NonRetryableError(Exception):
    """A service refused the call (4xx). Dapr's workers know this class by its name, and do not retry it."""


class WrongAnswer(Exception):
    """A service answered with another status than its step has."""


class Peers:
    """Call services. Raise Unavailable, NonRetryableError or WrongAnswer."""

    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker

    async def post(
        self, app_id: str, method: str, body: dict[str, Any], status: str, trace: str | None
    ) -> dict[str, Any]:
        """Return the answer of a service, which must have this status.

        Only the idempotency key and the status are kept: the answer may repeat the customer, whom the workflow's
        history must not have.
        """
        answer = await self._invoker.post(app_id, method, body, trace=trace)
        if answer.status >= 300:
            raise NonRetryableError(f"{app_id} answered {answer.status} to {method}: {answer.reason}")
        done = Done.model_validate(answer.json)
        if done.status != status:
            raise WrongAnswer(f"{app_id} answered {done.status[:50]!r} to {method}, not {status!r}")
        return done.model_dump()
