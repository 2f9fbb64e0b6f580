"""A bulk subscription: Dapr delivers many events in one request, and gets an answer for each of them.

It is declared in components/notification-subscriptions.yaml (`bulkSubscribe`). Only the entries answered with RETRY are
delivered again. The rest of the topic waits for them.
"""

import asyncio
from typing import cast

from fastapi import APIRouter, Depends

from inbox import ANNOUNCEMENTS, reason
from kit.edge.problems import documented
from kit.edge.token import only_dapr
from kit.sidecar.events import CloudEvent
from models import Bulk, BulkAnswer, BulkEntry, EntryAnswer
from subscriptions.answers import process
from wiring import Services, ServicesDep

router = APIRouter(prefix="/events", tags=["events"], dependencies=[Depends(only_dapr)])


@router.post("/announcements", responses=documented(401, 422, 502, 503, 504))
async def on_announcements(bulk: Bulk, services: ServicesDep) -> BulkAnswer:
    """Take a bulk of events of topic `announcements`. All are stored at the same time."""
    return BulkAnswer(statuses=await asyncio.gather(*(_take(entry, services) for entry in bulk.entries)))


async def _take(entry: BulkEntry, services: Services) -> EntryAnswer:
    event = cast("CloudEvent", entry.event) if isinstance(entry.event, dict) else {"data": entry.event}
    status = await process(services.inbox, event, ANNOUNCEMENTS)
    if status == "DROP":
        # Dapr would crash, or make a dead letter of another entry (docs/dapr-faults.md). RETRY holds up the topic.
        await services.letters.keep(event, reason(event, ANNOUNCEMENTS), topic=ANNOUNCEMENTS)
        status = "SUCCESS"
    return EntryAnswer(entryId=entry.entryId, status=status)
