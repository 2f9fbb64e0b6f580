"""Logs as JSON lines, each with its app, the trace id of its request and the workflow instance of its activity."""

import logging
import os
import sys
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

from kit.edge.trace import trace_id

instance_id: ContextVar[str | None] = ContextVar("instance_id", default=None)

# One JSON object a line; `extra={...}` of a log call adds members.
FORMATTER = JsonFormatter(
    ("levelname", "name", "message"),
    rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
    timestamp="time",
    json_ensure_ascii=False,
)


def add_ids(record: logging.LogRecord) -> bool:
    """Add the app id, the trace id and the instance id to a record, as a filter of its handler."""
    ids = {"app_id": os.environ.get("APP_ID"), "trace_id": trace_id(), "instance_id": instance_id.get()}
    for name, value in ids.items():
        if value:
            # A field of the call counts first: it may be about another instance.
            record.__dict__.setdefault(name, value)
    return True


def configure(level: str) -> None:
    """Write what every logger has to say, uvicorn's too, and Python's warnings, as JSON lines to standard output.

    The access log is off unless `level` is DEBUG: the sidecar already logs, counts and traces each call.
    """
    stdout = logging.StreamHandler(sys.stdout)
    stdout.setFormatter(FORMATTER)
    stdout.addFilter(add_ids)
    logging.basicConfig(level=level, handlers=[stdout], force=True)
    logging.captureWarnings(True)
    # `uvicorn main:app` has given its loggers handlers and levels of their own before it imports the app.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.NOTSET)
    logging.getLogger("uvicorn.access").propagate = level == "DEBUG"
