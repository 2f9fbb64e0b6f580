"""Service invocation: ask notification-service, by its app id, to notify somebody."""

from kit.sidecar.invoke import Invoker
from models import TaskEvent
from settings import Settings


class Notifications:
    """Notify through the sidecars of both apps. Retries are declared in components/task-resiliency.yaml."""

    def __init__(self, invoker: Invoker, settings: Settings) -> None:
        self._invoker, self._app_id = invoker, settings.notification_app_id
        self._seconds = settings.call_timeout_seconds

    async def notify(self, event_id: str, event: TaskEvent, trace: str | None) -> str | None:
        """Ask for a notification of an event. Return why it was refused, None if it was not. Raise Unavailable.

        The event's id lets the receiver drop a repeated request.
        """
        body = {"event_id": event_id, **event.model_dump()}
        answer = await self._invoker.post(self._app_id, "notify", body, seconds=self._seconds, trace=trace)
        return answer.reason if answer.status >= 400 else None
