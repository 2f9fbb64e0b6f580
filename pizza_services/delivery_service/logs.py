"""Logs as JSON lines, each with the trace id of the request it belongs to."""

import json
import logging
import logging.config
import re
from contextvars import ContextVar
from datetime import UTC, datetime

from starlette.types import ASGIApp, Receive, Scope, Send

# The id in a W3C traceparent. All zeros means "no trace": Dapr sends that when tracing is off.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)


def trace_id_of(traceparent: str) -> str | None:
    """The trace id in a `traceparent` header, or None if it holds none."""
    found = _TRACEPARENT.match(traceparent)
    return found[1] if found else None


class TraceContext:
    """ASGI middleware that tells the log which trace a request belongs to."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Each request runs in a context of its own, so nothing has to be reset after it.
        for name, value in scope.get("headers", ()):
            if name == b"traceparent":
                trace_id.set(trace_id_of(value.decode("latin-1")))
        await self.app(scope, receive, send)


class JsonLines(logging.Formatter):
    """One JSON object a line; `extra={"fields": {...}}` of a log call adds members."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if trace := trace_id.get():
            line["trace_id"] = trace
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str) -> None:
    """Sends every logger, uvicorn's too, through JsonLines to standard output.

    The access log is off unless `level` is DEBUG: the sidecar already logs, counts and traces each call.
    """
    through_root: dict[str, object] = {"level": level, "handlers": [], "propagate": True}
    stdout = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonLines}},
            "handlers": {"stdout": stdout},
            "root": {"level": level, "handlers": ["stdout"]},
            "loggers": {
                "uvicorn": through_root,
                "uvicorn.error": through_root,
                "uvicorn.access": {**through_root, "propagate": level == "DEBUG"},
            },
        }
    )
