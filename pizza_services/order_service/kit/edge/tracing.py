"""The app's own spans: recorded and sent to Zipkin only with TRACING=true."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from opentelemetry.exporter.zipkin.json import ZipkinExporter  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Status, set_tracer_provider

log = logging.getLogger(__name__)
# What may be seen of a request. Its path and its query have ids of users, and the text of an error may have more.
KEPT = ("http.request.method", "http.response.status_code", "http.route", "error.type")


class ToZipkin(SpanExporter):
    """Send spans without personal data to OTEL_EXPORTER_ZIPKIN_ENDPOINT, or else to port 9411 of this machine."""

    def __init__(self) -> None:
        self._zipkin: Any = ZipkinExporter()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            return self._zipkin.export([_public(span) for span in spans])
        except OSError as error:
            log.warning("spans not sent", extra={"spans": len(spans), "reason": type(error).__name__})
            return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._zipkin.shutdown()


@asynccontextmanager
async def recording(app: str, share: float) -> AsyncGenerator[None]:
    """Record spans while the block runs, as those of APP_ID or else of `app`. Send the last ones at its end.

    share: of the traces that begin here.
    """
    resource = Resource({SERVICE_NAME: os.environ.get("APP_ID", app)})
    provider = TracerProvider(ParentBasedTraceIdRatio(share), resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(ToZipkin()))
    set_tracer_provider(provider)
    try:
        yield
    finally:
        await asyncio.to_thread(provider.shutdown)


def _public(span: ReadableSpan) -> ReadableSpan:
    attributes = {name: value for name, value in (span.attributes or {}).items() if name in KEPT}
    return ReadableSpan(
        span.name, span.context, span.parent, span.resource, attributes, kind=span.kind,
        status=Status(span.status.status_code), start_time=span.start_time, end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )  # fmt: skip
