"""Bounds on the body of a request: its bytes, and the time until all of it has arrived."""

import asyncio

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit.edge.problems import problem

# The rest of a huge or endless body would otherwise be read only to be thrown away.
CLOSE = {"connection": "close"}
# More than any size that fits a file system has.
MOST_DIGITS = 20


class BodyLimits:
    """ASGI middleware that answers 413 to a body above `max_bytes`, and 408 to one that takes over `max_seconds`.

    FastAPI's own `max_body_size` answers in plain text and bounds no time. Starlette's BaseHTTPMiddleware would cost
    each request a task and two streams, so this is plain ASGI.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_seconds: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.max_seconds = max_seconds
        self.too_large = f"The body is larger than {max_bytes} bytes."
        self.too_slow = f"The body did not arrive within {max_seconds:g} s."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                # uvicorn lets digits through only, but any number of them, and int() refuses more than 4,300.
                if name == b"content-length" and (len(value) > MOST_DIGITS or int(value) > self.max_bytes):
                    await problem(413, self.too_large, CLOSE)(scope, receive, send)
                    return
                if name in (b"content-length", b"transfer-encoding"):
                    receive = self._bounded(receive)
        await self.app(scope, receive, send)

    def _bounded(self, receive: Receive) -> Receive:
        deadline = asyncio.get_running_loop().time() + self.max_seconds
        received, complete = 0, False

        async def receive_bounded() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, self.too_slow, CLOSE) from None
            # A chunked body does not announce its length, so its bytes are counted as they arrive.
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise HTTPException(413, self.too_large, CLOSE)
            complete = not message.get("more_body", False)
            return message

        return receive_bounded
