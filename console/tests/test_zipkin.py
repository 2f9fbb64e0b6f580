"""A Zipkin is followed: also one that starts later, restarts, or answers nonsense. Here the receiver is the Zipkin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from console.app import server
from console.spans import receiver, zipkin
from console.spans.store import SpanStore
from kit.fakes.waiting import free_port
from labctl.spans import Span, read
from labctl.up.processes import wait_until


def spans(trace: int) -> list[Span]:
    """Return a trace of one span."""
    return [read({"traceId": f"{trace:032x}", "id": f"{1:016x}", "name": "call", "timestamp": 1, "duration": 1})]


@asynccontextmanager
async def serving(app: FastAPI, port: int) -> AsyncGenerator[None]:
    """Serve an app on a port while the block runs."""
    serves = server(app, port)
    task = asyncio.create_task(serves.serve())
    await until(lambda: serves.started)
    yield
    serves.should_exit = True
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
    port, followed = free_port(), SpanStore()

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


def test_the_connection_of_a_sidecar_stays_open_until_its_next_spans() -> None:
    async def run(port: int) -> None:
        async with serving(receiver.build(SpanStore()), port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST /api/v2/spans HTTP/1.1\r\nhost: localhost\r\n"
                b"content-type: application/json\r\ncontent-length: 2\r\n\r\n[]"
            )
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 6)  # seconds; it sends each 5
            writer.close()

    asyncio.run(run(free_port()))
