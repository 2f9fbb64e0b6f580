"""A Zipkin is followed: also one that starts later, restarts, or answers nonsense. Here the receiver is the Zipkin."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI

from console.spans import receiver, zipkin
from console.spans.store import SpanStore
from labctl.spans import Span, read
from labctl.up.processes import wait_until


def spans(trace: int) -> list[Span]:
    """Return a trace of one span."""
    return [read({"traceId": f"{trace:032x}", "id": f"{1:016x}", "name": "call", "timestamp": 1, "duration": 1})]


@asynccontextmanager
async def serving(app: FastAPI, port: int) -> AsyncGenerator[None]:
    """Serve an app on a port while the block runs."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield
    server.should_exit = True
    await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    assert await asyncio.to_thread(wait_until, condition, 10, 0.01)


def nonsense(asked: list[str]) -> FastAPI:
    """Return a server that is no Zipkin. It notes each request."""
    app = FastAPI()

    @app.get("/api/v2/traces")
    async def answer() -> dict[str, list[str]]:
        asked.append("traces")
        return {"a": ["b"]}

    return app


def test_spans_are_followed_across_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipkin, "EVERY", 0.02)
    monkeypatch.setattr(zipkin, "AFTER_FAILURE", 0.02)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    followed = SpanStore()

    async def run() -> None:
        following = asyncio.create_task(zipkin.follow(followed, port))
        for trace in (1, 2):
            there = SpanStore()
            there.add(spans(trace))
            async with serving(receiver.build(there), port):
                await until(lambda trace=trace: bool(followed.trace(f"{trace:032x}")))
            async with serving(nonsense(asked := list[str]()), port):
                await until(lambda asked=asked: len(asked) > 1)
        assert not following.done()
        following.cancel()

    asyncio.run(run())
    assert len(followed) == 2
