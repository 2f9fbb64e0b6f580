"""The kitchen: cooks pizzas, checks them for the workflow, and discards them when it compensates."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request

import kit.ledger
import steps
from kit.edge.faults import Faults, may_fail
from kit.edge.problems import documented
from kit.edge.service import build, serve
from kit.engine.health import check_worker
from kit.engine.worker import Worker, running
from kit.ledger import LedgerDep, StepSeconds
from kit.order import Done, OrderDone, OrderTask, Task
from settings import Settings
from steps import QualityCheck

router = APIRouter(dependencies=[Depends(may_fail)])


@router.post("/cook", responses=documented(409, 422, 502, 503, 504))
async def cook_pizza(task: OrderTask, ledger: LedgerDep, seconds: StepSeconds) -> OrderDone:
    """Cook the pizza, once an attempt. Refuse it (409) if that attempt was discarded."""
    entry = await ledger.do(steps.COOK, task, seconds)
    return OrderDone(**task.model_dump(), status=entry.status)


@router.post("/discard", responses=documented(422, 502, 503, 504))
async def discard_pizza(task: Task, ledger: LedgerDep) -> Done:
    """Discard the pizza of one attempt, once, even if it is not cooked yet. The next one may be cooked."""
    return await ledger.do(steps.DISCARD, task)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Open the ledger, run the worker that does quality checks, and yield what the routes share."""
    async with kit.ledger.lifespan(app) as state:
        quality = QualityCheck(state["ledger"], app.state.settings.quality_refuses)
        async with running(Worker(app.state.settings, [], [quality.quality_check])):
            yield state


async def ready(request: Request) -> None:
    """Check the ledger, and that the sidecar has a worker of this app to dispatch quality checks to."""
    await kit.ledger.ready(request)
    await check_worker(request.app.state.session, request.app.state.settings.dapr_http_port)


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    return build(
        settings,
        title="pizza-kitchen",
        description="Cooks pizzas.",
        welcome="pizza-kitchen cooks: POST /cook, /discard. Also GET /ledger, /docs, /healthz and /readyz.",
        routers=[router, kit.ledger.router],
        lifespan=lifespan,
        ready=ready,
        only_sidecar=True,
        faults=Faults("pizza-kitchen"),
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
