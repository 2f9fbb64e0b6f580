"""Check that a workflow worker is connected and that the sidecar has placement."""

from typing import Any

import aiohttp

from kit.sidecar.unavailable import SIDECAR, Unavailable


async def check_worker(session: aiohttp.ClientSession, port: int) -> None:
    """Return if work items would be dispatched to a worker now. Raise Unavailable if they would wait.

    The sidecar counts its workers. The SDK's worker itself reports connected before it is, and after it lost a sidecar.
    """
    if not _workers(await _metadata(session, port)):
        raise Unavailable(503, SIDECAR, "The Dapr sidecar is up, but no workflow worker is connected to it yet.")


async def has_placement(session: aiohttp.ClientSession, port: int) -> bool:
    """Return whether placement has told the sidecar where actors are. Raise Unavailable if it does not answer."""
    return _is_placed(await _metadata(session, port))


async def lacks_only_a_worker(session: aiohttp.ClientSession, port: int) -> bool:
    """Return whether the sidecar has placement and no worker. Raise Unavailable if it does not answer."""
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
        detail = f"The Dapr sidecar does not report its workers ({type(error).__name__})."
        raise Unavailable(503, SIDECAR, detail) from error
