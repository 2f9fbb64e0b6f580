"""A subscription in code, by dapr-ext-fastapi: Dapr reads it from GET /dapr/subscribe when the app starts.

The code names topic and route, so the two cannot disagree. A change needs a new image, and a restart of the sidecar.
"""

from dapr.ext.fastapi import DaprApp
from fastapi import APIRouter, Depends

from inbox import SNOOZES
from kit.edge.token import only_dapr
from models import EventAnswer
from settings import Settings
from subscriptions.answers import process
from wiring import Event, ServicesDep


async def on_snooze_over(event: Event, services: ServicesDep) -> EventAnswer:
    """Take an event of topic `snoozes`."""
    return EventAnswer(status=await process(services.inbox, event, SNOOZES))


def subscribed(settings: Settings) -> APIRouter:
    """Return a router with the route of the subscription, and GET /dapr/subscribe."""
    router = APIRouter(dependencies=[Depends(only_dapr)], include_in_schema=False)
    # DaprApp adds routes, which a router can do as well as an app. So its routes want Dapr's token, like all others.
    subscriptions = DaprApp(router)  # pyright: ignore[reportArgumentType]
    # As a decorator it would replace the function by None.
    subscriptions.subscribe(
        settings.pubsub, SNOOZES, route="/events/snooze-over", dead_letter_topic=settings.dead_letter_topic
    )(on_snooze_over)
    return router
