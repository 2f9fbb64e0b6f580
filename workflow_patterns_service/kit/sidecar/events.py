"""CloudEvents: read leniently, because an error would only make Dapr deliver them again; published with an envelope."""

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from kit.sidecar.client import SdkClient

CLOUD_EVENT = "application/cloudevents+json"
CloudEvent = dict[str, Any]


async def read(request: Request) -> CloudEvent:
    """Return the event in a request. A body that is no event becomes the data of one."""
    return parse(await request.body())


async def read_dead(request: Request) -> CloudEvent:
    """Return the event in a request from a dead-letter topic.

    Dapr makes a dead letter of a payload that is no CloudEvent, and drops it when it delivers from that topic. So the
    subscription has `rawPayload`: Dapr then wraps each payload in another event.
    """
    wrapped = await read(request)
    payload = wrapped.get("data_base64")
    with suppress(ValueError):
        return parse(base64.b64decode(payload, validate=True)) if isinstance(payload, str) else wrapped
    return wrapped


def parse(body: bytes) -> CloudEvent:
    """Return the event in a body. A body that is no event, or could not be shown, becomes the data of one."""
    found = json_of(body)
    return cast("CloudEvent", found) if isinstance(found, dict) else {"data": found}


def json_of(body: bytes) -> Any:
    """Return the JSON of a body. Anything else is returned as text, and so is JSON that no list could show."""
    try:
        return showable(json.loads(body))
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def showable(found: Any) -> Any:
    """Return parsed JSON unchanged. Raise ValueError or RecursionError for half a character or too deep a nesting.

    It would break every list that has it: there it is nested some levels deeper, and the list is read again.
    """
    from_json(to_json([[[[found]]]]))
    return found


def data_of(event: object) -> Any:
    """Return the data of an event: parsed, if its content type is a JSON one that Dapr does not parse itself."""
    if not isinstance(event, dict):
        return None
    known = cast("CloudEvent", event)
    data = known.get("data")
    # The data stays as it is if it is no JSON, and its validation names the fault.
    with suppress(ValueError, RecursionError):
        if data is None and isinstance(known.get("data_base64"), str):
            data = base64.b64decode(known["data_base64"], validate=True).decode()
        if isinstance(data, str) and is_json(known.get("datacontenttype")):
            data = showable(json.loads(data))
    return data


def is_json(content_type: object) -> bool:
    """Check for a JSON media type, such as `application/json` or `application/vnd.x+json; charset=utf-8`."""
    kind = content_type.partition(";")[0].strip().lower() if isinstance(content_type, str) else ""
    return kind == "application/json" or kind.endswith("+json")


def digest(event: CloudEvent) -> str:
    """Return an id for an event, equal for all deliveries of it, that may be part of keys and URLs.

    Its own id is its publisher's choice, so two events may share it: its data counts too. Its time and trace do not,
    because a publisher may publish one event twice.
    """
    same = [event.get("source"), event["id"], event.get("data"), event.get("data_base64")] if event.get("id") else event
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:32]


def id_of(event: CloudEvent) -> str:
    """Return the event's own id, cut to a bounded length: publishers choose it."""
    return str(event.get("id") or "").encode("ascii", "backslashreplace").decode()[:200]


def why(error: ValidationError, event: CloudEvent) -> str:
    """Return the faults in the data of an event as one line, without repeating any of it."""
    faults = error.errors(include_input=False, include_url=False)[:20]
    found = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'data'}: {fault['msg']}" for fault in faults)
    kind = event.get("datacontenttype")
    about = "" if kind is None or is_json(kind) else f" (content type {str(kind)[:100]})"
    return found[:900] + about


class Publisher:
    """Publish events of this app on a pub/sub component. `source` is the app's name."""

    def __init__(self, sdk: SdkClient, pubsub: str, source: str) -> None:
        self._sdk, self._pubsub, self._source = sdk, pubsub, source

    async def publish(
        self, topic: str, kind: str, data: BaseModel | Mapping[str, Any], **attributes: str | None
    ) -> None:
        """Publish an event of type `kind`. Raise Unavailable, which names the component.

        attributes: more CloudEvent attributes, such as id, subject and time. An event that is published
        twice under one id is one event.
        """
        given = {name: value for name, value in attributes.items() if value is not None}
        event = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": self._source,
            "type": kind,
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            **given,
            "data": data.model_dump(mode="json") if isinstance(data, BaseModel) else data,
        }
        async with self._sdk.calling(self._pubsub) as client:
            await client.publish_event(self._pubsub, topic, json.dumps(event), data_content_type=CLOUD_EVENT)
