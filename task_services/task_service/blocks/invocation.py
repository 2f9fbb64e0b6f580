"""Service invocation: ask notification-service, by its app id, to notify somebody."""

from kit.sidecar.invoke import Invoker
from kit.sidecar.unavailable import Unavailable
from models import TaskEvent
from settings import Settings


class Notifications:
    """Notify through the sidecars of both apps. Retries are declared in components/task-resiliency.yaml."""

    def __init__(self, invoker: Invoker, settings: Settings) -> None:
        self._invoker, self._app_id = invoker, settings.notification_app_id
        self._seconds = settings.call_timeout_seconds

    async def notify(self, event_id: str, event: TaskEvent, trace: str | None) -> None:
        """Ask for a notification of an event. Its id lets the receiver drop a repeated request. Raise Unavailable."""
        body = {"event_id": event_id, **event.model_dump()}
        answer = await self._invoker.post(self._app_id, "notify", body, seconds=self._seconds, trace=trace)
        if answer.status >= 400:
            raise Unavailable(502, self._app_id, f"{self._app_id} answered {answer.status}: {answer.reason}")
