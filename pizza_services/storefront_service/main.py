"""The storefront: takes an order in, and takes it back."""

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

WELCOME = "pizza-storefront takes orders: POST /order, /refund, /cancel. Also GET /ledger, /docs, /healthz and /readyz."

ORDER = Step("order", "confirmed", undone_by=frozenset({"refund", "cancel"}))
REFUND = Step("refund", "refunded")
CANCEL = Step("cancel", "cancelled")


def create_app(settings: Settings) -> FastAPI:
    """Builds the service. uvicorn serves the one made from the environment; tests make their own."""
    logs.configure(settings.log_level)
    faults = Faults("pizza-storefront")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, object]]:
        async with connected(settings.ledger_store, settings) as store:
            yield {"store": store, "ledger": Ledger(store, Pages(store, settings.orders_per_page))}

    app = FastAPI(title="pizza-storefront", version="1.0.0", description="Takes orders in.", lifespan=lifespan)
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

    @app.post("/order", dependencies=may_fail, responses=problems.documented(409, 413, 422, 502, 503, 504))
    async def order_pizza(task: OrderTask, request: Request) -> Done:
        """Takes the order in, once; refused (409) after a refund or a cancellation of the same run."""
        return await do(request, ORDER, task, settings.step_seconds)

    @app.post("/refund", dependencies=may_fail, responses=problems.documented(413, 422, 502, 503, 504))
    async def refund(task: Task, request: Request) -> Done:
        """Gives the money back, once, also if there was no order yet."""
        return await do(request, REFUND, task)

    @app.post("/cancel", dependencies=may_fail, responses=problems.documented(413, 422, 502, 503, 504))
    async def cancel_order(task: Task, request: Request) -> Done:
        """Takes the order off the books, once, also if it was not on them yet."""
        return await do(request, CANCEL, task)

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
