"""The trace of the work in hand, as W3C's `traceparent`: read at the edge, passed on with each call to the sidecar.

OpenTelemetry's API keeps it, as FastAPI and the workflow SDK do: an activity runs in the trace of its workflow. Only
with TRACING=true the app has spans of its own in it (tracing.py).
"""

import re
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from random import random
from secrets import token_hex

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from opentelemetry.context import attach
from opentelemetry.trace import Span, SpanKind, get_current_span, get_tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kit.edge.settings import ServiceSettings

HEADER = "traceparent"
# All zeros means "no trace": Dapr sends that when tracing is off.
_VALID = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_W3C = TraceContextTextMapPropagator()
_TRACER = get_tracer("kit")


def is_valid(traceparent: str) -> bool:
    """Return whether this is a `traceparent` that can be passed on."""
    return _VALID.fullmatch(traceparent) is not None


def begin(traceparent: str | None, recorded: float = 1.0) -> None:
    """Continue this trace, or begin one, so that all calls of a request are in the same trace.

    recorded: the share of the begun traces that sidecars record. They obey the flag of a call, whatever their rate is.
    """
    # Each request runs in its own context, so nothing has to be reset after it.
    attach(_W3C.extract({HEADER: traceparent or f"00-{token_hex(16)}-{token_hex(8)}-0{int(random() < recorded)}"}))


def trace_id() -> str | None:
    """Return the id of the present trace, or None outside of one."""
    present = get_current_span().get_span_context()
    return f"{present.trace_id:032x}" if present.is_valid else None


def headers() -> dict[str, str]:
    """Return the header that keeps a call in the present trace; none outside of one."""
    present = get_current_span().get_span_context()
    if not present.is_valid:
        return {}
    return {HEADER: f"00-{present.trace_id:032x}-{present.span_id:016x}-{present.trace_flags:02x}"}


def serve(name: str) -> AbstractContextManager[Span]:
    """Return a context manager for the span of a request. FastAPI does the same for its routes."""
    return _TRACER.start_as_current_span(name, kind=SpanKind.SERVER)


def call(name: str) -> AbstractContextManager[Span]:
    """Return a context manager for the span of a call that a recorded request or activity makes."""
    present = get_current_span()
    if not present.is_recording():
        return nullcontext(present)
    return _TRACER.start_as_current_span(name, kind=SpanKind.CLIENT)


def recording(settings: ServiceSettings, app: str) -> AbstractAsyncContextManager[None]:
    """Return a context manager that records spans during a block if TRACING is true."""
    if not settings.tracing:
        return nullcontext()
    from kit.edge import tracing  # Only now, because the import takes a while.

    return tracing.recording(app, settings.otel_traces_sampler_arg)


async def pass_on(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep a call of an HTTP session in the present trace: a middleware of aiohttp."""
    with call(request.method):
        request.headers.update(headers())
        return await handler(request)
