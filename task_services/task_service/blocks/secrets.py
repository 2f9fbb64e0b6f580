"""Secrets: read from a store through the sidecar, so that the code and its environment have none.

`spec.secrets.scopes` of the sidecar's Configuration (config/config.yaml) lists the secrets that this app may read. The
sidecar answers PERMISSION_DENIED for any other, and a bulk read leaves the others out.
"""

from fastapi import APIRouter
from pydantic import BaseModel, Field, SecretStr

from kit.edge.problems import documented
from kit.sidecar.unavailable import Unavailable
from wiring import Services, ServicesDep

SECRET, KEY = "api-credentials", "api-key"

router = APIRouter(tags=["secrets"])


class Credentials(BaseModel):
    """The secrets that this app may read: their names and keys, and no value."""

    store: str = Field(examples=["tasksecretstore"])
    readable: dict[str, list[str]] = Field(examples=[{SECRET: [KEY]}])


async def api_key(services: Services) -> SecretStr:
    """Read one secret, which may have several keys. Raise Unavailable if it is refused, missing or empty."""
    store = services.settings.secret_store
    async with services.sdk.calling(store) as client:
        found = (await client.get_secret(store, SECRET)).secret.get(KEY)
    if not found:
        raise Unavailable(502, store, f"{store} has no value for {SECRET}/{KEY}.", "NOT_FOUND")
    return SecretStr(found)


async def readable(services: Services) -> dict[str, list[str]]:
    """Read all secrets in bulk, and return the keys of those that have a value."""
    store = services.settings.secret_store
    async with services.sdk.calling(store) as client:
        found = (await client.get_bulk_secret(store)).secrets
    keys = {name: sorted(key for key, value in secret.items() if value) for name, secret in found.items()}
    return {name: keys[name] for name in sorted(keys) if keys[name]}


@router.get("/credentials", responses=documented(502, 503, 504))
async def credentials(services: ServicesDep) -> Credentials:
    """Show which secrets this app may read."""
    return Credentials(store=services.settings.secret_store, readable=await readable(services))
