"""Locks: the digest of a day is mailed once, although each replica's sidecar calls it.

A lock expires. So a replica that crashes holds up the others only until then, but one that is frozen for longer loses
its lock without notice. A mark in the state store says whether a digest was sent.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

from fastapi import APIRouter, Depends

from blocks.bindings import mail
from kit.edge.problems import documented
from kit.edge.token import only_dapr
from kit.sidecar.collection import Collection
from models import Before, Digest, DigestAnswer, DigestPage, Limit
from wiring import Services, ServicesDep

router = APIRouter(tags=["digest"])


@asynccontextmanager
async def lock(services: Services, name: str, seconds: int) -> AsyncGenerator[bool]:
    """Hold a lock while the block runs. Yield False at once if another owner holds it."""
    store, owner = services.settings.lock_store, uuid4().hex
    async with services.sdk.calling(store) as client:
        is_mine = (await client.try_lock(store, name, owner, seconds)).success
    try:
        yield is_mine
    finally:
        if is_mine:
            # Only its owner can release it: one that has expired may be another replica's by now.
            async with services.sdk.calling(store) as client:
                await client.unlock(store, name, owner)


async def send_digest(services: Services, day: str) -> DigestAnswer:
    """Mail the digest of a day unless that was done.

    A crash between the mail and its mark is followed by a second mail at the next call. The other order would lose it.
    """
    digests = collection(services)
    async with lock(services, f"digest-{day}", services.settings.digest_lock_seconds) as is_mine:
        if not is_mine:
            return DigestAnswer(status="LOCKED")
        if await digests.get(day):
            return DigestAnswer(status="ALREADY_SENT")
        tasks = (await services.tasks.newest(200)).entries
        titles = [task.title for _, task in tasks if task.status == "pending"]
        to = services.settings.digest_to
        await mail(services, to, f"Tasks of {day}", "\n".join([f"{len(titles)} tasks are pending.", *titles]))
        sent = Digest(day=day, sent_at=datetime.now(UTC), to=to, pending=len(titles))
        await digests.change(day, lambda _: sent)
        return DigestAnswer(status="SENT")


def collection(services: Services) -> Collection[Digest]:
    """Return the digests that were mailed."""
    return Collection(services.store.of(Digest), services.pages, "digests", "digest-")


@router.post("/digest-cron", dependencies=[Depends(only_dapr)], responses=documented(401, 502, 503, 504))
async def digest_due(services: ServicesDep) -> DigestAnswer:
    """Mail today's digest: the binding digest-cron calls the route of its name. Dapr does not retry that call."""
    return await send_digest(services, datetime.now(UTC).date().isoformat())


@router.get("/digests", responses=documented(422, 502, 503, 504))
async def sent_digests(services: ServicesDep, limit: Limit = 20, before: Before = None) -> DigestPage:
    """Return the digests that were mailed, newest first."""
    found = await collection(services).newest(limit, before)
    return DigestPage(digests=[digest for _, digest in found.entries], next=found.next)
