"""Bounds on what one request may cost: the bytes of its body, and its time."""

import asyncio

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from problems import problem

# Closes the connection, so that the rest of a huge or endless body is not read only to be thrown away.
CLOSE = {"connection": "close"}


class RequestLimits:
    """ASGI middleware that answers 413 to a body above `max_bytes`, and 408 or 503 after `max_seconds`.

    Plain ASGI, because Starlette's BaseHTTPMiddleware would cost each request a task and two streams.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_seconds: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.max_seconds = max_seconds
        self.too_large = f"The body is larger than {max_bytes} bytes."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self.max_bytes:
                await problem(413, self.too_large, CLOSE)(scope, receive, send)
                return

        received = 0
        waits_for_client = started = False

        async def receive_bounded() -> Message:
            # A chunked body does not say its length before, so its bytes are counted as they come.
            nonlocal received, waits_for_client
            waits_for_client = True
            message = await receive()
            waits_for_client = False
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise HTTPException(413, self.too_large, CLOSE)
            return message

        async def send_noting_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        limit = asyncio.timeout(self.max_seconds)
        try:
            async with limit:
                await self.app(scope, receive_bounded, send_noting_start)
        except TimeoutError:
            if started or not limit.expired():
                raise
            status, who = (408, "The request's body") if waits_for_client else (503, "The answer")
            await problem(status, f"{who} took longer than {self.max_seconds:g} s.", CLOSE)(scope, receive, send)
