"""Bindings: mails, calls of other systems, and files, through components instead of a client for each.

A component has the address and the password of a system. So the code stays as it is when the system is another one.
"""

from html import escape

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from blocks import secrets
from kit.edge.problems import documented
from models import TaskId
from wiring import Services, ServicesDep

# One address: Dapr takes a text with `;` for several.
ADDRESS = r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,180}$"

router = APIRouter(tags=["bindings"])


class Recipient(BaseModel):
    """The recipient of a mail."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: str = Field(pattern=ADDRESS, examples=["ada@example.com"])


class Delivered(BaseModel):
    """The component that delivered a message."""

    delivered_by: str = Field(examples=["email-binding"])


async def mail(services: Services, to: str, subject: str, text: str) -> None:
    """Send a mail. It was accepted if this returns, and may have been accepted if this raises Unavailable."""
    binding, seconds = services.settings.email_binding, services.settings.mail_timeout_seconds
    # The binding sends HTML.
    body = "<br>\n".join(escape(line) for line in text.splitlines())
    # Of two mails at once Dapr may send both to one of the two recipients (docs/dapr-faults.md), so one at a time.
    async with services.sdk.calling(binding, seconds) as client, services.mailing:
        await client.invoke_binding(binding, "create", body, {"emailTo": to, "subject": subject})


async def call_file(services: Services, operation: str, name: str, data: bytes = b"") -> bytes:
    """Create, get or delete a file. Raise Unavailable if it does not exist.

    Data that is valid base64 or a quoted string is decoded before it is written, so write binary formats only.
    """
    binding = services.settings.attachments_binding
    async with services.sdk.calling(binding) as client:
        return (await client.invoke_binding(binding, operation, data, {"fileName": name})).data


@router.post("/tasks/{task_id}/email", responses=documented(404, 422, 502, 503, 504))
async def mail_task(task_id: TaskId, recipient: Recipient, services: ServicesDep) -> Delivered:
    """Mail a task to somebody."""
    task, _ = await services.state.read(task_id)
    await mail(services, recipient.to, f"Task: {task.title}", f"{task.title}\nThis task is {task.status}.")
    return Delivered(delivered_by=services.settings.email_binding)


@router.post("/tasks/{task_id}/webhook", responses=documented(404, 422, 502, 503, 504))
async def post_task(task_id: TaskId, services: ServicesDep) -> Delivered:
    """Post a task to another system, with the API key for it. An answer other than 2xx is an error."""
    task, _ = await services.state.read(task_id)
    key, binding = await secrets.api_key(services), services.settings.webhook_binding
    # Metadata that begins with a capital letter becomes a header.
    headers = {"X-Api-Key": key.get_secret_value(), "Idempotency-Key": task.id}
    async with services.sdk.calling(binding) as client:
        await client.invoke_binding(binding, "post", task.model_dump_json(), headers)
    return Delivered(delivered_by=binding)
