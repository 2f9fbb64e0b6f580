"""scheduler-test-py: schedules jobs with Dapr's scheduler, and tells when each of them fired."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

import bodies
import events
import failures
import logs
import problems
import sidecar
from app_token import OnlyDapr
from busy_route import BusyRoute
from dapr_api import connected
from faults import Faults, switches
from jobs import Jobs
from limits import BodyLimits
from models import (
    Before,
    CalledName,
    DeadLetterPage,
    Done,
    EventAnswer,
    Health,
    JobFound,
    JobNamePath,
    JobOrder,
    JobReceived,
    Limit,
    Outcome,
    RunPage,
    Welcome,
)
from paged_log import Logs
from problems import documented
from recorder import ALL_RUNS, Arrival, Recorder
from scheduling import Scheduling, log_of, seconds_until_due
from settings import Settings
from stopping import asked_to_stop
from store import Store
from stream import follow

log = logging.getLogger("scheduler")

WELCOME = (
    "scheduler-test-py schedules jobs: POST /schedule-job/{job_name}, GET /get-job/{job_name}, "
    "DELETE /delete-job/{job_name}; GET /runs and /runs/stream tell when they fired. Also /docs, /healthz and /readyz."
)
EXAMPLE = {"specversion": "1.0", "id": "17", "source": "billing", "type": "x", "data": {"job_name": "report"}}
EVENT = {"requestBody": {"content": {"application/cloudevents+json": {"example": EXAMPLE}}, "required": True}}
EVENT_STREAM = {200: {"content": {"text/event-stream": {"example": "id: 7\nevent: run\ndata: {…}\n\n"}}}}


def create_app(settings: Settings) -> FastAPI:
    """Builds the service. uvicorn serves the one made from the environment; tests make their own."""
    logs.configure(settings.log_level)
    faults = Faults()
    token = settings.app_api_token
    only_dapr = OnlyDapr(token.get_secret_value() if token else None)
    called_by_dapr = [Depends(only_dapr)]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        async with connected(settings) as dapr:
            store = Store(dapr, settings.state_store, settings.store_timeout_seconds)
            paged = Logs(store, settings.retention_seconds, seconds_until_due)
            recorder = Recorder(store, paged, settings.retry_slack_seconds)
            scheduling = Scheduling(Jobs(dapr, settings.scheduler_timeout_seconds), paged)
            recording = asyncio.create_task(recorder.work())
            with asked_to_stop() as stopping:
                yield {
                    "dapr": dapr, "logs": paged, "recorder": recorder, "scheduling": scheduling, "stopping": stopping,
                }  # fmt: skip
            recording.cancel()
            with suppress(asyncio.CancelledError):
                await recording

    app = FastAPI(
        title="scheduler-test-py", version="1.0.0", description="Schedules jobs and tells of runs.", lifespan=lifespan
    )
    problems.install(app)
    failures.install(app)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes, max_seconds=settings.max_body_seconds)
    app.add_middleware(logs.TraceContext)
    if settings.faults_enabled:
        app.include_router(switches(faults))

    @app.get("/")
    async def welcome() -> Welcome:
        """What is here."""
        return Welcome(message=WELCOME)

    @app.post("/schedule-job/{job_name:path}", responses=documented(409, 413, 422, 502, 503, 504))
    async def schedule_job(job_name: JobNamePath, request: Request, order: JobOrder | None = None) -> Done:
        """Schedules a job; without a body, one that fires every 10 s, 3 times."""
        scheduling: Scheduling = request.state.scheduling
        await scheduling.schedule(job_name, order or JobOrder())
        return Done(message=f"Job '{job_name}' scheduled successfully.")

    @app.get("/get-job/{job_name:path}", responses=documented(404, 422, 502, 503, 504))
    async def get_job(job_name: JobNamePath, request: Request) -> JobFound:
        """The job as the scheduler knows it. A job that has fired for the last time is gone."""
        scheduling: Scheduling = request.state.scheduling
        return JobFound(job_details=await scheduling.get(job_name))

    @app.delete("/delete-job/{job_name:path}", responses=documented(422, 502, 503, 504))
    async def delete_job(job_name: JobNamePath, request: Request) -> Done:
        """Deletes the job, if there is one; its runs are kept."""
        scheduling: Scheduling = request.state.scheduling
        deleted = await scheduling.delete(job_name)
        return Done(message=f"Job '{job_name}' " + ("deleted." if deleted else "not found or already deleted."))

    @BusyRoute.add(app, "POST", "/job/{job_name:path}", JobReceived, documented(401, 413, 422, 500, 503))
    async def job_fired(job_name: CalledName, request: Request) -> Response:
        """Dapr's callback, with the job's data as body. Any answer but 2xx and 404 lets the scheduler try again."""
        recorder: Recorder = request.state.recorder
        arrived = datetime.now(UTC)
        await only_dapr(request)
        data = bodies.kept(bodies.read(await request.body()))
        error = await faults.strike()
        await recorder.record(Arrival(job_name, arrived, data, Outcome.failed if error else Outcome.succeeded))
        if error:
            log.warning(str(error), extra={"fields": {"job_name": job_name, "status": error.status}})
            raise HTTPException(error.status, str(error)) from error
        received = JobReceived(received_at=arrived, data=data)
        return Response(received.model_dump_json(), media_type="application/json")

    @app.get("/runs", responses=documented(422, 502, 503, 504))
    async def all_runs(request: Request, limit: Limit = 20, before: Before = None) -> RunPage:
        """The runs of all jobs, newest first."""
        return await _page_of(request.state.logs, ALL_RUNS, limit, before)

    @app.get("/runs/stream", response_class=StreamingResponse, responses={**EVENT_STREAM, **documented(422, 503)})
    async def stream_runs(
        request: Request, last_event_id: Annotated[int | None, Header(ge=0, le=2**53)] = None
    ) -> StreamingResponse:
        """New runs of all replicas as server-sent events; with Last-Event-ID, those since then too."""
        if open_streams.locked():
            raise HTTPException(503, "There are too many streams already.", {"retry-after": "5"})

        async def limited() -> AsyncGenerator[str]:
            async with open_streams:
                async for event in follow(request.state.logs, last_event_id, settings, request.state.stopping):
                    yield event

        return StreamingResponse(limited(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    @app.get("/runs/{job_name:path}", responses=documented(422, 502, 503, 504))
    async def runs_of_job(job_name: JobNamePath, request: Request, limit: Limit = 20, before: Before = None) -> RunPage:
        """The runs of one job, newest first; none for a name that never fired."""
        return await _page_of(request.state.logs, log_of(job_name), limit, before)

    # The body is not FastAPI's to judge: a 422 would have Dapr send the same event again, and lose it in the end.
    of_daprs_events: dict[str, Any] = {
        "dependencies": called_by_dapr, "openapi_extra": EVENT, "responses": documented(401, 413, 502, 503, 504),
    }  # fmt: skip

    @app.post("/events/schedule-job", **of_daprs_events)
    async def job_asked_for(request: Request) -> EventAnswer:
        """An event of topic schedule-job: schedules the job that it names."""
        return await events.take(events.read(await request.body()), request.state.scheduling)

    @app.post("/events/schedule-job-dead", **of_daprs_events)
    async def event_given_up(request: Request) -> EventAnswer:
        """An event that was given up: kept for GET /dead-letters."""
        await events.bury(events.read(await request.body()), request.state.logs)
        return EventAnswer(status="SUCCESS")

    @app.get("/dead-letters", responses=documented(422, 502, 503, 504))
    async def dead_letters(request: Request, limit: Limit = 20, before: Before = None) -> DeadLetterPage:
        """The events that were given up, newest first."""
        paged: Logs = request.state.logs
        found = await paged.newest(events.DEAD_LETTERS, limit, before)
        return DeadLetterPage.model_validate({"dead_letters": [one for _, one in found.entries], "next": found.next})

    @app.get("/healthz")
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="ok")

    @app.get("/readyz", responses=documented(503))
    async def readyz(request: Request) -> Health:
        """The sidecar can carry calls out, so this app can serve."""
        try:
            await sidecar.check_ready(request.state.dapr.session, settings.dapr_http_port)
        except sidecar.SidecarNotReady as error:
            raise HTTPException(503, str(error)) from error
        return Health(status="ready")

    open_streams = asyncio.Semaphore(settings.max_streams)
    return app


async def _page_of(paged: Logs, name: str, limit: int, before: int | None) -> RunPage:
    found = await paged.newest(name, limit, before)
    return RunPage.model_validate({"runs": [run for _, run in found.entries], "next": found.next})


settings = Settings()
app = create_app(settings)

if __name__ == "__main__":
    # No `log_config`: uvicorn would replace the logging that create_app set up.
    uvicorn.run(
        app,
        host=settings.app_host,
        port=settings.app_port,
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
        timeout_keep_alive=settings.keep_alive_seconds,
        log_config=None,
    )
