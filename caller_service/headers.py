"""What identifies a request and goes with it from service to service."""

import re
from collections.abc import Mapping
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = b"x-request-id"
ACCEPTED_ID = re.compile(rb"[!-~]{1,200}")


class RequestId:
    """ASGI middleware: every request has an `x-request-id`, its own or one made here, and every answer tells it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = next((value for name, value in scope["headers"] if name == REQUEST_ID), b"")
        if not ACCEPTED_ID.fullmatch(request_id):
            request_id = uuid4().hex.encode()
            scope["headers"] = [*(pair for pair in scope["headers"] if pair[0] != REQUEST_ID), (REQUEST_ID, request_id)]

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (REQUEST_ID, request_id)]
            await send(message)

        await self.app(scope, receive, send_with_id)


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an incoming request that belong on the calls it leads to.

    The request id lets callee count the attempts of one request; the other two (W3C trace context) keep the call in the
    same trace. What gRPC could not carry as metadata, which is ASCII, is left out.
    """
    found = {name: headers.get(name, "") for name in ("x-request-id", "traceparent", "tracestate")}
    return {name: value for name, value in found.items() if value and value.isascii() and value.isprintable()}
