"""Cryptography: encrypt and decrypt with a key that only the sidecar sees, here the attachments of tasks.

The SDK's `encrypt` takes and returns whole values, so a file passes through it part by part (attachments.py).
"""

from dapr.clients.grpc._crypto import DecryptOptions, EncryptOptions
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

import attachments
from kit.edge.problems import documented
from models import OCTETS, FileSize, TaskId
from wiring import Services, ServicesDep

# How the key of this file wraps the key of each part.
WRAP = "A256KW"

router = APIRouter(tags=["crypto"])


async def encrypt(services: Services, data: bytes) -> bytes:
    """Return data in Dapr's encryption scheme, which names the key. Empty data cannot be encrypted."""
    component = services.settings.crypto_component
    options = EncryptOptions(component, services.settings.crypto_key, WRAP)
    async with services.sdk.calling(component) as client:
        return await (await client.encrypt(data, options)).read()


async def decrypt(services: Services, data: bytes) -> bytes:
    """Return encrypted data in plain. Raise Unavailable if it was changed, or if its key is not there."""
    component = services.settings.crypto_component
    async with services.sdk.calling(component) as client:
        return await (await client.decrypt(data, DecryptOptions(component))).read()


@router.put(
    "/tasks/{task_id}/attachment",
    openapi_extra={"requestBody": {"required": True, "content": OCTETS}},
    responses=documented(404, 422, 502, 503, 504),
)
async def attach(task_id: TaskId, request: Request, services: ServicesDep) -> FileSize:
    """Encrypt and store a file. It replaces an earlier one when all of it has arrived."""
    await services.state.read(task_id)

    async def seal(part: bytes) -> bytes:
        return await encrypt(services, part)

    return await attachments.store(services, task_id, request.stream(), seal)


@router.get(
    "/tasks/{task_id}/attachment",
    response_class=StreamingResponse,
    responses={200: {"content": OCTETS}, **documented(404, 422, 502, 503, 504)},
)
async def attachment(task_id: TaskId, services: ServicesDep) -> StreamingResponse:
    """Send the file in plain. If a later part fails, the answer ends before its content-length."""
    await services.state.read(task_id)

    async def unseal(part: bytes) -> bytes:
        return await decrypt(services, part)

    size, parts = await attachments.load(services, task_id, unseal)
    headers = {"content-length": str(size), "content-disposition": "attachment", "x-content-type-options": "nosniff"}
    return StreamingResponse(parts, media_type="application/octet-stream", headers=headers)
