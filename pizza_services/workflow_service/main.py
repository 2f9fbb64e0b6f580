"""pizza-workflow: start the workflow of each order, and let users follow and steer it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request

from kit.edge.models import Health
from kit.edge.problems import documented
from kit.edge.service import build, from_state, serve
from kit.edge.token import only_dapr
from kit.engine.health import check_worker
from kit.engine.instances import NoInstance
from messages import instance_of
from models import Accepted, CancelRequest, Order, OrderIdPath, OrderRef, OrderState, Validation
from orders import refusals, steer
from orders.show import show
from orders.start import start
from settings import Settings
from wiring import Services, open_services

WELCOME = (
    "pizza-workflow drives orders: POST /start-order, GET /orders/{order_id}, POST /pause-order, /resume-order, "
    "/cancel-order and /validate-pizza. Also /docs, /healthz and /readyz."
)
ERRORS = documented(404, 409, 422, 502, 503, 504)

ServicesDep = Annotated[Services, Depends(from_state("services"))]

router = APIRouter()


@router.post("/start-order", status_code=202, responses=ERRORS)
async def start_order(order: Order, services: ServicesDep) -> Accepted:
    """Start the order's workflow, once: a second start, while it runs or after it has ended, is a conflict."""
    await start(services, order)
    return _accepted(order.order_id, "start")


@router.get("/orders/{order_id}", response_model_exclude_none=True, responses=ERRORS)
async def show_order(order_id: OrderIdPath, services: ServicesDep) -> OrderState:
    """Return the order's state and its timeline."""
    return show(await services.standings.of(order_id))


@router.post("/get-order", response_model_exclude_none=True, responses=ERRORS)
async def get_order(order: OrderRef, services: ServicesDep) -> OrderState:
    """Return the same as GET /orders/{order_id}. Courses teach this form."""
    return show(await services.standings.of(order.order_id))


@router.post("/pause-order", status_code=202, responses=ERRORS)
async def pause_order(order: OrderRef, services: ServicesDep) -> Accepted:
    """Pause an order: its present step is finished, the next does not begin."""
    await steer.pause(services, order.order_id)
    return _accepted(order.order_id, "pause")


@router.post("/resume-order", status_code=202, responses=ERRORS)
async def resume_order(order: OrderRef, services: ServicesDep) -> Accepted:
    """Resume a paused order."""
    await steer.resume(services, order.order_id)
    return _accepted(order.order_id, "resume")


@router.post("/cancel-order", status_code=202, responses=ERRORS)
async def cancel_order(cancellation: CancelRequest, services: ServicesDep) -> Accepted:
    """Cancel an order at any step before its delivery, and compensate the steps that were done."""
    await steer.cancel(services, cancellation)
    return _accepted(cancellation.order_id, "cancel")


@router.post("/validate-pizza", status_code=202, responses=ERRORS)
async def validate_pizza(validation: Validation, services: ServicesDep) -> Accepted:
    """Approve or reject the pizza that waits for a verdict."""
    await steer.validate(services, validation)
    return _accepted(validation.order_id, "approve" if validation.verdict else "reject")


@router.post(
    "/job/watch-{order_id}",
    tags=["jobs"],
    dependencies=[Depends(only_dapr)],
    responses=documented(401, 422, 502, 503, 504),
)
async def look_at_order(order_id: OrderIdPath, services: ServicesDep) -> Health:
    """Check an order when its Dapr job is due."""
    await services.watchdog.check(order_id)
    return Health(status="ok")


def _accepted(order_id: str, request: Any) -> Accepted:
    return Accepted(order_id=order_id, instance_id=instance_of(order_id), accepted=request)


async def ready(request: Request) -> None:
    """Check the key of the state store, and that the sidecar dispatches work items to this app's worker."""
    state = request.app.state
    await request.state.services.store.check_key()
    await check_worker(state.session, state.settings.dapr_http_port)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Build what the routes use, and run the worker."""
    async with open_services(app.state.settings, app.state.session) as services:
        yield {"services": services}


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own.

    Requests come from users, who do not have Dapr's token, so only the job's route asks for APP_API_TOKEN. Workflows
    and activities reach the app through the connection that it opens itself.
    """
    return build(
        settings,
        title="pizza-workflow",
        description="Drives pizza orders through their steps.",
        welcome=WELCOME,
        routers=[router],
        lifespan=lifespan,
        ready=ready,
        exception_handlers={NoInstance: refusals.no_instance},
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
