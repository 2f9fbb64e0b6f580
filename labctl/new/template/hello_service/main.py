"""hello: asks callee-app for a greeting, at once or by way of a job, an event and a workflow."""

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Depends, FastAPI, Request
from pydantic import ValidationError

from kit.edge.problems import Refused, documented
from kit.edge.service import build, serve
from kit.edge.token import only_dapr
from kit.engine.health import check_worker
from kit.engine.instances import AlreadyActive
from kit.sidecar.events import data_of, read, why
from models import EventAnswer, Greeting, Name, Order, OrderId, Progress
from settings import Settings
from wiring import ServicesDep, open_services

log = logging.getLogger("hello")

router = APIRouter()
from_dapr = APIRouter(dependencies=[Depends(only_dapr)])


@router.get("/greet/{name}", responses=documented(422, 502, 503, 504))
async def greet(name: Name, services: ServicesDep) -> Greeting:
    """Ask callee-app for a greeting, through the sidecars of both."""
    return Greeting(message=await services.callee.greet(Order(order_id=uuid4().hex, name=name)))


@router.post("/greet-later/{name}", status_code=202, responses=documented(422, 503, 504))
async def greet_later(name: Name, services: ServicesDep) -> Order:
    """Schedule a job for it. `GET /greetings/{order_id}` has the greeting some seconds later."""
    order = Order(order_id=uuid4().hex, name=name)
    await services.jobs.schedule(order.order_id, "1s", data=order.model_dump())
    return order


@from_dapr.post("/job/{job_name}", responses=documented(401, 413, 422, 503, 504))
async def job_fired(job_name: str, order: Order, services: ServicesDep) -> EventAnswer:
    """Publish an event. The body is the job's data. Any answer but 2xx and 404 makes the scheduler retry."""
    log.info("job fired", extra={"job_name": job_name})
    await services.publisher.publish("hello-orders", "GreetingOrdered", order, id=order.order_id)
    return EventAnswer(status="SUCCESS")


@from_dapr.post("/events/orders", responses=documented(401, 413, 503, 504))
async def event_arrived(request: Request, services: ServicesDep) -> EventAnswer:
    """Start the workflow. Dapr may deliver an event twice, so the order's id is the workflow's too."""
    event = await read(request)
    try:
        order = Order.model_validate(data_of(event))
    except ValidationError as error:
        log.warning("invalid event dropped", extra={"reason": why(error, event)})
        return EventAnswer(status="DROP")
    log.info("event arrived", extra={"order_id": order.order_id})
    with suppress(AlreadyActive):
        if await services.instances.state(order.order_id) is None:
            await services.instances.schedule("greeting_workflow", order.order_id, order)
    return EventAnswer(status="SUCCESS")


@router.get("/greetings/{order_id}", responses=documented(404, 422, 503, 504))
async def progress(order_id: OrderId, services: ServicesDep) -> Progress:
    """Return the state of the workflow of an order, and the greeting once there is one."""
    state = await services.instances.state(order_id)
    if state is None:
        raise Refused(404, "order_id: there is no such order, or its event has not arrived yet.")
    message = json.loads(state.serialized_output or "null")
    return Progress(status=state.runtime_status.name.lower(), message=message)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Yield the collaborators of the routes."""
    async with open_services(app.state.settings, app.state.session) as services:
        yield {"services": services}


async def ready(request: Request) -> None:
    """Check that the workflow worker is connected. `./lab up` waits for it."""
    await check_worker(request.app.state.session, request.app.state.settings.dapr_http_port)


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    return build(
        settings,
        title="hello",
        description="Greets through callee-app, at once or later.",
        welcome="hello greets: GET /greet/{name}, POST /greet-later/{name}. Also /docs and /readyz.",
        routers=[router, from_dapr],
        lifespan=lifespan,
        ready=ready,
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
