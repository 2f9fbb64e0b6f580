"""The answer to one event, which all four kinds of subscription share."""

import logging
from typing import Literal

from pydantic import ValidationError

from inbox import Inbox
from kit.edge.problems import Refused
from kit.sidecar import events
from kit.sidecar.events import CloudEvent
from kit.sidecar.unavailable import Unavailable

Status = Literal["SUCCESS", "RETRY", "DROP"]

log = logging.getLogger("subscriptions")


async def process(inbox: Inbox, event: CloudEvent, topic: str) -> Status:
    """Store the notification of an event, and return the answer for Dapr.

    An event that can never be processed is dropped, and Dapr makes it a dead letter at once. Anything else may succeed
    later. An answer of status 500 would be retried too, but a bulk and a stream need a status for each event.
    """
    about = {"event_id": events.id_of(event), "topic": topic}
    try:
        await inbox.take(event, topic)
    except ValidationError as error:
        log.warning("event dropped", extra={**about, "reason": events.why(error, event)})
        return "DROP"
    except (Unavailable, Refused) as error:
        log.warning("event to be retried", extra={**about, "reason": str(error)})
        return "RETRY"
    log.info("event processed", extra=about)
    return "SUCCESS"
