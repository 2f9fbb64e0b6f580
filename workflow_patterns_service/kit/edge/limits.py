"""Bounds on the body of a request: its bytes, and the time until all of it has arrived."""

import asyncio
from contextlib import suppress

from fastapi import HTTPException
from starlette.types import Message, Receive

# The rest of a huge or endless body would otherwise be read only to be thrown away.
CLOSE = {"connection": "close"}
# Dapr carries no larger body. Beyond these bounds a client may see a closed connection instead of its answer.
MOST_DRAINED = 4 * 1024 * 1024
DRAIN_SECONDS = 2


class BodyLimits:
    """Answer 413 to a body above `max_bytes`, and 408 to one that takes over `max_seconds`.

    FastAPI's own `max_body_size` answers in plain text and bounds no time.
    """

    def __init__(self, max_bytes: int, max_seconds: float) -> None:
        self.max_bytes = max_bytes
        self.max_seconds = max_seconds
        self.too_large = f"The body is larger than {max_bytes} bytes."
        self.too_slow = f"The body did not arrive within {max_seconds:g} s."

    def bounded(self, receive: Receive) -> Receive:
        """Return `receive` with both limits."""
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
            complete = not message.get("more_body", False)
            # A chunked body does not announce its length, so its bytes are counted as they arrive.
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                if not complete:
                    await drain(receive)
                raise HTTPException(413, self.too_large, CLOSE)
            return message

        return receive_bounded


async def drain(receive: Receive) -> None:
    """Read the rest of a body. To close the connection while a client still sends would cost it the answer."""
    drained, complete = 0, False
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while not complete and drained < MOST_DRAINED:
                message = await receive()
                drained += len(message.get("body", b""))
                complete = not message.get("more_body", False)
