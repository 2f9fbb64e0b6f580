"""Pub/sub: receive events. components/task-subscriptions.yaml has a route for one type, and one for all others.

Dapr delivers an event at least once, so its id goes on to notification-service, which notifies once.
"""

import logging
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError

from kit.edge.faults import may_fail
from kit.edge.problems import documented
from kit.edge.token import only_dapr
from kit.sidecar.events import data_of, id_of, read, why
from models import EventAnswer, TaskEvent
from wiring import Services, ServicesDep

log = logging.getLogger("events")

EXAMPLE_DATA = {"event_type": "task.created", "task_id": "7c9e6679", "title": "Buy milk"}
EXAMPLE: dict[str, Any] = {"specversion": "1.0", "id": "17", "source": "task-api", "data": EXAMPLE_DATA}
EVENT: dict[str, Any] = {"requestBody": {"content": {"application/cloudevents+json": {"example": EXAMPLE}}}}

router = APIRouter(
    prefix="/events",
    tags=["events"],
    dependencies=[Depends(only_dapr), Depends(may_fail)],
    responses=documented(401, 502, 503, 504),
)


# FastAPI must not validate an event: its 422 would make a dead letter of it, and no log would say why.
@router.post("/task-created", openapi_extra=EVENT)
async def task_created(request: Request, services: ServicesDep) -> EventAnswer:
    """Notify about a new task: an event of type task.created."""
    return await _notify(request, services)


@router.post("/task", openapi_extra=EVENT)
async def task_event(request: Request, services: ServicesDep) -> EventAnswer:
    """Notify about an event of any other type."""
    return await _notify(request, services)


async def _notify(request: Request, services: Services) -> EventAnswer:
    event = await read(request)
    about = {"event_id": id_of(event), "type": event.get("type"), "route": request.url.path}
    try:
        content = TaskEvent.model_validate(data_of(event))
    except ValidationError as error:
        refusal = why(error, event)
    else:
        # It raises while that app cannot be reached: Dapr delivers the event again, and at last makes it a dead letter.
        refusal = await services.notifications.notify(event, content)
    if refusal:
        log.warning("event dropped", extra={**about, "reason": refusal})
        return EventAnswer(status="DROP")
    log.info("event processed", extra=about)
    return EventAnswer(status="SUCCESS")
