"""Build and serve the console: the pages on one port, the receiver of spans on Zipkin's port."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.types import ASGIApp

from console import pages
from console.gate import Gate
from console.labs import TOKEN_VARIABLE, Labs
from console.spans import receiver
from console.spans.store import SpanStore
from console.spans.zipkin import follow
from labctl.runfile import ZIPKIN
from labctl.stack import Stack
from labctl.up import processes

# A sidecar keeps its connection for 90 s, and sends spans each 5 s. If the server closed it first, spans would be lost.
KEEP_ALIVE = 120


def build(labs: Labs, store: SpanStore, port: int, *, token: str | None = None, zipkin: int | None = None) -> ASGIApp:
    """Return the console as an ASGI app for this port. It refuses requests from pages of other sites.

    token: wanted from every browser. zipkin: the port of a Zipkin to read spans from.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        following = asyncio.create_task(follow(store, zipkin)) if zipkin else None
        yield
        if following:
            following.cancel()
        await labs.aclose()

    app = FastAPI(title="Dapr labs", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    pages.install(labs, store)
    # Without Tailwind, whose compiler runs in the browser and takes longer than anything else on a page.
    ui.run_with(  # pyright: ignore[reportUnknownMemberType]
        app,
        title="Dapr labs",
        dark=None,
        language="en-US",
        favicon="🔭",
        tailwind=False,
        show_welcome_message=False,
        # A busy machine must not make a page reload, because then it loses what its user typed.
        reconnect_timeout=10,
        # No page binds values, so nothing has to be looked at ten times a second.
        binding_refresh_interval=None,
    )
    return Gate(app, port, token)


def serve(stack: Stack, port: int) -> None:
    """Serve the pages on this port until SIGTERM or SIGINT, and receive spans unless a Zipkin does."""
    store, zipkin = SpanStore(), ZIPKIN + stack.offset
    has_zipkin, token = processes.answers(zipkin), os.environ.get(TOKEN_VARIABLE)
    if stack.secure and not token:
        raise SystemExit(f"The labs run with --secure, so {TOKEN_VARIABLE} must be set: ./lab console sets it.")
    console = build(Labs(stack), store, port, token=token, zipkin=zipkin if has_zipkin else None)
    servers = [server(console, port)]
    if not has_zipkin:
        servers.append(server(Gate(receiver.build(store), zipkin), zipkin))
    asyncio.run(_serve(servers))


class _Server(uvicorn.Server):
    """A server that leaves the signals to `_serve`, because there are two."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def server(app: ASGIApp, port: int) -> _Server:
    """Return a server for this port of this machine, and no other one."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=2,
        timeout_keep_alive=KEEP_ALIVE,
        proxy_headers=False,
        server_header=False,
    )
    return _Server(config)


async def _serve(servers: list[_Server]) -> None:
    def end() -> None:
        for server in servers:
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    await asyncio.gather(*(server.serve() for server in servers))
