"""A message that becomes an event: decisions about expenses, from the topic expenses.

Any body is accepted and checked here, because an error would make Dapr deliver the message again, and lose it in the
end. A message that can never be processed is dropped, and Dapr makes it a dead letter.
"""

import logging

from pydantic import Field, ValidationError

from kit.edge.problems import Refused
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.events import CloudEvent, data_of, id_of, why
from models import ID, EventAnswer
from patterns.approval import DECISION, PATTERN, Decision
from runs import Runs

log = logging.getLogger("decisions")


class DecisionMessage(Decision):
    """The data of a message (asyncapi.yaml)."""

    instance_id: str = Field(pattern=ID, description="The run of the pattern approval", examples=["expense-1"])


async def deliver(message: CloudEvent, runs: Runs) -> EventAnswer:
    """Raise the event that a message brings. Raise Unavailable, so that Dapr delivers the message again.

    Dapr may deliver a message twice. The workflow reads one decision, so the second changes nothing.
    """
    try:
        found = DecisionMessage.model_validate(data_of(message))
        if (await runs.record(found.instance_id)).pattern != PATTERN.name:
            return _drop(message, f"{found.instance_id} is no expense")
        await runs.raise_event(found.instance_id, DECISION, Decision(approved=found.approved, by=found.by))
    except ValidationError as error:
        return _drop(message, why(error, message))
    except Refused as refusal:
        if refusal.members.get("code") == "ENDED":
            # Decided already, perhaps by an earlier delivery of this message.
            return EventAnswer(status="SUCCESS")
        return _drop(message, str(refusal))
    return EventAnswer(status="SUCCESS")


async def keep(message: CloudEvent, letters: DeadLetters) -> EventAnswer:
    """Keep a dead letter. Dapr does not say why delivery failed, so the reason is looked for again."""
    try:
        DecisionMessage.model_validate(data_of(message))
        reason = "no run waited for it, or it could not be delivered in time"
    except ValidationError as error:
        reason = why(error, message)
    await letters.keep(message, reason)
    return EventAnswer(status="SUCCESS")


def _drop(message: CloudEvent, reason: str) -> EventAnswer:
    log.warning("message dropped", extra={"event_id": id_of(message), "reason": reason})
    return EventAnswer(status="DROP")
