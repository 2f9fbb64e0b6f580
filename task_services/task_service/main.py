"""task-api: a to-do service. Its tasks are in the state store, and each new one is an event."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, FastAPI, Header, Query, Request, Response

import attachments
from blocks import (
    bindings,
    configuration,
    conversation,
    crypto,
    hosting,
    locks,
    publishing,
    reminders,
    secrets,
    subscribing,
)
from blocks.state import STALE
from kit.edge.faults import Faults
from kit.edge.gate import Uploads
from kit.edge.problems import Refused, documented
from kit.edge.service import build, serve
from kit.engine.health import check_worker
from models import (
    EXAMPLE_ID,
    Before,
    Limit,
    NewTask,
    NewTasks,
    Task,
    TaskChange,
    TaskId,
    TaskList,
    TaskPage,
    Transaction,
)
from settings import Settings
from wiring import ServicesDep, open_services

WELCOME = (
    "task-api keeps tasks: POST and GET /tasks, GET, PATCH and DELETE /tasks/{id}; POST /announcements. "
    "Also /docs, /healthz and /readyz."
)

ATTACHMENT = r"/tasks/[^/]+/attachment/?"
# A version of a task. Redis counts from 1, and Dapr takes 0 for no version at all. PostgreSQL has UUIDs.
VERSION = re.compile(r'"([1-9][0-9]{0,17}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
IfMatch = Annotated[str | None, Header(max_length=100, description="The ETag of the version", examples=['"1"'])]
Ids = Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{1,64}(,[A-Za-z0-9_-]{1,64}){0,99}$", examples=[f"{EXAMPLE_ID},x"])]
tasks = APIRouter(prefix="/tasks", tags=["tasks"])


@tasks.post("", status_code=201, responses=documented(422, 502, 503, 504))
async def create_task(new: NewTask, services: ServicesDep) -> Task:
    """Create a task. Its event follows about a second later."""
    (task,) = await services.outbox.create([new])
    return task


@tasks.get("", responses=documented(422, 502, 503, 504))
async def list_tasks(services: ServicesDep, limit: Limit = 20, before: Before = None) -> TaskPage:
    """Return the tasks, newest first. A page costs the same however many tasks there are."""
    found = await services.tasks.newest(limit, before)
    return TaskPage(tasks=[task for _, task in found.entries], next=found.next)


@tasks.post("/bulk", status_code=201, responses=documented(422, 502, 503, 504))
async def import_tasks(new: NewTasks, services: ServicesDep) -> TaskList:
    """Import tasks by one call. An imported task has no event, because the outbox covers transactions only."""
    imported = [Task(id=str(uuid4()), title=one.title) for one in new.tasks]
    await asyncio.gather(*(services.pages.add(services.tasks.name, {"id": task.id}) for task in imported))
    await services.state.save_new(imported, [one.expires_in for one in new.tasks])
    return TaskList(tasks=imported)


@tasks.get("/bulk", responses=documented(422, 502, 503, 504))
async def get_tasks(ids: Ids, services: ServicesDep) -> TaskList:
    """Return the tasks of these ids that exist, by one call."""
    return TaskList(tasks=await services.state.read_many(ids.split(",")))


@tasks.post("/transaction", status_code=201, responses=documented(422, 502, 503, 504))
async def replace_tasks(transaction: Transaction, services: ServicesDep) -> TaskList:
    """Create tasks and delete others, all or none. Each new task has its event; a deletion has none."""
    created = await services.outbox.create(transaction.create, transaction.delete)
    await asyncio.gather(*(attachments.remove(services, task_id) for task_id in transaction.delete))
    return TaskList(tasks=created)


@tasks.get("/{task_id:task}", responses=documented(404, 422, 502, 503, 504))
async def get_task(task_id: TaskId, services: ServicesDep, response: Response) -> Task:
    """Return a task, with its version in the header ETag."""
    task, etag = await services.state.read(task_id)
    response.headers["etag"] = f'"{etag}"'
    return task


@tasks.patch("/{task_id:task}", responses=documented(404, 412, 422, 428, 502, 503, 504))
async def change_task(
    task_id: TaskId, change: TaskChange, services: ServicesDep, response: Response, if_match: IfMatch = None
) -> Task:
    """Change the version that If-Match names. Refuse it (412) if somebody else has changed the task since."""
    task, _ = await services.state.read(task_id)
    changed = task.model_copy(update=change.model_dump(exclude_none=True))
    stored, etag = await services.state.save(changed, _version(if_match))
    response.headers["etag"] = f'"{etag}"'
    return stored


@tasks.delete("/{task_id:task}", status_code=204, responses=documented(404, 412, 422, 428, 502, 503, 504))
async def delete_task(task_id: TaskId, services: ServicesDep, if_match: IfMatch = None) -> None:
    """Delete the version that If-Match names."""
    await services.state.read(task_id)
    await services.state.delete(task_id, _version(if_match))
    await attachments.remove(services, task_id)


def _version(if_match: str | None) -> str:
    if if_match is None:
        raise Refused(428, "If-Match: name the version that you read, from the header ETag.", code="NO_VERSION")
    if not (found := VERSION.fullmatch(if_match.strip())):
        raise Refused(412, STALE, code="STALE")
    return found[1]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Yield the services that the routes share."""
    async with open_services(app.state.settings, app.state.session, app.state.faults) as services:
        yield {"services": services}


async def ready(request: Request) -> None:
    """Check that the sidecar has a worker of this app to dispatch work items to."""
    await check_worker(request.app.state.session, request.app.state.settings.dapr_http_port)


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    app = build(
        settings,
        title="task-api",
        description="A to-do service that uses every building block of Dapr.",
        welcome=WELCOME,
        routers=[
            subscribing.router,
            tasks,
            reminders.router,
            publishing.router,
            bindings.router,
            locks.router,
            secrets.router,
            configuration.router,
            crypto.router,
            conversation.router,
        ],
        lifespan=lifespan,
        ready=ready,
        faults=Faults("task-api"),
        uploads=Uploads(ATTACHMENT, settings.max_attachment_bytes, settings.max_attachment_seconds),
    )
    # The first route of a path counts: the /healthz of DaprActor is hidden by the kit's.
    app.include_router(hosting.router)
    return app


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
