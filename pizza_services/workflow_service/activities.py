"""The steps of the workflows: each has one side effect, and may be repeated, because a crash may repeat it.

They run on the event loop of the service, where its clients live. What fails is raised: the workflow's retry policy,
and in the end its compensation, are there for it.
"""

import asyncio
import json
from typing import Any

from claims import Claims
from instances import Instances, Unreadable, active, not_begun
from messages import Done, Step, Telling, Verdict, WaitingPizza, run_of
from names import instance_of, validation_of
from peers import Peers
from sdk_client import SdkClient
from settings import Settings
from store import Store

CLOUD_EVENT = "application/cloudevents+json"


class Activities:
    """The activities, by the names the workflows call them by."""

    def __init__(
        self, settings: Settings, peers: Peers, sdk: SdkClient, store: Store, claims: Claims, instances: Instances
    ) -> None:
        self._settings, self._limits = settings, settings.time_limits
        self._peers, self._sdk, self._store = peers, sdk, store
        self._claims, self._instances = claims, instances

    async def order_pizza(self, step: Step) -> dict[str, Any]:
        """Has the storefront take the order."""
        return await self._do(self._settings.storefront_app_id, "order", step, self._limits.order_pizza)

    async def cook_pizza(self, step: Step) -> dict[str, Any]:
        """Has the kitchen cook the pizza of this attempt."""
        return await self._do(self._settings.kitchen_app_id, "cook", step, self._limits.cook_pizza)

    async def deliver_pizza(self, step: Step) -> dict[str, Any]:
        """Has the pizza delivered."""
        return await self._do(self._settings.delivery_app_id, "deliver", step, self._limits.deliver_pizza)

    async def recall_delivery(self, step: Step) -> dict[str, Any]:
        """Undoes deliver_pizza."""
        return await self._undo(self._settings.delivery_app_id, "recall", step)

    async def discard_pizza(self, step: Step) -> dict[str, Any]:
        """Undoes cook_pizza of this attempt."""
        return await self._undo(self._settings.kitchen_app_id, "discard", step)

    async def refund_order(self, step: Step) -> dict[str, Any]:
        """Undoes the payment in order_pizza."""
        return await self._undo(self._settings.storefront_app_id, "refund", step)

    async def cancel_order(self, step: Step) -> dict[str, Any]:
        """Undoes order_pizza."""
        return await self._undo(self._settings.storefront_app_id, "cancel", step)

    async def validate_pizza(self, pizza: WaitingPizza) -> dict[str, Any] | None:
        """Notes that this pizza waits for a verdict; returns the one that it has got before, if it has."""
        async with asyncio.timeout(self._limits.validate_pizza):
            key = validation_of(pizza.order_id)
            waiting, etag = await self._store.read(key, WaitingPizza)
            if waiting is None or waiting.run != pizza.run or waiting.attempt < pizza.attempt:
                await self._store.write(key, pizza, etag)
                return None
        # A repetition may come so late that the next pizza waits already.
        if waiting.attempt > pizza.attempt or waiting.status == "pending_validation":
            return None
        return Verdict(run=pizza.run, attempt=pizza.attempt, approved=waiting.status == "approved").model_dump()

    async def publish_status(self, telling: Telling) -> None:
        """Publishes an OrderStatusChanged event (asyncapi.yaml), as a CloudEvent whose id is given.

        The last one of a run is noted in its claim too: it is known there when nobody else has heard of it.
        """
        event = {
            "specversion": "1.0",
            "id": telling.event_id,
            "source": "pizza-workflow",
            "type": "OrderStatusChanged",
            "subject": telling.told.order_id,
            "time": telling.told.at,
            "datacontenttype": "application/json",
            "data": telling.told.model_dump(mode="json", exclude_none=True),
        }
        if telling.trace:
            event["traceparent"] = telling.trace
        pubsub, topic = self._settings.pubsub_name, self._settings.orders_topic
        async with asyncio.timeout(self._limits.publish_status):
            if telling.told.final:
                await self._claims.finish(telling.told.order_id, telling.told.run)
            async with self._sdk.lent() as client:
                await client.publish_event(pubsub, topic, json.dumps(event), data_content_type=CLOUD_EVENT)

    async def stop_order(self, step: Step) -> str | None:
        """Terminates the workflow of an order, and returns when it does nothing more: how it ended, if it is known."""
        instance_id = instance_of(step.order.order_id)
        async with asyncio.timeout(self._limits.stop_order):
            try:
                state = await self._instances.state(instance_id)
            except Unreadable:
                return None
            if state and not state.serialized_input:
                raise not_begun(step.order.order_id)
            # Another run of the same order, which began when this one had ended, goes on.
            if state is None or run_of(state.serialized_input) != step.run:
                return None
            ended = await self._instances.stop(instance_id) if active(state) else state.runtime_status
            return ended.name

    async def _do(self, app_id: str, method: str, step: Step, seconds: float) -> dict[str, Any]:
        body = {**step.order.model_dump(), "run": step.run, "attempt": step.attempt}
        return await self._call(app_id, method, body, step.trace, seconds)

    async def _undo(self, app_id: str, method: str, step: Step) -> dict[str, Any]:
        body = {"order_id": step.order.order_id, "run": step.run, "attempt": step.attempt}
        return await self._call(app_id, method, body, step.trace, self._limits.undo)

    async def _call(
        self, app_id: str, method: str, body: dict[str, Any], trace: str | None, seconds: float
    ) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            answer = await self._peers.post(app_id, method, body, trace)
        Done.model_validate(answer)
        return answer
