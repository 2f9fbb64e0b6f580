"""The attachment of a task: a file in encrypted parts, each behind a binding, and a list of them in the state store.

The app holds one part at a time, and a part fits into Dapr's largest message (4 MiB). The list has the digest of each
part, so a part that was exchanged on the disk is found.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from uuid import uuid4

from blocks.bindings import call_file
from kit.edge.problems import Refused
from kit.sidecar.unavailable import Unavailable
from models import Attachment
from wiring import Services

PART_BYTES = 512 * 1024

Step = Callable[[bytes], Awaitable[bytes]]

log = logging.getLogger("attachments")


async def store(services: Services, task_id: str, body: AsyncIterator[bytes], seal: Step) -> Attachment:
    """Store a file, then delete the one that it replaces. Raise Refused if it is empty, or its task is gone."""
    new, earlier = Attachment(name=f"{task_id}/{uuid4().hex}"), list[Attachment]()
    try:
        async for part in in_parts(body):
            sealed = await seal(part)
            new.digests.append(sha256(part).hexdigest())
            new.size += len(part)
            await call_file(services, "create", new.files[-1], sealed)
        if not new.size:
            raise Refused(422, "body: it is empty.")
    except BaseException:
        await _delete(services, new)
        raise

    def replace(known: Attachment | None) -> Attachment:
        earlier[:] = [known] if known and known.name != new.name else []
        return new

    # Readers find the earlier file until here, and the new one from here on.
    await services.store.of(Attachment).change(_key(task_id), replace)
    for one in earlier:
        await _delete(services, one)
    if not await services.state.read_many([task_id]):
        # It was deleted during the upload, perhaps before there was an attachment to delete with it.
        await remove(services, task_id)
        raise Refused(404, "Task not found")
    return new


async def load(services: Services, task_id: str, unseal: Step) -> tuple[int, AsyncIterator[bytes]]:
    """Return the size of a file, and its parts. The first one is opened at once, so a caller sees most faults."""
    found = (await services.store.of(Attachment).get(_key(task_id))).value
    if found is None:
        raise Refused(404, "This task has no attachment.")
    parts = _opened(services, found, unseal)
    first = await anext(parts)

    async def rest() -> AsyncIterator[bytes]:
        yield first
        async for part in parts:
            yield part

    return found.size, rest()


async def remove(services: Services, task_id: str) -> None:
    """Delete the file of a task that was deleted, if there is one."""
    key, kept = _key(task_id), services.store.of(Attachment)
    try:
        if found := (await kept.get(key)).value:
            await kept.delete(key)
            await _delete(services, found)
    except Unavailable as error:
        # The deletion of the task cannot be repeated, so it must not fail now. Nobody can read the file any more.
        log.warning("attachment not deleted", extra={"task_id": task_id, "reason": error.reason})


async def in_parts(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a stream in parts of PART_BYTES. The last one may be smaller."""
    buffer = bytearray()
    async for chunk in body:
        buffer += chunk
        while len(buffer) >= PART_BYTES:
            yield bytes(buffer[:PART_BYTES])
            del buffer[:PART_BYTES]
    if buffer:
        yield bytes(buffer)


async def _opened(services: Services, stored: Attachment, unseal: Step) -> AsyncIterator[bytes]:
    for file, digest in zip(stored.files, stored.digests, strict=True):
        part = await unseal(await call_file(services, "get", file))
        if sha256(part).hexdigest() != digest:
            binding = services.settings.attachments_binding
            raise Unavailable(502, binding, f"{binding} has another file than the one that was stored.")
        yield part


async def _delete(services: Services, stored: Attachment) -> None:
    for file in stored.files:
        try:
            await call_file(services, "delete", file)
        except Unavailable as error:
            # It stays behind, encrypted, and no list names it any more.
            log.warning("file not deleted", extra={"file": file, "reason": error.reason})


def _key(task_id: str) -> str:
    return f"attachment-{task_id}"
