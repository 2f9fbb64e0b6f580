"""The events that chat publishes (asyncapi.yaml), and how the streams behind them lose what is forgotten."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

import aiohttp
import grpc
from dapr.clients.exceptions import DaprGrpcError

from failures import NonRetryableError, Unreachable
from models import Leftovers
from sdk_client import SdkClient
from settings import Settings
from turn import ChatTurn

TRIM_JOB = "trim-conversations"
# More than once: a step that its ended workflow left running may publish a moment later.
TRIM_SCHEDULE, TRIM_TIMES = "@every 3s", 3
# A stream is trimmed when something is added to it, and with `stream-node-max-entries 1` of at most a hundred entries.
# These are enough for the 30,000 turns that 50 a second come to in ten minutes.
MARKERS = 100


class Events:
    """Publishes on chat's one topic; raises Unreachable or NonRetryableError, which name the pubsub component."""

    def __init__(self, settings: Settings, client: SdkClient, session: aiohttp.ClientSession) -> None:
        self._settings, self._client, self._session = settings, client, session

    async def conversation_updated(self, turn: ChatTurn, reply: str) -> None:
        """Tells of a turn. Its event id is the message id, so that a turn told twice is kept once."""
        data = {
            "user_id": turn.user_id,
            "session_id": turn.session_id,
            "event_type": "ConversationUpdated",
            "user_message": turn.text,
            "assistant_reply": reply,
            "message_id": turn.message_id,
            # Of arrival: a client's clock that runs ahead must not bring a forgotten user back.
            "timestamp": turn.received_at.isoformat(),
        }
        metadata = {"cloudevent.id": turn.message_id, "cloudevent.type": "ConversationUpdated"}
        if turn.traceparent:
            metadata["cloudevent.traceparent"] = turn.traceparent
        await self._publish(data, metadata)

    async def stream_trimmed(self) -> None:
        """Adds events that say nothing, for Redis trims what is too old when something new comes."""
        data = {"event_type": "StreamTrimmed", "timestamp": datetime.now(UTC).isoformat()}
        for _ in range(MARKERS):
            await self._publish(data, {"cloudevent.type": "StreamTrimmed"})

    async def trim_later(self, leftovers: Leftovers) -> None:
        """Has a Dapr job call back (`POST /job/{name}`) when what was published by now is old enough to be trimmed."""
        data = leftovers.model_dump(mode="json")
        due = f"{self._settings.stream_ttl_seconds + 2}s"
        job = {"dueTime": due, "schedule": TRIM_SCHEDULE, "repeats": TRIM_TIMES, "data": data}
        # A name of its own: a try before this one may have found what this one did not.
        url = f"http://127.0.0.1:{self._settings.dapr_http_port}/v1.0/jobs/{TRIM_JOB}-{uuid4().hex[:16]}"
        try:
            async with self._session.post(url, json=job) as response:
                if not response.ok:
                    raise Unreachable("Dapr scheduler", f"it answered {response.status}.")
        except aiohttp.ClientError as error:
            raise Unreachable("Dapr scheduler", "the Dapr sidecar cannot be reached.") from error

    async def _publish(self, data: Mapping[str, object], metadata: dict[str, str]) -> None:
        name, topic = self._settings.pubsub_name, self._settings.conversations_topic
        client = await self._client.get()
        try:
            await client.publish_event(
                name, topic, json.dumps(data), publish_metadata=metadata, data_content_type="application/json"
            )
        except DaprGrpcError as error:
            if error.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT):
                raise NonRetryableError(name, f"Dapr answers {error.code().name} for {topic}.") from error
            raise Unreachable(name, f"Dapr answers {error.code().name} for {topic}.") from error
