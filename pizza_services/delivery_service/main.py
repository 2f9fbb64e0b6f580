"""Delivery: brings the pizza to its customer, and calls the driver back."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request

import logs
import problems
import refusals
from app_token import AppToken
from faults import Faults, switches
from ledger import Ledger, Step
from limits import BodyLimits
from models import Before, Done, Health, LedgerPage, Limit, OrderIdPath, OrderLedger, OrderTask, Task, Welcome
from pages import Pages
from settings import Settings
from sidecar import SidecarNotReady
from state_store import StateStore, connected

WELCOME = "pizza-delivery brings pizzas: POST /deliver, /recall. Also GET /ledger, /docs, /healthz and /readyz."

DELIVER = Step("deliver", "delivered", undone_by=frozenset({"recall"}))
RECALL = Step("recall", "recalled")


def create_app(settings: Settings) -> FastAPI:
    """Builds the service. uvicorn serves the one made from the environment; tests make their own."""
    logs.configure(settings.log_level)
    faults = Faults("pizza-delivery")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, object]]:
        async with connected(settings.ledger_store, settings) as store:
            yield {"store": store, "ledger": Ledger(store, Pages(store, settings.orders_per_page))}

    app = FastAPI(title="pizza-delivery", version="1.0.0", description="Brings pizzas.", lifespan=lifespan)
    problems.install(app)
    refusals.install(app)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes, max_seconds=settings.max_body_seconds)
    if settings.app_api_token:
        app.add_middleware(AppToken, token=settings.app_api_token.get_secret_value())
    app.add_middleware(logs.TraceContext)
    if settings.faults_enabled:
        app.include_router(switches(faults))
    may_fail = [Depends(faults.strike)]

    async def do(request: Request, step: Step, task: Task, seconds: float = 0) -> Done:
        ledger: Ledger = request.state.ledger
        entry = await ledger.do(step, task, seconds)
        return Done(order_id=entry.order_id, run=entry.run, attempt=entry.attempt, status=entry.status)

    @app.get("/")
    async def welcome() -> Welcome:
        """What is here."""
        return Welcome(message=WELCOME)

    @app.post("/deliver", dependencies=may_fail, responses=problems.documented(409, 413, 422, 502, 503, 504))
    async def deliver_pizza(task: OrderTask, request: Request) -> Done:
        """Brings the pizza to its customer, once an attempt; refused (409) after a recall of the same run."""
        return await do(request, DELIVER, task, settings.step_seconds)

    @app.post("/recall", dependencies=may_fail, responses=problems.documented(413, 422, 502, 503, 504))
    async def recall_driver(task: Task, request: Request) -> Done:
        """Calls the driver of this run back, once, also if none has left yet."""
        return await do(request, RECALL, task)

    @app.get("/ledger", responses=problems.documented(422, 502, 503, 504))
    async def get_ledger(request: Request, limit: Limit = 20, before: Before = None) -> LedgerPage:
        """What was done, the orders that came last first; all entries of an order together."""
        ledger: Ledger = request.state.ledger
        return await ledger.newest(limit, before)

    @app.get("/ledger/{order_id}", responses=problems.documented(404, 422, 502, 503, 504))
    async def get_ledger_of(order_id: OrderIdPath, request: Request) -> OrderLedger:
        """What was done for one order, in the order in which it was first asked for."""
        ledger: Ledger = request.state.ledger
        return await ledger.of(order_id)

    @app.get("/healthz")
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="ok")

    @app.get("/readyz", responses=problems.documented(503))
    async def readyz(request: Request) -> Health:
        """The sidecar can carry calls out, so this app can do its part."""
        store: StateStore = request.state.store
        try:
            await store.check_sidecar()
        except SidecarNotReady as error:
            raise HTTPException(503, str(error)) from error
        return Health(status="ready")

    return app


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
