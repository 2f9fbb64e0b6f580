"""A declarative subscription: components/notification-subscriptions.yaml names topic, routes and dead-letter topic.

The code has routes and nothing about the topic, so an operator can change the subscription without a new image. Rules
in that file choose the route by the event's type.
"""

from fastapi import APIRouter, Depends

from inbox import REMINDERS
from kit.edge.problems import documented
from kit.edge.token import only_dapr
from models import EventAnswer
from subscriptions.answers import process
from wiring import Event, ServicesDep

EXAMPLE = {"specversion": "1.0", "id": "17", "source": "task-api", "type": "task.due", "data": {"task_id": "7c9e6679"}}
EVENT = {"requestBody": {"content": {"application/cloudevents+json": {"example": EXAMPLE}}}}

router = APIRouter(prefix="/events", tags=["events"], dependencies=[Depends(only_dapr)], responses=documented(401))


# FastAPI must not validate an event: after a 422 Dapr would deliver it again and again.
@router.post("/task-due", openapi_extra=EVENT)
async def on_task_due(event: Event, services: ServicesDep) -> EventAnswer:
    """Take an event of topic `reminders` whose type is `task.due`."""
    return EventAnswer(status=await process(services.inbox, event, REMINDERS))


@router.post("/reminder", openapi_extra=EVENT)
async def on_reminder(event: Event, services: ServicesDep) -> EventAnswer:
    """Take any other event of topic `reminders`."""
    return EventAnswer(status=await process(services.inbox, event, REMINDERS))
