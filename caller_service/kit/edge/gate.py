"""What a request must be before a route sees it: sent to us, by no foreign page, as JSON, with headers that fit.

A route that takes a file has other limits, and another type.
"""

import re
import sys
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit.edge import trace
from kit.edge.limits import CLOSE, MOST_DRAINED, BodyLimits, drain
from kit.edge.problems import problem
from kit.edge.settings import ServiceSettings

# The headers that an app passes on or logs. Downstream they could be too long, or no ASCII, and fail the call.
PASSED_ON = frozenset({b"traceparent", b"tracestate", b"baggage", b"grpc-trace-bin", b"x-request-id"})
WATCHED = PASSED_ON | {b"host", b"origin", b"content-type", b"content-length", b"transfer-encoding"}
SAFE = ("GET", "HEAD", "OPTIONS")
# A browser sends other types from any page without asking first; Dapr's callbacks have these.
JSON = re.compile(rb"\s*application/([\w.!#$&^+-]+\+)?json\s*(;[^,]*)?", re.IGNORECASE)
FILE = re.compile(rb"\s*application/octet-stream\s*", re.IGNORECASE)
REQUEST_ID = re.compile(rb"[!-~]{1,200}")
TRACE_STATE = re.compile(rb"[!-~ \t]{1,512}")

# More digits than the size of any file has.
MOST_DIGITS = 20

NO_HOST = "host: this service does not serve that host. Its ALLOWED_HOSTS lists the hosts it serves."
FOREIGN = "origin: pages of this origin may not change anything here."
NOT_JSON = "content-type: send the body as application/json."
NOT_A_FILE = "content-type: send the file as application/octet-stream."


@dataclass(frozen=True)
class Uploads:
    """The paths (a regular expression) whose PUT has a file as its body, and the limits of a file."""

    paths: str
    max_bytes: int
    max_seconds: float


@dataclass(frozen=True)
class Body:
    """What a body must be."""

    limits: BodyLimits
    type: re.Pattern[bytes]
    wrong_type: str


class Gate:
    """ASGI middleware that refuses a request that no route should see, and drops headers that could not be passed on.

    It reads the headers once. Starlette's BaseHTTPMiddleware would cost each request a task and two streams, and its
    TrustedHostMiddleware answers in plain text.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings, uploads: Uploads | None = None) -> None:
        self.app = app
        self.json = Body(BodyLimits(settings.max_body_bytes, settings.max_body_seconds), JSON, NOT_JSON)
        self.uploads = re.compile(uploads.paths if uploads else r"(?!)")
        limits = BodyLimits(uploads.max_bytes, uploads.max_seconds) if uploads else self.json.limits
        self.file = Body(limits, FILE, NOT_A_FILE)
        hosts = "|".join(re.escape(host) for host in settings.allowed_hosts)
        self.served = re.compile(rb".*" if "*" in settings.allowed_hosts else rf"({hosts})(:\d+)?".encode(), re.I)
        self.is_traced, self.recorded = settings.tracing, settings.otel_traces_sampler_arg
        self.origins = {origin.encode() for origin in settings.cors_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        seen: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in WATCHED:
                # Only `tracestate` may be sent in several lines; a second line of another one makes that invalid.
                seen[name] = seen[name] + b", " + value if name in seen else value
        length = _length(seen)
        # A browser asks before any PUT from another site's page, whatever its type.
        body = self.file if scope["method"] == "PUT" and self.uploads.fullmatch(scope["path"]) else self.json
        if refusal := self._refusal(scope["method"], seen, length, body):
            if 0 < length <= MOST_DRAINED:
                await drain(receive)
            return await problem(*refusal, CLOSE)(scope, receive, send)
        if length:
            receive = body.limits.bounded(receive)
        parent = None if PASSED_ON.isdisjoint(seen) else _drop_unfitting(scope, seen)
        if not self.is_traced:  # Otherwise FastAPI has begun a span.
            trace.begin(parent, self.recorded)
        if scope["method"] == "HEAD":
            # Routes serve GET. The server keeps its own scope, and sends no body.
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        return await self.app(scope, receive, send)

    def _refusal(self, method: str, seen: dict[bytes, bytes], length: int, body: Body) -> tuple[int, str] | None:
        host, origin = seen.get(b"host", b""), seen.get(b"origin")
        if not self.served.fullmatch(host):
            return 400, NO_HOST
        if method in SAFE:
            return None
        # A page of this very service has the service's host in its origin.
        if origin and origin not in self.origins and origin.partition(b"://")[2] != host:
            return 403, FOREIGN
        if length > body.limits.max_bytes:
            return 413, body.limits.too_large
        # Dapr sends an empty body in chunks, without a type. A page cannot: a browser announces each length.
        is_from_dapr = b"transfer-encoding" in seen and b"content-type" not in seen
        if length and not is_from_dapr and not body.type.fullmatch(seen.get(b"content-type", b"")):
            return 415, body.wrong_type
        return None


def _length(seen: dict[bytes, bytes]) -> int:
    """Return the announced length of the body: 0 without one, 1 for one in chunks."""
    if b"transfer-encoding" in seen:
        return 1
    digits = seen.get(b"content-length", b"0")
    # uvicorn lets any number of digits through, and int() refuses more than 4,300.
    return int(digits) if len(digits) <= MOST_DIGITS else sys.maxsize


def _drop_unfitting(scope: Scope, seen: dict[bytes, bytes]) -> str | None:
    """Drop the headers that could not be passed on. Return the traceparent, if it is valid."""
    fitting: dict[bytes, bytes] = {}
    request_id, parent, state = seen.get(b"x-request-id"), seen.get(b"traceparent"), seen.get(b"tracestate")
    if request_id and REQUEST_ID.fullmatch(request_id):
        fitting[b"x-request-id"] = request_id
    if parent and trace.is_valid(parent.decode("latin-1")):
        fitting[b"traceparent"] = parent
        if state and TRACE_STATE.fullmatch(state):
            fitting[b"tracestate"] = state
    if state or fitting.keys() != PASSED_ON & seen.keys():
        kept = [header for header in scope["headers"] if header[0] not in PASSED_ON]
        scope["headers"] = [*kept, *fitting.items()]
    return fitting[b"traceparent"].decode() if b"traceparent" in fitting else None


def _without_body(send: Send) -> Send:
    is_sent = False

    async def send_head(message: Message) -> None:
        nonlocal is_sent
        if message["type"] != "http.response.body":
            await send(message)
        elif not is_sent:
            is_sent = True
            # The last part, so that a stream ends too.
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_head
