"""Another app, invoked through this app's sidecar."""

from kit.sidecar.invoke import Invoker
from kit.sidecar.unavailable import Unavailable
from models import Order
from settings import Settings


class Callee:
    """Ask callee-app for greetings."""

    def __init__(self, invoker: Invoker, settings: Settings) -> None:
        self._invoker, self._app_id, self._seconds = invoker, settings.callee_app_id, settings.call_seconds

    async def greet(self, order: Order) -> str:
        """Return a greeting: for a route, or as an activity of the workflow. Raise Unavailable."""
        answer = await self._invoker.get(self._app_id, f"greet/{order.name}", seconds=self._seconds)
        if answer.status != 200:
            raise Unavailable(502, self._app_id, f"{self._app_id} answered {answer.status}: {answer.reason}")
        return str(answer.json["message"])
