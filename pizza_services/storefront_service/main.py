"""The storefront: takes orders, and refunds and cancels them when the workflow compensates."""

from fastapi import APIRouter, Depends, FastAPI

import kit.ledger
import steps
from kit.edge.faults import Faults, may_fail
from kit.edge.problems import documented
from kit.edge.service import build, serve
from kit.ledger import LedgerDep, StepSeconds
from kit.order import Done, OrderDone, OrderTask, Task
from settings import Settings

WELCOME = "pizza-storefront takes orders: POST /order, /refund, /cancel. Also GET /ledger, /docs, /healthz and /readyz."

router = APIRouter(dependencies=[Depends(may_fail)])


@router.post("/order", responses=documented(409, 422, 502, 503, 504))
async def order_pizza(task: OrderTask, ledger: LedgerDep, seconds: StepSeconds) -> OrderDone:
    """Take the order, once. Refuse it (409) after a refund or a cancellation of the same run."""
    entry = await ledger.do(steps.ORDER, task, seconds)
    return OrderDone(**task.model_dump(), status=entry.status)


@router.post("/refund", responses=documented(422, 502, 503, 504))
async def refund(task: Task, ledger: LedgerDep) -> Done:
    """Refund the order, once, even if it has not arrived yet."""
    return await ledger.do(steps.REFUND, task)


@router.post("/cancel", responses=documented(422, 502, 503, 504))
async def cancel_order(task: Task, ledger: LedgerDep) -> Done:
    """Cancel the order, once, even if it has not arrived yet."""
    return await ledger.do(steps.CANCEL, task)


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    return build(
        settings,
        title="pizza-storefront",
        description="Takes orders.",
        welcome=WELCOME,
        routers=[router, kit.ledger.router],
        lifespan=kit.ledger.lifespan,
        ready=kit.ledger.ready,
        only_sidecar=True,
        faults=Faults("pizza-storefront"),
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
