"""Delivery: brings pizzas to their customers, and recalls the driver when the workflow compensates."""

from fastapi import APIRouter, Depends, FastAPI

import kit.ledger
import steps
from kit.edge.faults import Faults, may_fail
from kit.edge.problems import documented
from kit.edge.service import build, serve
from kit.ledger import LedgerDep, StepSeconds
from kit.order import Done, OrderDone, OrderTask, Task
from settings import Settings

router = APIRouter(dependencies=[Depends(may_fail)])


@router.post("/deliver", responses=documented(409, 422, 502, 503, 504))
async def deliver_pizza(task: OrderTask, ledger: LedgerDep, seconds: StepSeconds) -> OrderDone:
    """Deliver the pizza, once an attempt. Refuse it (409) after a recall of the same run."""
    entry = await ledger.do(steps.DELIVER, task, seconds)
    return OrderDone(**task.model_dump(), status=entry.status)


@router.post("/recall", responses=documented(422, 502, 503, 504))
async def recall_driver(task: Task, ledger: LedgerDep) -> Done:
    """Recall the driver of this run, once, even if none has left yet."""
    return await ledger.do(steps.RECALL, task)


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    return build(
        settings,
        title="pizza-delivery",
        description="Brings pizzas.",
        welcome="pizza-delivery brings pizzas: POST /deliver, /recall. Also GET /ledger, /docs, /healthz and /readyz.",
        routers=[router, kit.ledger.router],
        lifespan=kit.ledger.lifespan,
        ready=kit.ledger.ready,
        only_sidecar=True,
        faults=Faults("pizza-delivery"),
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
