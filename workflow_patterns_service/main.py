"""workflow-patterns: start a run of each workflow pattern, show it, and raise its events."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, JsonValue, ValidationError

import catalog
import decisions
from kit.edge.problems import Refused, documented
from kit.edge.service import build, from_state, serve
from kit.edge.token import only_dapr
from kit.engine.health import check_worker
from kit.sidecar.events import read, read_dead
from models import (
    Accepted,
    Before,
    DeadLetterPage,
    EventAnswer,
    EventPath,
    InstancePath,
    Limit,
    NamePath,
    PatternList,
    Run,
    Started,
)
from settings import Settings
from wiring import Services, open_services

WELCOME = (
    "workflow-patterns has one workflow for each pattern: GET /patterns, POST /patterns/{name}, "
    "GET /patterns/{instance_id}, POST /patterns/{instance_id}/events/{event}, GET /dead-letters. "
    "Also /docs, /healthz and /readyz."
)
EXAMPLE = {"specversion": "1.0", "id": "17", "source": "desk", "type": "x", "data": {"instance_id": "expense-1"}}
EVENT = {"requestBody": {"content": {"application/cloudevents+json": {"example": EXAMPLE}}}}

ServicesDep = Annotated[Services, Depends(from_state("services"))]
# The pattern's input model checks the body.
JsonObject = Annotated[
    dict[str, JsonValue], Body(description="The schema of each pattern is in GET /patterns", examples=[{}])
]

Model = TypeVar("Model", bound=BaseModel)

router = APIRouter()
from_dapr = APIRouter(prefix="/events", tags=["events"], dependencies=[Depends(only_dapr)])


@router.get("/patterns")
async def list_patterns() -> PatternList:
    """Return all patterns, each with the schema of its input."""
    return PatternList(patterns=catalog.shown())


@router.post("/patterns/{id}", status_code=202, responses=documented(404, 409, 422, 502, 503, 504))
async def start_run(name: NamePath, services: ServicesDep, body: JsonObject | None = None) -> Started:
    """Start a run of a pattern. Without a body it has the defaults. An id that was used before is a conflict."""
    pattern = catalog.named(name)
    return await services.runs.start(pattern, checked(pattern.input, body or {}))


@router.get("/patterns/{id}", responses=documented(404, 422, 502, 503, 504))
async def show_run(instance_id: InstancePath, services: ServicesDep) -> Run:
    """Return a run: the state of its workflow, the attempts of its steps, and the steps that were done."""
    return await services.runs.show(instance_id)


@router.post("/patterns/{id}/events/{event}", status_code=202, responses=documented(404, 409, 422, 502, 503, 504))
async def raise_event(instance_id: InstancePath, event: EventPath, body: JsonObject, services: ServicesDep) -> Accepted:
    """Raise an event that the run waits for, or will wait for."""
    events = catalog.named((await services.runs.record(instance_id)).pattern).events
    if event not in events:
        raise Refused(404, f"event: {instance_id} waits for no such event. It has: {', '.join(events) or 'none'}.")
    await services.runs.raise_event(instance_id, event, checked(events[event], body))
    return Accepted(instance_id=instance_id, event=event)


# FastAPI must not validate an event: a 422 would make Dapr send it again, and lose it in the end.
@from_dapr.post("/expenses", openapi_extra=EVENT, responses=documented(401, 502, 503, 504))
async def decision_arrived(request: Request, services: ServicesDep) -> EventAnswer:
    """Raise the event of a message on the topic expenses."""
    return await decisions.deliver(await read(request), services.runs)


@from_dapr.post("/expenses-dead", openapi_extra=EVENT, responses=documented(401, 502, 503, 504))
async def decision_given_up(request: Request, services: ServicesDep) -> EventAnswer:
    """Keep a message that could not be processed, for GET /dead-letters."""
    return await decisions.keep(await read_dead(request), services.letters)


@router.get("/dead-letters", responses=documented(422, 502, 503, 504))
async def dead_letters(services: ServicesDep, limit: Limit = 20, before: Before = None) -> DeadLetterPage:
    """Return the messages that could not be processed, newest first."""
    found = await services.letters.newest(limit, before)
    return DeadLetterPage.model_validate({"dead_letters": [letter for _, letter in found.entries], "next": found.next})


def checked(model: type[Model], body: dict[str, JsonValue]) -> Model:
    """Return the body as this model. Raise the error that FastAPI raises for a bad body."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        faults = [fault | {"loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults) from None


async def ready(request: Request) -> None:
    """Check that the sidecar dispatches work items to this app's worker."""
    await check_worker(request.app.state.session, request.app.state.settings.dapr_http_port)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Build what the routes use, and run the worker."""
    async with open_services(app.state.settings, app.state.session) as services:
        yield {"services": services}


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    return build(
        settings,
        title="workflow-patterns",
        description="Nine workflow patterns, each a small typed story that survives a crash.",
        welcome=WELCOME,
        routers=[router, from_dapr],
        lifespan=lifespan,
        ready=ready,
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
