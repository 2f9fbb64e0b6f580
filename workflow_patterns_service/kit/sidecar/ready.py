"""Check that this app's Dapr sidecar can carry calls."""

import aiohttp

from kit.sidecar.unavailable import SIDECAR, Unavailable


async def check_ready(session: aiohttp.ClientSession, port: int) -> None:
    """Return when the sidecar can carry calls out; raise Unavailable when it cannot.

    `/healthz/outbound` rather than `/healthz`: the latter also waits for this app, which may be waiting for it.
    """
    place = f"The Dapr sidecar at 127.0.0.1:{port}"
    url = f"http://127.0.0.1:{port}/v1.0/healthz/outbound"
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=2)) as response:
            if not response.ok:
                raise Unavailable(503, SIDECAR, f"{place} is not ready: it answers {response.status}.")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(503, SIDECAR, f"{place} cannot be reached ({type(error).__name__}).") from error
