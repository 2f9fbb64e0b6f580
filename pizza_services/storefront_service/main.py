"""The storefront: takes orders, and refunds and cancels them when the workflow compensates."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI

import kit.ledger
import steps
from kit.edge.faults import Faults, may_fail
from kit.edge.problems import documented
from kit.edge.service import build, from_state, serve
from kit.ledger import Done, Ledger, Task, Used
from kit.sidecar.client import SdkClient
from models import OrderDone, OrderTask
from settings import Settings

WELCOME = "pizza-storefront takes orders: POST /order, /refund, /cancel. Also GET /ledger, /docs, /healthz and /readyz."

StepSeconds = Annotated[float, Depends(from_state("step_seconds"))]

router = APIRouter(dependencies=[Depends(may_fail)])


@router.post("/order", responses=documented(409, 413, 422, 502, 503, 504))
async def order_pizza(task: OrderTask, ledger: Used, seconds: StepSeconds) -> OrderDone:
    """Take the order, once. Refuse it (409) after a refund or a cancellation of the same run."""
    entry = await ledger.do(steps.ORDER, task, seconds)
    return OrderDone(**task.model_dump(), status=entry.status)


@router.post("/refund", responses=documented(413, 422, 502, 503, 504))
async def refund(task: Task, ledger: Used) -> Done:
    """Refund the order, once, even if it has not arrived yet."""
    return await ledger.do(steps.REFUND, task)


@router.post("/cancel", responses=documented(413, 422, 502, 503, 504))
async def cancel_order(task: Task, ledger: Used) -> Done:
    """Cancel the order, once, even if it has not arrived yet."""
    return await ledger.do(steps.CANCEL, task)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Open the ledger, and yield what the routes share."""
    settings: Settings = app.state.settings
    async with aclosing(SdkClient(settings, app.state.session, settings.store_timeout_seconds)) as sdk:
        ledger = Ledger(sdk, settings.ledger_store, settings.orders_per_page)
        yield {"ledger": ledger, "step_seconds": settings.step_seconds}


def create_app(settings: Settings) -> FastAPI:
    """Build the service. uvicorn serves the one made from the environment; tests make their own."""
    return build(
        settings,
        title="pizza-storefront",
        description="Takes orders.",
        welcome=WELCOME,
        routers=[router, kit.ledger.router],
        lifespan=lifespan,
        exception_handlers=kit.ledger.refusals,
        only_sidecar=True,
        faults=Faults("pizza-storefront"),
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
