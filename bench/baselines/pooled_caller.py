"""The taught caller with one change: one httpx client that lives as long as the process.

`./lab bench invocation` runs it twice. CLIENT decides what carries the requests: `httpx` (httpx's own transport) or
`httpx-aiohttp` (the same client over aiohttp's connections).
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import httpx
import taught_caller
from httpx_aiohttp import AiohttpTransport

import callee
import main
from settings import Settings

TRANSPORT = {"httpx": httpx.AsyncHTTPTransport, "httpx-aiohttp": AiohttpTransport}[os.environ["CLIENT"]]


class PooledCallee(taught_caller.TaughtCallee):
    """Ask callee as the taught caller does, but through one client for all calls."""

    pooled: httpx.AsyncClient

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[httpx.AsyncClient]:
        yield self.pooled


@asynccontextmanager
async def connected(settings: Settings, session: aiohttp.ClientSession) -> AsyncGenerator[PooledCallee]:
    """Open caller's clients and the pooled one; close them at the end."""
    async with (
        httpx.AsyncClient(transport=TRANSPORT(), timeout=None) as pooled,
        callee.connected(settings, session) as connected,
    ):
        assert isinstance(connected, PooledCallee)
        connected.pooled = pooled
        yield connected


callee.Callee = PooledCallee
main.connected = connected
app = main.app
