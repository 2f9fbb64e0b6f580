"""Is there a workflow worker that the sidecar hands work to, and does the sidecar know where actors are?"""

from typing import Any

import aiohttp

from sidecar import SidecarNotReady
from worker import Worker


async def check_worker(worker: Worker, session: aiohttp.ClientSession, port: int) -> None:
    """Returns when a workflow that is scheduled now would run; raises SidecarNotReady when it would wait."""
    # Also after a restart of the sidecar, which the worker itself notices only when it connects again.
    if not worker.connected or not _workers(await _metadata(session, port)):
        raise SidecarNotReady("The workflow worker is not connected to the Dapr sidecar yet.")


async def placement_is_connected(session: aiohttp.ClientSession, port: int) -> bool:
    """Whether placement has told the sidecar where actors are; raises SidecarNotReady when it does not say."""
    return _is_placed(await _metadata(session, port))


async def lacks_only_a_worker(session: aiohttp.ClientSession, port: int) -> bool:
    """Whether the sidecar has placement, and no worker; raises SidecarNotReady when it does not say."""
    metadata = await _metadata(session, port)
    return _is_placed(metadata) and not _workers(metadata)


def _is_placed(metadata: dict[str, Any]) -> bool:
    return bool(metadata.get("actorRuntime", {}).get("hostReady"))


def _workers(metadata: dict[str, Any]) -> int:
    return metadata.get("workflows", {}).get("connectedWorkers", 0)


async def _metadata(session: aiohttp.ClientSession, port: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/v1.0/metadata"
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=2)) as response:
            response.raise_for_status()
            return await response.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SidecarNotReady(f"The Dapr sidecar does not tell of its workers ({type(error).__name__}).") from error
