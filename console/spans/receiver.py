"""The part of Zipkin's API v2 that sidecars and `./lab trace` use: POST spans, GET traces."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response

from console.spans.store import SpanStore
from labctl import spans

MOST_BYTES = 5_000_000  # Dapr sends up to 512 spans at once, of about 1 kB each
router = APIRouter(prefix="/api/v2")


def build(store: SpanStore) -> FastAPI:
    """Return the app that serves this store."""
    app = FastAPI(title="Spans", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.store = store
    app.include_router(router)
    return app


@router.post("/spans", status_code=202)
async def receive(request: Request) -> Response:
    """Take the spans of a JSON array. Answer 400 when it is none, 413 when it is too large, 415 for another type."""
    # A page of another site may send text to this port, but no JSON.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Send application/json.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"More than {MOST_BYTES} bytes.")
    try:
        request.app.state.store.add([spans.read(entry) for entry in json.loads(body)])
    except spans.UNREADABLE as error:
        raise HTTPException(400, "This is no JSON array of Zipkin spans.") from error
    return Response(status_code=202)


@router.get("/trace/{trace_id}")
async def trace(trace_id: str, request: Request) -> list[dict[str, Any]]:
    """Return the spans of a trace."""
    found = request.app.state.store.trace(trace_id)
    if not found:
        raise HTTPException(404, "No such trace.")
    return [spans.write(span) for span in found]


@router.get("/traces")
async def traces(request: Request, limit: Annotated[int, Query(ge=1, le=10_000)] = 10) -> list[list[dict[str, Any]]]:
    """Return the latest traces, newest first."""
    return [[spans.write(span) for span in trace] for trace in request.app.state.store.latest(limit)]
