"""The events that chat publishes (asyncapi.yaml), and the trimming of their stream after a user was forgotten."""

from datetime import UTC, datetime
from uuid import uuid4

from kit.sidecar.events import Publisher
from kit.sidecar.jobs import Jobs
from messages import Message
from models import Leftovers

TRIM_JOB = "trim-conversations"
# More than once: a step that was in flight when its workflow ended may publish a moment later.
TRIM_SCHEDULE, TRIM_TIMES = "@every 3s", 3
# A stream is trimmed when something is added to it, and with `stream-node-max-entries 1` of at most a hundred entries.
# That is enough for the 30,000 turns that 50 a second make in ten minutes.
MARKERS = 100


class Events:
    """Publish on chat's one topic. Methods raise Unavailable, which names the component or the scheduler."""

    def __init__(self, publisher: Publisher, topic: str, jobs: Jobs, stream_ttl_seconds: int) -> None:
        self._publisher, self._topic = publisher, topic
        self._jobs, self._stream_ttl = jobs, stream_ttl_seconds

    async def conversation_updated(self, message: Message, reply: str) -> None:
        """Publish a turn. Its event id is the message id, so a turn that is published twice is kept once."""
        data = {
            "user_id": message.user_id,
            "session_id": message.session_id,
            "event_type": "ConversationUpdated",
            "user_message": message.text,
            "assistant_reply": reply,
            "message_id": message.message_id,
            # Of arrival: a client's clock that runs ahead must not bring a forgotten user back.
            "timestamp": message.received_at.isoformat(),
        }
        await self._publisher.publish(self._topic, "ConversationUpdated", data, id=message.message_id)

    async def stream_trimmed(self) -> None:
        """Add events without content, because Redis drops old entries when a new one is added."""
        data = {"event_type": "StreamTrimmed", "timestamp": datetime.now(UTC).isoformat()}
        for _ in range(MARKERS):
            await self._publisher.publish(self._topic, "StreamTrimmed", data)

    async def trim_later(self, leftovers: Leftovers) -> None:
        """Schedule a job (`POST /job/{name}`) for the time when all events of now are old enough to be dropped."""
        # No name twice: an attempt before this one may have found other leftovers.
        await self._jobs.schedule(
            f"{TRIM_JOB}-{uuid4().hex[:16]}",
            f"{self._stream_ttl + 2}s",
            schedule=TRIM_SCHEDULE,
            repeats=TRIM_TIMES,
            data=leftovers.model_dump(mode="json"),
        )
