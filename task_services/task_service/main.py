"""task-api: a to-do service. Its tasks are in the state store, and each new one is an event."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from pydantic import ValidationError

from kit.edge.faults import Faults, may_fail
from kit.edge.problems import Refused, documented
from kit.edge.service import build, serve
from kit.edge.token import only_dapr
from kit.engine.health import check_worker
from kit.sidecar.events import data_of, id_of, read, why
from models import (
    AnyId,
    Before,
    EventAnswer,
    Limit,
    NewTask,
    NewTasks,
    Task,
    TaskChange,
    TaskEvent,
    TaskId,
    TaskList,
    TaskPage,
    Transaction,
)
from settings import Settings
from wiring import ServicesDep, open_services

log = logging.getLogger("tasks")

WELCOME = (
    "task-api keeps tasks: POST /tasks, GET /tasks, GET, PATCH and DELETE /tasks/{id}. Also /docs, /healthz and /readyz."
)

router = APIRouter(tags=["tasks"])
from_dapr = APIRouter(dependencies=[Depends(only_dapr)], tags=["events"])


@router.post("/tasks", status_code=201, responses=documented(422, 502, 503, 504))
async def create_task(new: NewTask, services: ServicesDep) -> Task:
    """Create a task. Its event follows about a second later."""
    (task,) = await services.outbox.create([new])
    return task


@router.get("/tasks/{task_id}", responses=documented(404, 422, 502, 503, 504))
async def get_task(task_id: TaskId, services: ServicesDep, response: Response) -> Task:
    """Return a task, with its version in the header ETag."""
    task, etag = await services.state.read(task_id)
    response.headers["etag"] = f'"{etag}"'
    return task


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Yield the services that the routes share."""
    async with open_services(app.state.settings, app.state.session) as services:
        yield {"services": services}


async def ready(request: Request) -> None:
    """Check that the sidecar has a worker of this app to dispatch work items to."""
    await check_worker(request.app.state.session, request.app.state.settings.dapr_http_port)


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    return build(
        settings,
        title="task-api",
        description="A to-do service that uses every building block of Dapr.",
        welcome=WELCOME,
        routers=[from_dapr, router],
        lifespan=lifespan,
        ready=ready,
        faults=Faults("task-api"),
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
