"""The order service: stores orders, follows what happens to them, and tells of it."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

import logs
import problems
import refusals
from app_token import AppToken
from dead_letters import DeadLetterBox
from limits import BodyLimits
from models import (
    AnyEvent,
    Before,
    DeadLetters,
    EventAnswer,
    Health,
    LetterIdPath,
    Limit,
    Order,
    OrderEvent,
    OrderIdPath,
    OrderList,
    OrderState,
    Replayed,
    Welcome,
)
from orders import OrderConflict, Orders
from pages import Pages
from settings import Settings
from sidecar import SidecarNotReady
from state_store import StateStore, connected
from timeline import RunUnderWay

log = logging.getLogger("pizza-order")

WELCOME = (
    "pizza-order keeps orders: POST and GET /orders, GET and DELETE /orders/{order_id}, GET /dead-letters. "
    "Also /docs, /healthz and /readyz."
)


def create_app(settings: Settings) -> FastAPI:
    """Builds the service. uvicorn serves the one made from the environment; tests make their own."""
    logs.configure(settings.log_level)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, object]]:
        async with connected(settings.order_store, settings) as store:
            orders = Orders(store, Pages(store, settings.orders_per_page))
            yield {"store": store, "orders": orders, "dead_letters": DeadLetterBox(store)}

    app = FastAPI(title="pizza-order", version="1.0.0", description="Keeps orders.", lifespan=lifespan)
    problems.install(app)
    refusals.install(app)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes, max_seconds=settings.max_body_seconds)
    if settings.app_api_token:
        app.add_middleware(AppToken, token=settings.app_api_token.get_secret_value())
    app.add_middleware(logs.TraceContext)

    @app.get("/")
    async def welcome() -> Welcome:
        """What is here."""
        return Welcome(message=WELCOME)

    stored = {200: {"description": "The same order is here already"}}

    @app.post("/orders", status_code=201, responses={**stored, **problems.documented(409, 413, 422, 502, 503, 504)})
    async def store_order(order: Order, request: Request, response: Response) -> OrderState:
        """Stores an order, and starts nothing: that is what POST /start-order of pizza-workflow does."""
        orders: Orders = request.state.orders
        if not await orders.put(order):
            response.status_code = 200
        return await orders.get(order.order_id)

    @app.get("/orders", responses=problems.documented(422, 502, 503, 504))
    async def list_orders(request: Request, limit: Limit = 20, before: Before = None) -> OrderList:
        """Orders, those that came last first."""
        orders: Orders = request.state.orders
        return await orders.newest(limit, before)

    @app.get("/orders/{order_id}", responses=problems.documented(404, 422, 502, 503, 504))
    async def get_order(order_id: OrderIdPath, request: Request) -> OrderState:
        """An order with its timeline, also after the instance of its workflow was purged."""
        orders: Orders = request.state.orders
        return await orders.get(order_id)

    @app.delete("/orders/{order_id}", status_code=204, responses=problems.documented(404, 409, 422, 502, 503, 504))
    async def delete_order(order_id: OrderIdPath, request: Request) -> None:
        """Deletes an order whose run has come to its end, so that it may be started anew."""
        orders: Orders = request.state.orders
        await orders.delete(order_id)

    @app.post("/events/orders", tags=["events"], responses=problems.documented(413, 422, 502, 503, 504))
    async def hear_of_order(event: AnyEvent, request: Request) -> EventAnswer:
        """For Dapr: an event of the topic `orders`. What can never be used is dropped, and becomes a dead letter."""
        orders: Orders = request.state.orders
        try:
            await orders.hear(OrderEvent.model_validate(event))
        except (ValidationError, RunUnderWay) as error:
            # Not the words of a ValidationError: they have the customer's data in them.
            why = str(error) if isinstance(error, RunUnderWay) else f"{error.error_count()} fields are not as agreed"
            log.warning("event dropped", extra={"fields": {"event_id": str(event.get("id"))[:200], "reason": why}})
            return EventAnswer(status="DROP")
        return EventAnswer(status="SUCCESS")

    @app.post("/events/orders-dead", tags=["events"], responses=problems.documented(413, 422, 502, 503, 504))
    async def keep_dead_letter(event: AnyEvent, request: Request) -> EventAnswer:
        """For Dapr: an event that could not be used, from the topic `orders-dead`."""
        dead_letters: DeadLetterBox = request.state.dead_letters
        await dead_letters.put(event)
        return EventAnswer(status="SUCCESS")

    @app.get("/dead-letters", tags=["events"], responses=problems.documented(502, 503, 504))
    async def list_dead_letters(request: Request) -> DeadLetters:
        """The last hundred events that could not be used, the last one first."""
        dead_letters: DeadLetterBox = request.state.dead_letters
        return await dead_letters.all()

    @app.post(
        "/dead-letters/{letter_id}/replay",
        status_code=202,
        tags=["events"],
        responses=problems.documented(404, 409, 422, 502, 503, 504),
    )
    async def replay(letter_id: LetterIdPath, request: Request) -> Replayed:
        """Uses a dead letter after all, and takes it off the list; one that still cannot be used stays there."""
        dead_letters: DeadLetterBox = request.state.dead_letters
        orders: Orders = request.state.orders
        letter = await dead_letters.find(letter_id)
        if letter is None:
            raise HTTPException(404, "letter_id: there is no such dead letter.")
        try:
            await orders.hear(OrderEvent.model_validate_json(letter.event))
        except ValidationError as error:
            # Told as a bad request is: field by field.
            faults = [{**fault, "loc": ("event", *fault["loc"])} for fault in error.errors()]
            raise RequestValidationError(faults) from error
        except RunUnderWay as error:
            raise OrderConflict("RUN_UNDER_WAY", str(error)) from error
        # Only now: a crash in between leaves it to be used again, which changes nothing.
        await dead_letters.remove(letter_id)
        return Replayed(id=letter_id)

    @app.get("/healthz")
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="ok")

    @app.get("/readyz", responses=problems.documented(503))
    async def readyz(request: Request) -> Health:
        """The sidecar can carry calls out, so this app can serve."""
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
