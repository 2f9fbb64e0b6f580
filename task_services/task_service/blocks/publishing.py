"""Pub/sub: publish one event with metadata, raw bytes, or many events at once."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import aiohttp
from fastapi import APIRouter

from kit.edge.problems import documented
from kit.sidecar.unavailable import Unavailable, sidecar_down, too_slow
from models import Announcement, Announcements, Published, PublishedMany
from wiring import Services, ServicesDep

KIND = "task.announced"
CLOUD_EVENT = "application/cloudevents+json"

router = APIRouter(prefix="/announcements", tags=["publishing"], responses=documented(422, 502, 503, 504))


@router.post("", status_code=202)
async def announce(one: Announcement, services: ServicesDep) -> Published:
    """Publish an announcement. Dapr adds the envelope, with the attributes given here, unless it is raw."""
    event_id, settings = str(uuid4()), services.settings
    metadata = {"cloudevent.id": event_id, "cloudevent.type": KIND}
    if one.expires_in:
        # Redis has no such limit. Dapr writes it into the envelope, and drops a late event when it delivers it.
        metadata["ttlInSeconds"] = str(one.expires_in)
    body = one.model_dump(include={"message", "user_id"})
    if one.raw:
        # The bytes are the message, so the app writes the envelope that Dapr's subscribers expect.
        body, metadata = _envelope(event_id, body), {"rawPayload": "true"}
    async with services.sdk.calling(settings.pubsub_name) as client:
        await client.publish_event(
            settings.pubsub_name,
            settings.announcement_topic,
            json.dumps(body),
            publish_metadata=metadata,
            data_content_type="application/json",
        )
    return Published(id=event_id, published=True)


@router.post("/bulk", status_code=202)
async def announce_many(many: Announcements, services: ServicesDep) -> PublishedMany:
    """Publish many announcements in one call. Send again those that were not published."""
    events = [_envelope(str(uuid4()), one.model_dump()) for one in many.announcements]
    failed = await _publish_bulk(events, services)
    return PublishedMany(results=[Published(id=one["id"], published=one["id"] not in failed) for one in events])


async def _publish_bulk(events: list[dict[str, Any]], services: Services) -> set[str]:
    """Return the ids of the events that were not published. Raise Unavailable if none was."""
    # By HTTP: the SDK names failed entries by ids that it makes itself and does not return for the others.
    entries = [{"entryId": one["id"], "event": one, "contentType": CLOUD_EVENT} for one in events]
    settings = services.settings
    pubsub, seconds = settings.pubsub_name, settings.call_timeout_seconds
    url = f"http://127.0.0.1:{settings.dapr_http_port}/v1.0/publish/bulk/{pubsub}/{settings.announcement_topic}"
    try:
        async with asyncio.timeout(seconds), services.session.post(url, json=entries) as response:
            answer: dict[str, Any] = json.loads(await response.read() or "{}")
    except TimeoutError as error:
        raise too_slow(pubsub, seconds) from error
    except aiohttp.ClientError as error:
        raise sidecar_down(error) from error
    failed = {entry["entryId"] for entry in answer.get("failedEntries", [])}
    if response.status >= 400 and not 0 < len(failed) < len(entries):
        code, reason = answer.get("errorCode"), str(answer)[:1000]
        raise Unavailable(503, pubsub, f"{pubsub} cannot be used now.", code, reason)
    return failed


def _envelope(event_id: str, data: dict[str, str]) -> dict[str, Any]:
    about = {"specversion": "1.0", "id": event_id, "source": "task-api", "type": KIND}
    return {**about, "datacontenttype": "application/json", "data": data}
