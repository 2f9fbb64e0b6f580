"""scheduler-test-py: schedules jobs with Dapr's scheduler, and records each time one of them fired."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

import events
from kit.edge.faults import Faults, SimulatedError, Switches
from kit.edge.problems import documented
from kit.edge.service import build, from_state, serve
from kit.edge.token import only_dapr
from kit.sidecar.dead_letters import kept
from kit.sidecar.events import json_of, read, read_dead
from models import (
    Before,
    CalledName,
    DeadLetterPage,
    Done,
    EventAnswer,
    JobFound,
    JobNamePath,
    JobOrder,
    JobReceived,
    Limit,
)
from runs.models import Outcome, RunPage
from runs.recorder import ALL_RUNS, KEPT_WHOLE, Arrival
from runs.stream import follow
from scheduling import list_of, unwrap
from settings import Settings
from wiring import Services, open_services

log = logging.getLogger("scheduler")

WELCOME = (
    "scheduler-test-py schedules jobs: POST /schedule-job/{job_name}, GET /get-job/{job_name}, "
    "DELETE /delete-job/{job_name}; GET /runs and /runs/stream show when they fired. Also /docs, /healthz and /readyz."
)
EXAMPLE = {"specversion": "1.0", "id": "17", "source": "billing", "type": "x", "data": {"job_name": "report"}}
EVENT = {"requestBody": {"content": {"application/cloudevents+json": {"example": EXAMPLE}}}}
EVENT_STREAM = {200: {"content": {"text/event-stream": {"example": "event: run\ndata: {…}\nid: 7\n\n"}}}}

ServicesDep = Annotated[Services, Depends(from_state("services"))]

router = APIRouter()
from_dapr = APIRouter(dependencies=[Depends(only_dapr)])


@router.post("/schedule-job/{job_name:path}", responses=documented(409, 422, 502, 503, 504))
async def schedule_job(job_name: JobNamePath, services: ServicesDep, order: JobOrder | None = None) -> Done:
    """Schedule a job. Without a body it is called every 10 s, 3 times."""
    await services.jobs.schedule(job_name, order or JobOrder())
    return Done(message=f"Job '{job_name}' scheduled successfully.")


@router.get("/get-job/{job_name:path}", responses=documented(404, 422, 502, 503, 504))
async def get_job(job_name: JobNamePath, services: ServicesDep) -> JobFound:
    """Return the job as the scheduler knows it. A job that was called for the last time is gone."""
    return JobFound(job_details=await services.jobs.get(job_name))


@router.delete("/delete-job/{job_name:path}", responses=documented(422, 502, 503, 504))
async def delete_job(job_name: JobNamePath, services: ServicesDep) -> Done:
    """Delete the job, if it exists. Its runs are kept."""
    deleted = await services.jobs.delete(job_name)
    return Done(message=f"Job '{job_name}' {'deleted successfully' if deleted else 'not found or already deleted'}.")


@from_dapr.post("/job/{job_name:path}", responses=documented(401, 422, 500, 503))
async def job_fired(job_name: CalledName, request: Request, services: ServicesDep, faults: Switches) -> JobReceived:
    """Record Dapr's callback, whose body is the job's data. Any answer but 2xx and 404 makes the scheduler retry."""
    arrived, error = datetime.now(UTC), None
    data, order = unwrap(json_of(await request.body()))
    data = kept(data, KEPT_WHOLE)
    try:
        await faults.strike()
    except SimulatedError as failure:
        error = failure
    outcome = Outcome.failed if error else Outcome.succeeded
    await services.recorder.record(Arrival(job_name, arrived, data, order, outcome))
    if error:
        log.warning("simulating a failed callback", extra={"job_name": job_name, "status": error.status})
        raise error
    return JobReceived(received_at=arrived, data=data)


@router.get("/runs", responses=documented(422, 502, 503, 504))
async def all_runs(services: ServicesDep, limit: Limit = 20, before: Before = None) -> RunPage:
    """Return the runs of all jobs, newest first."""
    return RunPage.of(await services.pages.newest(ALL_RUNS, limit, before))


async def free_stream(services: ServicesDep) -> AsyncGenerator[None]:
    """Hold one of the places for streams. Answer 503 if all are taken."""
    if services.streams.locked():
        raise HTTPException(503, "There are too many streams already.", {"retry-after": "5"})
    async with services.streams:
        yield


@router.get(
    "/runs/stream",
    response_class=EventSourceResponse,
    responses={**EVENT_STREAM, **documented(422, 503)},
    dependencies=[Depends(free_stream)],
)
async def stream_runs(
    request: Request, services: ServicesDep, last_event_id: Annotated[int | None, Header(ge=0, le=2**53)] = None
) -> AsyncGenerator[ServerSentEvent]:
    """Stream new runs of all replicas as server-sent events. With Last-Event-ID it starts with those after it."""
    settings: Settings = request.app.state.settings
    async for event in follow(services.pages, last_event_id, settings, services.stopping):
        yield event


@router.get("/runs/{job_name:path}", responses=documented(422, 502, 503, 504))
async def runs_of_job(
    job_name: JobNamePath, services: ServicesDep, limit: Limit = 20, before: Before = None
) -> RunPage:
    """Return the runs of one job, newest first; an empty page for a job that never fired."""
    return RunPage.of(await services.pages.newest(list_of(job_name), limit, before))


# FastAPI must not validate an event: a 422 would make Dapr send it again, and lose it in the end.
@from_dapr.post("/events/schedule-job", openapi_extra=EVENT, responses=documented(401, 502, 503, 504))
async def job_asked_for(request: Request, services: ServicesDep) -> EventAnswer:
    """Schedule the job that an event of topic schedule-job names."""
    return await events.schedule(await read(request), services.jobs, services.pages)


@from_dapr.post("/events/schedule-job-dead", openapi_extra=EVENT, responses=documented(401, 502, 503, 504))
async def event_given_up(request: Request, services: ServicesDep) -> EventAnswer:
    """Keep an event that could not be processed, for GET /dead-letters."""
    return await events.keep(await read_dead(request), services.letters)


@router.get("/dead-letters", responses=documented(422, 502, 503, 504))
async def dead_letters(services: ServicesDep, limit: Limit = 20, before: Before = None) -> DeadLetterPage:
    """Return the events that could not be processed, newest first."""
    found = await services.letters.newest(limit, before)
    return DeadLetterPage.model_validate({"dead_letters": [letter for _, letter in found.entries], "next": found.next})


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Yield the services that the routes share."""
    async with open_services(app.state.settings, app.state.session) as services:
        yield {"services": services}


async def ready(request: Request) -> None:
    """Check the key by which runs and dead letters are stored."""
    await request.state.services.store.check_key()


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    return build(
        settings,
        title="scheduler-test-py",
        description="Schedules jobs and records their runs.",
        welcome=WELCOME,
        # Routes are tried in order, and callbacks arrive by the thousand.
        routers=[from_dapr, router],
        lifespan=lifespan,
        ready=ready,
        faults=Faults("scheduler-test-py"),
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
