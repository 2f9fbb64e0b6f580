"""pizza-workflow: starts the workflow of each order, and lets users follow and steer it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import aiohttp
import uvicorn
from dapr.ext.workflow.aio import DaprWorkflowClient
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

import logs
import problems
from activities import Activities
from claims import Claims
from health import check_worker
from instances import EngineDown, Instances, NoInstance
from limits import BodyLimits
from lockout import Lockout
from lost_orders import LostOrders
from models import (
    Accepted,
    CancelRequest,
    Health,
    Order,
    OrderIdPath,
    OrderRef,
    OrderState,
    Validation,
    Welcome,
)
from names import instance_of
from order_book import OrderBook
from orders import Orders
from pauses import Pauses
from peers import PeerFailed, Peers
from refusals import Refused
from restarts import Restarts
from sdk_client import SdkClient
from settings import Settings
from sidecar import SidecarNotReady, check_ready
from standstill import Standstill
from starting import Starting
from store import Store, StoreFailed
from undoings import Undoings
from validations import Validations
from watchdog import Watchdog
from worker import QUIET, Worker

log = logging.getLogger("pizza-workflow")

WELCOME = (
    "pizza-workflow drives orders: POST /start-order, GET /orders/{order_id}, POST /pause-order, /resume-order, "
    "/cancel-order and /validate-pizza. Also /docs, /healthz and /readyz."
)
ERRORS: dict[int | str, dict[str, Any]] = problems.documented(404, 409, 413, 422, 502, 503, 504)


def create_app(settings: Settings) -> FastAPI:
    """Builds the service. uvicorn serves the one made from the environment; tests make their own.

    Requests come from outside, where nobody has Dapr's token: this app does not ask for APP_API_TOKEN. Its workflows
    and activities reach it through the connection that it opens itself.
    """
    logs.configure(settings.log_level)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        token = settings.dapr_api_token
        headers = {"dapr-api-token": token.get_secret_value()} if token else {}
        timeout = aiohttp.ClientTimeout(total=None)  # the limits are those of each activity and of each route
        connector = aiohttp.TCPConnector(limit=0)  # how much is asked at once is for the engine to bound
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session,
            aclosing(SdkClient(settings, session)) as sdk,
        ):
            peers, store = (
                Peers(session, settings.dapr_http_port),
                Store(sdk, settings.statestore_name, settings.call_timeout_seconds),
            )
            client = DaprWorkflowClient("127.0.0.1", str(settings.dapr_grpc_port), QUIET)
            instances = Instances(client, settings.call_timeout_seconds)
            book = OrderBook(peers, settings.order_app_id, settings.call_timeout_seconds)
            pauses = Pauses(instances, store, settings.call_timeout_seconds, settings.pause_grace_seconds)
            claims = Claims(settings, store)
            undoings = Undoings(instances, settings.time_limits.quiet)
            lost = LostOrders(claims, book, undoings)
            validations = Validations(instances, store)
            restarts = Restarts(settings, instances, claims, pauses, validations)
            orders = Orders(instances, undoings, lost, claims, book, pauses, validations, restarts)
            worker = Worker(settings, Activities(settings, peers, sdk, store, claims, instances))
            standstill = Standstill(settings, instances, worker, session)
            watchdog = Watchdog(settings, sdk, instances, undoings, lost, restarts, standstill)
            worker.start()
            lockout = Lockout(settings, worker, sdk, session)
            watching = [asyncio.create_task(watch()) for watch in (standstill.watch, lockout.watch)]
            try:
                yield {
                    "session": session,
                    "worker": worker,
                    "starting": Starting(instances, undoings, lost, claims, book, restarts, watchdog),
                    "orders": orders,
                    "watchdog": watchdog,
                }
            finally:
                for task in watching:
                    task.cancel()
                for task in watching:
                    with suppress(asyncio.CancelledError):
                        await task
                await worker.stop()

    description = "Drives pizza orders through their steps."
    app = FastAPI(title="pizza-workflow", version="1.0.0", description=description, lifespan=lifespan)
    problems.install(app)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes, max_seconds=settings.max_body_seconds)
    app.add_middleware(logs.TraceContext)

    @app.exception_handler(Refused)
    async def refused(_: Request, refusal: Refused) -> JSONResponse:
        return problems.problem(refusal.status, str(refusal), code=refusal.code)

    @app.exception_handler(EngineDown)
    async def engine_down(_: Request, error: EngineDown) -> JSONResponse:
        log.warning(str(error), extra={"fields": {"reason": str(error.__cause__)}})
        return problems.problem(error.status, str(error), {"retry-after": "5"}, dependency=error.dependency)

    @app.exception_handler(NoInstance)
    async def no_instance(_: Request, __: NoInstance) -> JSONResponse:
        # Each route looks for the order first; its workflow ended and was removed after that.
        return problems.problem(404, "order_id: this order's workflow is not there any more.", code="ORDER_UNKNOWN")

    @app.exception_handler(PeerFailed)
    async def peer_failed(_: Request, error: PeerFailed) -> JSONResponse:
        log.warning(str(error), extra={"fields": {"dependency": error.app_id, "errorCode": error.error_code}})
        told = {"dependency": error.app_id, "errorCode": error.error_code}
        detail = f"{error.app_id} does not answer now."
        return problems.problem(503, detail, None, **{name: fact for name, fact in told.items() if fact})

    @app.exception_handler(SidecarNotReady)
    async def no_sidecar(_: Request, error: SidecarNotReady) -> JSONResponse:
        return problems.problem(503, str(error), dependency="Dapr sidecar")

    @app.exception_handler(StoreFailed)
    async def store_failed(_: Request, error: StoreFailed) -> JSONResponse:
        log.warning(str(error), extra={"fields": {"reason": str(error.__cause__)}})
        return problems.problem(error.status, str(error), dependency=error.store_name)

    @app.get("/")
    async def welcome() -> Welcome:
        """What is here."""
        return Welcome(message=WELCOME)

    @app.post("/start-order", status_code=202, responses=ERRORS)
    async def start_order(order: Order, request: Request) -> Accepted:
        """Starts the order's workflow, once: again while it runs or when it has ended is a conflict."""
        starting: Starting = request.state.starting
        await starting.start(order, request.headers.get("traceparent"))
        return _accepted(order.order_id, "start")

    @app.get("/orders/{order_id}", response_model_exclude_none=True, responses=ERRORS)
    async def show_order(order_id: OrderIdPath, request: Request) -> OrderState:
        """Where an order is, and where it has been."""
        orders: Orders = request.state.orders
        return await orders.show(order_id)

    @app.post("/get-order", response_model_exclude_none=True, responses=ERRORS)
    async def get_order(order: OrderRef, request: Request) -> OrderState:
        """The same as GET /orders/{order_id}, as it is also taught."""
        orders: Orders = request.state.orders
        return await orders.show(order.order_id)

    @app.post("/pause-order", status_code=202, responses=ERRORS)
    async def pause_order(order: OrderRef, request: Request) -> Accepted:
        """Holds an order: the step under way is finished, the next does not begin."""
        orders: Orders = request.state.orders
        await orders.pause(order.order_id)
        return _accepted(order.order_id, "pause")

    @app.post("/resume-order", status_code=202, responses=ERRORS)
    async def resume_order(order: OrderRef, request: Request) -> Accepted:
        """Lets a paused order go on."""
        orders: Orders = request.state.orders
        await orders.resume(order.order_id)
        return _accepted(order.order_id, "resume")

    @app.post("/cancel-order", status_code=202, responses=ERRORS)
    async def cancel_order(cancellation: CancelRequest, request: Request) -> Accepted:
        """Cancels an order at any step before its delivery, and undoes what was done."""
        orders: Orders = request.state.orders
        await orders.cancel(cancellation)
        return _accepted(cancellation.order_id, "cancel")

    @app.post("/validate-pizza", status_code=202, responses=ERRORS)
    async def validate_pizza(validation: Validation, request: Request) -> Accepted:
        """Approves or rejects the pizza that waits for it."""
        orders: Orders = request.state.orders
        await orders.validate(validation)
        return _accepted(validation.order_id, "approve" if validation.verdict else "reject")

    @app.post("/job/watch-{order_id}", tags=["jobs"], responses=problems.documented(422, 502, 503, 504))
    async def look_at_order(order_id: OrderIdPath, request: Request) -> Health:
        """For Dapr: the order's job has fired. An order with which nothing is wrong is left as it is, whoever asks."""
        watchdog: Watchdog = request.state.watchdog
        await watchdog.look(order_id)
        return Health(status="ok")

    @app.get("/healthz")
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="ok")

    @app.get("/readyz", responses=problems.documented(503))
    async def readyz(request: Request) -> Health:
        """The sidecar can carry calls out, and hands work to a worker of this app."""
        try:
            await check_ready(request.state.session, settings.dapr_http_port)
            await check_worker(request.state.worker, request.state.session, settings.dapr_http_port)
        except SidecarNotReady as error:
            raise HTTPException(503, str(error)) from error
        return Health(status="ready")

    return app


def _accepted(order_id: str, what: Any) -> Accepted:
    return Accepted(order_id=order_id, instance_id=instance_of(order_id), accepted=what)


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
