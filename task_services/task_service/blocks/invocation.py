"""Service invocation: ask notification-service, by its app id, to notify somebody."""

from kit.sidecar.events import CloudEvent, id_of
from kit.sidecar.invoke import Invoker
from models import TaskEvent
from settings import Settings


class Notifications:
    """Notify through the sidecars of both apps. Retries are declared in components/task-resiliency.yaml."""

    def __init__(self, invoker: Invoker, settings: Settings) -> None:
        self._invoker, self._app_id = invoker, settings.notification_app_id
        self._seconds = settings.call_timeout_seconds

    async def notify(self, event: CloudEvent, content: TaskEvent) -> str | None:
        """Ask for a notification of an event. Return why it was refused, None if it was not. Raise Unavailable.

        The event's id and source let the receiver drop a repeated request.
        """
        known_by = {"event_id": id_of(event), "source": str(event.get("source", "task-api"))}
        body = {**known_by, **content.model_dump()}
        answer = await self._invoker.post(self._app_id, "notify", body, seconds=self._seconds)
        return answer.reason if answer.status >= 400 else None
