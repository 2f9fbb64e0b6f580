"""The statuses of orders, as events on the topic `orders` (asyncapi.yaml)."""

from collections.abc import Sequence

from kit.sidecar.client import SdkClient
from kit.sidecar.events import Publisher
from kit.sidecar.unavailable import Unavailable
from messages import StatusEvent
from settings import Settings


class StatusEvents:
    """Publish statuses."""

    def __init__(self, settings: Settings, sdk: SdkClient) -> None:
        seconds = settings.time_limits.publish_status
        self._publisher = Publisher(sdk, settings.pubsub_name, "pizza-workflow", seconds)
        self._topic = settings.orders_topic

    async def publish(self, events: Sequence[StatusEvent], trace: str | None) -> list[StatusEvent]:
        """Publish these events in order, and return the rest if one fails: the pizza matters more than its statuses."""
        for number, event in enumerate(events):
            change = event.change
            data = change.model_dump(mode="json", exclude_none=True)
            try:
                await self._publisher.publish(
                    self._topic, "OrderStatusChanged", data,
                    id=event.event_id, subject=change.order_id, time=change.at, traceparent=trace,
                )  # fmt: skip
            except Unavailable:
                return list(events[number:])
        return []
