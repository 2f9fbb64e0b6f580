"""The statuses of orders, as events on the topic `orders` (asyncapi.yaml)."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from kit.sidecar.client import SdkClient
from kit.sidecar.events import Publisher
from kit.sidecar.unavailable import Unavailable
from messages import StatusEvent
from settings import Settings


class StatusEvents:
    """Publish statuses."""

    def __init__(self, settings: Settings, sdk: SdkClient) -> None:
        self._seconds = settings.time_limits.publish_status
        self._publisher = Publisher(sdk, settings.pubsub_name, "pizza-workflow")
        self._topic = settings.orders_topic

    async def publish(self, events: Sequence[StatusEvent]) -> list[StatusEvent]:
        """Publish these events in order, and return the rest if one fails: the pizza matters more than its statuses.

        All of them have one time limit, because `TimeLimits.idle` counts on the end of each activity.
        """
        left = list(events)
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(self._seconds):
                while left:
                    change = left[0].change
                    data = change.model_dump(mode="json", exclude_none=True)
                    await self._publisher.publish(
                        self._topic, "OrderStatusChanged", data,
                        id=left[0].event_id, subject=change.order_id, time=change.at,
                    )  # fmt: skip
                    left.pop(0)
        return left
