"""A streaming subscription: the app opens a stream to its sidecar, and events arrive on it. No route, no open port.

It begins and ends while the app runs. The sidecar delivers nothing while no stream is open, and events wait.
"""

import asyncio
import logging

from dapr.aio.clients.grpc.subscription import Subscription
from dapr.clients.grpc._response import TopicEventResponse
from dapr.common.pubsub.subscription import SubscriptionMessage  # pyright: ignore[reportMissingTypeStubs]

from inbox import TASK_EVENTS, Inbox
from kit.sidecar.client import SdkClient
from kit.sidecar.events import json_of
from settings import Settings
from subscriptions.answers import process

log = logging.getLogger("subscriptions")


class Stream:
    """The stream of topic `task-events`. It takes one event after the other."""

    def __init__(self, sdk: SdkClient, settings: Settings, inbox: Inbox) -> None:
        self._sdk, self._settings, self._inbox = sdk, settings, inbox

    async def follow(self) -> None:
        """Take events until this task is cancelled. Open the stream again after its sidecar was lost."""
        while True:
            try:
                await self._receive()
            # The SDK raises a plain Exception for a stream that ended.
            except Exception as error:
                log.warning("stream lost", extra={"topic": TASK_EVENTS, "reason": str(error)})
            await asyncio.sleep(self._settings.reconnect_seconds)

    async def _receive(self) -> None:
        pubsub, dead = self._settings.pubsub, self._settings.dead_letter_topic
        async with self._sdk.calling(pubsub, self._settings.open_timeout_seconds) as client:
            subscription = await client.subscribe(  # pyright: ignore[reportUnknownMemberType]
                pubsub, TASK_EVENTS, dead_letter_topic=dead
            )
        log.info("stream opened", extra={"topic": TASK_EVENTS})
        try:
            while True:
                message = await subscription.next_message()
                # None: the SDK found the stream broken, and has opened it again.
                if message is not None:
                    await self._take(message, subscription)
        finally:
            await subscription.close()

    async def _take(self, message: SubscriptionMessage, subscription: Subscription) -> None:
        event = {
            "specversion": message.spec_version(),
            "id": message.id(),
            "source": message.source(),
            "type": message.type(),
            "datacontenttype": message.data_content_type(),
            # Not message.data(): it is None if the content type has a charset.
            "data": json_of(message.raw_data()),
        }
        status = await process(self._inbox, event, TASK_EVENTS)
        answer = TopicEventResponse(status.lower()).status
        await subscription.respond(message, answer)  # pyright: ignore[reportUnknownMemberType]
