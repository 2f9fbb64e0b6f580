"""notification-service: turns events and calls of other apps into notifications, each event into one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI

import dead_letters
from kit.edge.faults import Faults
from kit.edge.problems import documented
from kit.edge.service import build, serve
from kit.edge.token import only_dapr
from models import Before, Limit, Message, Notification, NotificationPage, Notified, TaskNotice
from settings import Settings
from subscriptions import bulk, declarative, in_code
from wiring import ServicesDep, open_services

WELCOME = (
    "notification-service keeps notifications: POST and GET /notifications, POST /notify, GET /dead-letters. "
    "Also /docs, /healthz and /readyz."
)

router = APIRouter()


@router.post("/notify", dependencies=[Depends(only_dapr)], responses=documented(401, 422, 502, 503, 504))
async def notify(notice: TaskNotice, services: ServicesDep) -> Notified:
    """Store a notification about a task event. task-api calls this through its sidecar, once or again."""
    return Notified(id=await services.inbox.notice(notice))


@router.post("/notifications", status_code=201, responses=documented(422, 502, 503, 504))
async def create_notification(message: Message, services: ServicesDep) -> Notification:
    """Store a notification for a user."""
    return await services.inbox.post(message)


@router.get("/notifications", responses=documented(422, 502, 503, 504))
async def list_notifications(services: ServicesDep, limit: Limit = 20, before: Before = None) -> NotificationPage:
    """Return the notifications of all users, newest first."""
    found = await services.notifications.newest(limit, before)
    return NotificationPage(notifications=[one for _, one in found.entries], next=found.next)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Yield the services that the routes share."""
    async with open_services(app.state.settings, app.state.session, app.state.faults) as services:
        yield {"services": services}


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    return build(
        settings,
        title="notification-service",
        description="Turns events into notifications.",
        welcome=WELCOME,
        routers=[
            router,
            dead_letters.router,
            dead_letters.from_dapr,
            declarative.router,
            bulk.router,
            in_code.subscribed(settings),
        ],
        lifespan=lifespan,
        faults=Faults("notification-service"),
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
