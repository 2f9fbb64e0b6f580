"""Is this app's workflow worker connected, so that Dapr hands activities to it?"""

from typing import Any

import aiohttp

from settings import Settings
from sidecar import SidecarNotReady


async def check_worker(session: aiohttp.ClientSession, settings: Settings) -> None:
    """Returns when an activity would be handed out; raises SidecarNotReady when it would wait.

    The sidecar is asked, as the SDK's worker takes itself for connected before it is, and when the sidecar restarts.
    """
    url = f"http://127.0.0.1:{settings.dapr_http_port}/v1.0/metadata"
    token = settings.dapr_api_token
    headers = {"dapr-api-token": token.get_secret_value()} if token else {}
    try:
        async with session.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=2)) as response:
            response.raise_for_status()
            metadata: Any = await response.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SidecarNotReady(f"The Dapr sidecar does not tell of its workers ({type(error).__name__}).") from error
    if not metadata.get("workflows", {}).get("connectedWorkers"):
        raise SidecarNotReady("The Dapr sidecar is up, but this app's workflow worker is not connected to it yet.")
