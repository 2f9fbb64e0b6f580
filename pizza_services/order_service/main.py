"""The order service: stores orders, and follows each one by the events of the pizza workflow."""

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from kit.edge.problems import documented
from kit.edge.service import build, from_state, serve
from kit.edge.token import only_dapr
from kit.order import Before, Limit, OrderIdPath
from kit.sidecar import events
from kit.sidecar.client import SdkClient
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.store import StateStore
from models import (
    EVENT_BODY,
    DeadLetter,
    DeadLetterList,
    EventAnswer,
    LetterIdPath,
    LettersBefore,
    Order,
    OrderEvent,
    OrderList,
    OrderProblem,
    OrderState,
    Replayed,
)  # fmt: skip
from orders import OrderError, Orders
from settings import Settings
from timeline import AnotherRun

log = logging.getLogger("pizza-order")

WELCOME = (
    "pizza-order keeps orders: POST and GET /orders, GET and DELETE /orders/{order_id}, GET /dead-letters. "
    "Also /docs, /healthz and /readyz."
)
CHARACTERS_SHOWN = 16_000

Book = Annotated[Orders, Depends(from_state("orders"))]
Letters = Annotated[DeadLetters, Depends(from_state("dead_letters"))]
STORED = {200: {"description": "The same order is stored already"}}
NO_ORDER = documented(404, model=OrderProblem)
EVENT: dict[str, Any] = {
    "openapi_extra": {"requestBody": {"content": {"application/json": {"schema": EVENT_BODY}}}},
    "responses": documented(422, 502, 503, 504),
}
Event = Annotated[events.CloudEvent, Depends(events.read)]
DeadEvent = Annotated[events.CloudEvent, Depends(events.read_dead)]

router = APIRouter()
for_dapr = APIRouter(prefix="/events", tags=["events"], dependencies=[Depends(only_dapr)])


@router.post("/orders", status_code=201, responses={**STORED, **documented(409, 422, 502, 503, 504)})
async def store_order(order: Order, orders: Book, response: Response) -> OrderState:
    """Store an order. It starts no workflow: POST /start-order of pizza-workflow does."""
    if not await orders.put(order):
        response.status_code = 200
    return await orders.get(order.order_id)


@router.get("/orders", responses=documented(422, 502, 503, 504))
async def list_orders(orders: Book, limit: Limit = 20, before: Before = None) -> OrderList:
    """List orders, newest first."""
    return await orders.newest(limit, before)


@router.get("/orders/{order_id}", responses={**NO_ORDER, **documented(422, 502, 503, 504)})
async def get_order(order_id: OrderIdPath, orders: Book) -> OrderState:
    """Return an order with its timeline, also after Dapr has purged its workflow."""
    return await orders.get(order_id)


@router.delete("/orders/{order_id}", status_code=204, responses={**NO_ORDER, **documented(409, 422, 502, 503, 504)})
async def delete_order(order_id: OrderIdPath, orders: Book) -> None:
    """Delete an order whose run has ended, with the customer's data. It may then be started again."""
    await orders.delete(order_id)


@for_dapr.post("/orders", **EVENT)
async def on_order_event(event: Event, orders: Book) -> EventAnswer:
    """Enter an event of the topic `orders`. One that can never be used is dropped, and becomes a dead letter."""
    try:
        await orders.enter(OrderEvent.model_validate(event))
    except (ValidationError, AnotherRun) as error:
        reason = str(error) if isinstance(error, AnotherRun) else events.why(error, event)
        log.warning("event dropped", extra={"event_id": events.id_of(event), "reason": reason})
        return EventAnswer(status="DROP")
    return EventAnswer(status="SUCCESS")


@for_dapr.post("/orders-dead", **EVENT)
async def on_dead_letter(event: DeadEvent, letters: Letters) -> EventAnswer:
    """Keep an event that could not be used, from the topic `orders-dead`."""
    try:
        OrderEvent.model_validate(event)
        reason = "the event is valid: it is of another run, or a dependency failed"
    except ValidationError as error:
        reason = events.why(error, event)
    await letters.keep(event, reason)
    return EventAnswer(status="SUCCESS")


@router.get("/dead-letters", tags=["events"], responses=documented(422, 502, 503, 504))
async def list_dead_letters(letters: Letters, limit: Limit = 20, before: LettersBefore = None) -> DeadLetterList:
    """List events that could not be used, newest first."""
    found = await letters.newest(limit, before)
    shown = [{**letter, "event": json.dumps(letter["event"])[:CHARACTERS_SHOWN]} for _, letter in found.entries]
    return DeadLetterList(dead_letters=[DeadLetter.model_validate(letter) for letter in shown], next=found.next)


@router.post(
    "/dead-letters/{letter_id}/replay",
    status_code=202,
    tags=["events"],
    responses=documented(404, 409, 422, 502, 503, 504),
)
async def replay(letter_id: LetterIdPath, letters: Letters, orders: Book) -> Replayed:
    """Enter a dead letter after all, and remove it from the list. One that still cannot be used stays."""

    async def enter(event: object) -> None:
        await orders.enter(OrderEvent.model_validate(event))

    try:
        if not await letters.replay(letter_id, enter):
            raise HTTPException(404, "letter_id: there is no such dead letter.")
    except ValidationError as error:
        # The answer names the fields, as for a bad request.
        faults = [{**fault, "loc": ("event", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from error
    except AnotherRun as error:
        raise OrderError(409, str(error), code="RUN_UNDER_WAY") from error
    return Replayed(id=letter_id)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Open the store, and yield what the routes share."""
    settings: Settings = app.state.settings
    async with aclosing(SdkClient(settings, app.state.session, settings.store_timeout_seconds)) as sdk:
        store, retention = StateStore(sdk, settings.order_store), settings.order_retention_seconds
        orders = Orders(store, settings.orders_per_page, retention)
        yield {"store": store, "orders": orders, "dead_letters": DeadLetters(store, retention)}


async def ready(request: Request) -> None:
    """Check the key by which orders are stored."""
    await request.state.store.check_key()


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    return build(
        settings,
        title="pizza-order",
        description="Keeps orders.",
        welcome=WELCOME,
        routers=[router, for_dapr],
        lifespan=lifespan,
        ready=ready,
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
