"""CloudEvents as Dapr delivers them."""

import json
from typing import Any, cast

from fastapi import Request
from pydantic import TypeAdapter

from models import StreamTrimmed

MARKER = StreamTrimmed.model_fields["event_type"].default
JSON = TypeAdapter[Any](Any)


async def read(request: Request) -> dict[str, Any]:
    """The event in the body; what is none is put into one, so that it can be kept as a dead letter.

    Not by FastAPI: its answer to a bad body is an error, on which Dapr would send the same body again and again.
    """
    body = await request.body()
    try:
        event = json.loads(body)
        # What cannot be written again, for its nesting or half a character, would break the list of dead letters.
        JSON.dump_json(event)
    except (ValueError, RecursionError):
        event = body.decode(errors="replace")
    return cast("dict[str, Any]", event) if isinstance(event, dict) else {"id": "", "data": event}


def is_marker(event: dict[str, Any]) -> bool:
    """Whether nobody has to act on it: it was only written to have its stream trimmed."""
    return event.get("type") == MARKER


def data(event: object) -> object:
    """What the event is about."""
    return cast("dict[str, Any]", event).get("data") if isinstance(event, dict) else None
